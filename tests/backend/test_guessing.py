"""Guessing, counted: what is judged of each secret, by ceremony, laptop and account."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from backend import guessing
from backend.guessing import sigma, superiority
from backend.hands import PIN, Hands, code_of
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.wire import DeviceState, PinAction, ServiceCode, Verification


@pytest.fixture(scope="module")
def database() -> None:
    """What is counted does not depend on the database: SQLite will do."""


PER_LAPTOP, PER_COPY, STARTS = 9, 9, 5


def test_pins_by_laptop(hands: Hands, name: str) -> None:
    """Nine of a million, in all time; then the laptop is dead, and the right PIN too late."""
    old = hands.enrolled(name)
    assert guessing.pins(hands, old) == PER_LAPTOP
    assert code_of(hands.start, old, PIN) is ServiceCode.DEVICE_DEAD


def test_pins_by_account(hands: Hands, name: str) -> None:
    """Nine on each laptop: the counters do not add up, and do not touch each other."""
    laptops = [hands.enrolled(name, slot=slot) for slot in (1, 2)]
    assert [guessing.pins(hands, laptop) for laptop in laptops] == [PER_LAPTOP] * 2


def test_sms_codes_by_ceremony(hands: Hands, name: str) -> None:
    """Nine, by three codes of three tries; then the copy is refused."""
    old = hands.enrolled(name)
    assert guessing.sms_codes(hands, old, name) == PER_COPY
    assert hands.heard(old)[-1] is wire.EventKind.REFUSED


def test_sms_codes_by_laptop_and_account(hands: Hands, name: str) -> None:
    """45 a day by one laptop whose PIN the thief has: five copies of nine, each told to all."""
    old, other = hands.enrolled(name), hands.enrolled(name, slot=2)
    judged = guessing.in_a_day(hands, lambda: guessing.sms_codes(hands, old, name))
    assert judged == STARTS * PER_COPY
    assert hands.heard(other).count(wire.EventKind.COPY_STARTED) == STARTS


def test_check_codes_by_ceremony_and_laptop(hands: Hands, name: str) -> None:
    """Three a copy, one a QR code; 15 a day by one laptop, and every laptop alerted each time."""
    old, other = hands.enrolled(name), hands.enrolled(name, slot=2)
    assert guessing.check_codes(hands, old) == 3
    judged = guessing.in_a_day(hands, lambda: guessing.check_codes(hands, old))
    assert judged == (STARTS - 1) * 3  # one of the day's copies stands above
    assert hands.heard(other).count(wire.EventKind.FRAUD_ALERT) == STARTS * 3


def test_user_ids_by_ceremony(hands: Hands, name: str) -> None:
    """Three a copy."""
    assert guessing.user_ids(hands, hands.enrolled(name)) == 3


def test_activation_codes(hands: Hands, name: str) -> None:
    """Guessed at without end, they lock nobody out: the right one still works."""
    hands.account(name)
    invite, key = hands.invite(name), hands.key()
    assert guessing.activation_codes(hands) == guessing.MANY
    answer = hands.post("activate", key, body=wire.Activation(invite, key.public, "first"))
    assert answer.status == 201


# -- nobody is locked out by somebody else --------------------------------------------------------


def attacks(hands: Hands, copy: str, new: DeviceKey, target: str) -> list[Callable[[], object]]:
    """What a stranger who knows every id of a victim can send."""

    def by(stranger: DeviceKey) -> list[Callable[[], object]]:
        guess = wire.SmsCode("000000")
        wrong = wire.NewPin(bytes(32), b"x")
        return [
            lambda: hands.post("check_code", stranger, copy, body=guess),
            lambda: hands.post("name", stranger, copy, body=wire.Name("x")),
            lambda: hands.post("send_code", stranger, copy),
            lambda: hands.post("finish", stranger, copy, body=wrong),
            lambda: hands.post("cancel", stranger, copy),
            lambda: hands.post("grant", stranger, copy, body=wire.GrantRequest(b"x")),
            lambda: hands.post("revoke", stranger, target),
        ]

    return [*by(hands.key()), *by(hands.enrolled("stranger"))]


def test_strangers_cost_nobody_a_try(hands: Hands, name: str) -> None:
    """An unknown laptop, and one of another account: nothing of the victim's changes by them."""
    old = hands.enrolled(name)
    new, copy = hands.proved(old)
    hands.name(new, copy, name)
    hands.start(old, "000001")
    before = hands.ceremony(copy), hands.device(old), hands.device(new)
    for attack in attacks(hands, copy, new, old.kid.hex()):
        assert code_of(attack) in {
            ServiceCode.UNKNOWN_DEVICE,
            ServiceCode.NOT_ITS_NEW,
            ServiceCode.NOT_FOUND,
        }
    assert (hands.ceremony(copy), hands.device(old), hands.device(new)) == before
    hands.code(new, copy)
    assert hands.finish(new, copy).status == 200


