"""The thief of both laptops of one account, after a real copy from one to the other.

Each command is a process of its own, each laptop has its daemon, and the thief has every file of
both homes.  What he must not find there is anything that tells a right guess at a PIN from a
wrong one, in either home or in the two together.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backend.hands import PIN, Hands, code_of
from backend.test_thief import forms
from control.conftest import runtime
from control.running import daemon
from nearproof.config.home import Device, Enrolment, Home
from nearproof.crypto.cose import TYP_PIN
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.primitives import argon2id, sha256
from nearproof.crypto.userkey import PinContext, derive_user_key, make_pin_proof
from nearproof.daemon.backend.wire import DeviceState, ServiceCode
from nearproof.daemon.demo.people import Person
from nearproof.daemon.demo.stage import Event, open_stage

__all__ = ["runtime"]

LAPTOPS = ("old", "new")
OTHER = "274839"
GUESSES = (PIN, OTHER, "602815", "951423")  # two that are right somewhere, and two that never are
SEEN = 8  # bytes in a row that are no chance: a shortened hash would be an oracle as well


@dataclass
class Owner:
    """Types at both laptops; keeps each enrolment as it stood before a PIN was chosen."""

    folder: Path
    pins: dict[str, str]
    before: dict[str, Enrolment] = field(default_factory=dict)
    _people: dict[str, Person] = field(default_factory=dict)

    async def types(self, asked: Event) -> str | None:
        """The line for one question of one laptop."""
        laptop, what = asked["role"], asked["what"]
        if laptop not in self._people:
            self._people[laptop] = Person(self.folder / "backend" / "sms.jsonl")
        if what == "new_pin":
            kept = Home(self.folder / laptop).enrolment()
            assert kept is not None
            self.before[laptop] = kept
        if what in ("pin", "new_pin", "new_pin_again"):
            return self.pins[laptop]
        return await self._people[laptop].answer(what)


async def stolen(folder: Path, runtime: Path, owner: Owner) -> dict[str, Home]:
    """Both homes, after OLD was activated and copied to NEW."""
    async with (
        open_stage(folder, wait=0, seed=1, watch=lambda _: None, human=owner.types) as stage,
        daemon(folder / "old", runtime) as first,
        daemon(folder / "new", runtime) as second,
    ):
        await stage.enrol("old")
        await stage.done("new", "join", stage.join_line)
        old, new = await stage.old_copy(), await stage.new_copy()
        old.type((await new.until("code"))["code"])
        assert (await old.exit_code(), await new.exit_code()) == (0, 0), (old.told, new.told)
        for each in (first, second):  # so that what a daemon keeps is there, too
            await each.manager.until("STATUS=hearing", count=2)
    return {name: Home(folder / name) for name in LAPTOPS}


def device_of(home: Home) -> Device:
    device = home.device()
    assert device is not None
    return device


def everything(home: Home) -> bytes:
    """Every byte of a home, and every name."""
    files = sorted(path for path in home.path.rglob("*") if path.is_file())
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)


def of_a_guess(secret: bytes, salt: bytes, pin: str, device: DeviceKey) -> Iterator[bytes]:
    """Whatever a program could have made of a PIN and left behind."""
    stretched = argon2id(pin.encode(), salt)
    user = derive_user_key(secret, salt, pin)
    proof = make_pin_proof(user, PinContext(bytes(32), "copy", b"", device.kid))
    yield from (pin.encode(), stretched, user.seed(), user.public, user.kid, proof)
    yield from (sha256(user.public), sha256(user.seed()), sha256(pin.encode()), proof[-64:])


def anywhere(made: bytes) -> Iterator[bytes]:
    """How it may be written down, also within something longer in base64."""
    yield from forms(made)
    for shift in (1, 2):
        yield base64.b64encode(bytes(shift) + made)[4:].rstrip(b"=")[:-1]


def hits(disks: bytes, made: bytes) -> int:
    """How often it stands there, in whatever form, or its beginning or its end does."""
    return sum(
        disks.count(part)
        for form in anywhere(made)
        for part in ({form[:SEEN], form[-SEEN:], form} if len(form) > SEEN else {form})
    )


@pytest.mark.parametrize("pins", [(PIN, PIN), (PIN, OTHER)], ids=["same", "different"])
async def test_both_homes_together_offer_nothing_to_guess_against(
    tmp_path: Path, runtime: Path, pins: tuple[str, str]
) -> None:
    """A right guess leaves the same trace in them as a wrong one: none.

    The secrets were there before a PIN was chosen, no two of them are alike, and all that was
    written since is the account, the name, the choices and how far was heard.
    """
    owner = Owner(tmp_path, dict(zip(LAPTOPS, pins, strict=True)))
    homes = await stolen(tmp_path, runtime, owner)
    devices = {name: device_of(home) for name, home in homes.items()}

    for name, home in homes.items():
        device, before = devices[name], owner.before[name]
        files = {path.name for path in home.path.iterdir()}
        locks = {"lock", "daemon.lock"}
        assert files == {"backend.json", "device.json", "events.json", *locks}
        assert b"".join((home.path / lock).read_bytes() for lock in locks) == b""
        assert (device.seed, device.secret, device.salt) == (
            *(before.seed, before.secret, before.salt),
        )
        assert (device.account, device.label) == ("anna", name)
        heard = home.heard()
        assert heard is not None
        assert heard.kid == DeviceKey.from_seed(device.seed).kid.hex()
    drawn = [part for each in devices.values() for part in (each.seed, each.secret, each.salt)]
    assert len({part[:SEEN] for part in drawn}) == len(drawn)

    disks = b"\n".join(everything(home) for home in homes.values())
    assert hits(disks, TYP_PIN.encode()[-SEEN:]) == 0  # no proof is kept
    guesses = {
        (pin, secret, salt): sum(
            hits(disks, made)
            for made in of_a_guess(devices[secret].secret, devices[salt].salt, pin, key)
        )
        for key in [DeviceKey.from_seed(devices["old"].seed)]
        for pin, secret, salt in itertools.product(GUESSES, LAPTOPS, LAPTOPS)
    }
    assert guesses == dict.fromkeys(guesses, 0)
    assert hits(disks, devices["new"].salt) > 0  # the search finds what is there


def test_a_search_that_finds_a_trace_says_so() -> None:
    """Of each thing that could be left, whole or shortened, in every form."""
    made = of_a_guess(bytes(32), bytes(16), PIN, DeviceKey(bytes(32)))
    for each in made:
        for form in forms(each):
            assert hits(b"..." + form + b"...", each)
            assert hits(b"..." + form[:SEEN] + b"...", each)
        for before in range(4):
            assert hits(base64.b64encode(bytes(before) + each + bytes(5)), each)


def test_both_keys_together_buy_eighteen_guesses(hands: Hands, name: str) -> None:
    """Nine online at each laptop, whatever time he has; then the right PIN helps no more."""
    old = hands.enrolled(name)
    new = hands.copied(old, name)
    judged = 0
    for laptop in (old, new):
        for guess in range(12):
            hands.store.now += 2 * 86_400_000
            code = code_of(hands.start, laptop, f"{guess:06}")
            judged += code in (ServiceCode.WRONG_PIN, ServiceCode.DEVICE_DEAD) and guess < 9
        assert hands.device(laptop).state is DeviceState.DEAD
        assert hands.device(laptop).wrong_pins == 9
        assert code_of(hands.start, laptop, PIN) is ServiceCode.DEVICE_DEAD
    assert judged == 18
