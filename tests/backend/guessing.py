"""Guessers with all the time in the world, counted; and whether two kinds of answer take as long.

Each guesser goes on as long as anything of his is judged, moving the clock past every lock; what
is returned is how many guesses were judged.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from itertools import count

import msgspec

from backend.hands import PIN, Hands, refusal
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.exchange import Answer
from nearproof.daemon.backend.facts import Problem
from nearproof.daemon.backend.wire import ReportReason, ServiceCode

DAY = 86_400_000  # ms
MANY = 400  # of what never ends by itself


def _told(call: Callable[[], Answer]) -> tuple[str, int]:
    """The code that a call is refused with, "" for none, and the seconds to wait."""
    try:
        answer = call()
    except Problem as problem:
        return problem.code, problem.seconds or 0
    if answer.status < 400:
        return "", 0
    told = refusal(answer)
    return told.code, told.seconds or 0


def other_than(code: str) -> str:
    """Any other code."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


# -- how many guesses are judged ------------------------------------------------------------------


def pins(hands: Hands, old: DeviceKey) -> int:
    """Wrong PINs on one laptop, until it is dead."""
    judged = 0
    while True:
        code, seconds = _told(lambda: hands.start(old, other_than(PIN)))
        judged += code in (ServiceCode.WRONG_PIN, ServiceCode.DEVICE_DEAD)  # the last one kills
        if code == ServiceCode.DEVICE_DEAD:
            assert _told(lambda: hands.start(old)) == (ServiceCode.DEVICE_DEAD, 0)
            return judged
        assert code in (ServiceCode.WRONG_PIN, ServiceCode.PIN_LOCKED), code
        hands.store.now += seconds * 1000


def sms_codes(hands: Hands, old: DeviceKey, account: str) -> int:
    """Wrong SMS codes in one copy, until it is over."""
    new, copy = hands.proved(old)
    hands.name(new, copy, account)
    judged = 0
    while True:
        code, _ = _told(lambda: hands.code(new, copy, other_than(hands.sms(copy))))
        judged += code == ServiceCode.WRONG_SMS_CODE
        if code == ServiceCode.CODE_VOID:
            code, seconds = _told(lambda: hands.post("send_code", new, copy))
            hands.store.now += seconds * 1000
        if code in (ServiceCode.CEREMONY_OVER, ServiceCode.CODES_USED_UP):
            return judged


def check_codes(hands: Hands, old: DeviceKey) -> int:
    """Wrong check codes in one copy: each ends its QR code, and a QR code needs a grant."""
    copy = hands.started(old)
    hands.store.now += copy.waits * 1000
    for judged in count():
        try:
            grant = hands.granted(old, copy.id)
        except Problem as problem:
            assert problem.code is ServiceCode.GRANTS_USED_UP
            hands.post("cancel", old, copy.id)
            return judged
        report = wire.Report(grant.cti.hex(), ReportReason.WRONG_CODE)
        hands.post("report", old, copy.id, body=report)
    raise AssertionError


def user_ids(hands: Hands, old: DeviceKey) -> int:
    """Wrong user IDs in one copy."""
    new, copy = hands.proved(old)
    bodies = map(wire.Name, (f"x{number}" for number in count()))
    judged = 0
    while not _told(lambda: hands.post("name", new, copy, body=next(bodies)))[0]:
        judged += 1
    hands.post("cancel", new, copy)
    return judged


def activation_codes(hands: Hands) -> int:
    """Wrong activation codes by strangers: never locked, because 128 bits need no lock."""
    judged = 0
    for _ in range(MANY):
        key = hands.key()
        code = "".join(hands.random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=25)) + "A"
        body = wire.Activation(code, key.public, "guesser")
        told = _told(lambda key=key, body=body: hands.post("activate", key, body=body))  # type: ignore[misc]
        judged += told[0] == ServiceCode.INVITE
    return judged


def in_a_day(hands: Hands, guess: Callable[[], int]) -> int:
    """What one laptop gets judged within 24 hours, however many copies it starts."""
    until = hands.store.now + DAY
    judged = 0
    while hands.store.now < until:
        try:
            judged += guess()
        except Problem as problem:
            if problem.code is not ServiceCode.STARTS_USED_UP:
                raise
            break
    return judged


# -- how long it takes ----------------------------------------------------------------------------


def superiority(one: Sequence[float], other: Sequence[float]) -> float:
    """How often a sample of `one` is the larger (Mann-Whitney U / nm, ties count half).

    0.5 where the two are alike; robust to whatever else the machine does, if they alternate.
    """
    wins = sum((a > b) + (a == b) / 2 for a in one for b in other)
    return wins / (len(one) * len(other))


def sigma(n: int, m: int) -> float:
    """The standard deviation of `superiority` where the two are alike."""
    return math.sqrt((n + m + 1) / (12 * n * m))


def name_times(hands: Hands, samples: int) -> tuple[list[float], list[float]]:
    """Seconds that naming a right and a wrong user ID take, in turn; a copy for each.

    Under a policy without a wait: the copies must all be open at once.
    """
    ready = []
    for number in range(2 * samples):
        account = f"user{number}"
        new, copy = hands.proved(hands.enrolled(account))
        named = account if number % 2 else "nobody-of-this-name"
        body = msgspec.json.encode(wire.Name(named))
        ready.append((hands.request(new, "POST", "/v1/name", body), copy))
    times: tuple[list[float], list[float]] = ([], [])
    gc.disable()
    try:
        for number, (request, copy) in enumerate(ready):
            began = time.perf_counter()
            hands.service.name(request, copy)
            times[number % 2].append(time.perf_counter() - began)
    finally:
        gc.enable()
    return times[1], times[0]