def test_a_stolen_laptop_locks_out_nobody(hands: Hands, name: str) -> None:
    """Its thief guesses PINs and starts copies: the owner's other laptop stops it and goes on."""
    stolen, own = hands.enrolled(name), hands.enrolled(name, slot=2)
    blocked = hands.start(stolen, pin=None)  # a fingerprint is but stated
    assert blocked.status == 201
    hands.store.now += hands.policy.wait * 1000
    for number in range(3):
        proof = hands.proof(stolen, PinAction.GRANT, hands.service_id(blocked), f"00000{number}")
        hands.post("grant", stolen, hands.service_id(blocked), body=wire.GrantRequest(proof))
    assert hands.device(stolen).wrong_pins == 3
    assert hands.device(own).wrong_pins == 0
    hands.post("revoke", own, stolen.kid.hex())
    assert hands.device(stolen).state is DeviceState.REVOKED
    assert hands.start(own).status == 201


def test_the_fingerprint_cannot_be_guessed_further(hands: Hands, name: str) -> None:
    """It starts five copies a day and gives no grant."""
    old = hands.enrolled(name)
    body = wire.Start(consent=True, uv=Verification.FINGERPRINT)
    for _ in range(STARTS):
        copy = hands.service_id(hands.post("start", old, body=body))
        hands.store.now += hands.policy.wait * 1000
        assert code_of(hands.grant, old, copy, None) is ServiceCode.PIN_NEEDED
        hands.post("cancel", old, copy)
    assert code_of(hands.post, "start", old, body=body) is ServiceCode.STARTS_USED_UP


# -- known and unknown users ----------------------------------------------------------------------

SAMPLES = 40


def test_a_known_and_an_unknown_user_take_as_long(tmp_path: Path) -> None:
    """Which of the two answers came sooner is a toss-up; five sigma, for a gross difference."""
    hands = Hands(f"sqlite:///{tmp_path}/backend.db", BackendPolicy(wait=0))
    known, unknown = guessing.name_times(hands, SAMPLES)
    hands.close()
    assert abs(superiority(known, unknown) - 0.5) < 5 * sigma(SAMPLES, SAMPLES)


def test_the_statistic_sees_a_gross_difference() -> None:
    """Half a millisecond on top of four is found, under noise of the same size."""
    random = Random(1)
    plain = [4 + random.expovariate(2) for _ in range(SAMPLES)]
    alike = [4 + random.expovariate(2) for _ in range(SAMPLES)]
    slower = [4.8 + random.expovariate(2) for _ in range(SAMPLES)]
    bound = 5 * sigma(SAMPLES, SAMPLES)
    assert abs(superiority(plain, alike) - 0.5) < bound
    assert abs(superiority(slower, plain) - 0.5) > bound
    assert superiority([1, 2], [1, 2]) == 0.5


@pytest.mark.parametrize("wrong", ["expired", "used", "unknown"])
def test_an_activation_code_that_does_not_work_says_not_why(
    hands: Hands, name: str, wrong: str
) -> None:
    """The same answer, byte for byte."""
    hands.account(name)
    code, key = hands.invite(name), hands.key()
    if wrong == "used":
        other = hands.key()
        hands.post("activate", other, body=wire.Activation(code, other.public, "x"))
        hands.store.now += hands.policy.lifetime * 2000
    elif wrong == "expired":
        hands.store.now += hands.policy.invite_lifetime * 1000 + 1
    else:
        code = "A" * 26
    with pytest.raises(Exception, match="wrong, used, or too old") as caught:
        hands.post("activate", key, body=wire.Activation(code, key.public, "x"))
    assert getattr(caught.value, "code", "") is ServiceCode.INVITE
