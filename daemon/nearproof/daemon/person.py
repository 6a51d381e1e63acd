"""What the person at a laptop decides, and how they show who they are: yes, PIN, finger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from nearproof.config.home import Device, Enrolment
from nearproof.crypto.errors import MalformedPin, PinTooEasy
from nearproof.crypto.userkey import UserKey, choose_pin, derive_user_key, read_pin
from nearproof.daemon.backend.wire import ServiceCode
from nearproof.daemon.console import InputNeeded
from nearproof.daemon.laptop import Laptop
from nearproof.daemon.outcomes import sentence
from nearproof.daemon.provider import ProviderError

T = TypeVar("T")

YES: Final = {"yes", "y", "ja", "j"}


async def agrees(laptop: Laptop, what: str, step: str, *, unasked: bool | None = None) -> bool:
    """Whether the person says yes.

    `unasked` is the answer where nobody can be asked; None raises `InputNeeded` there.
    """
    try:
        return (await laptop.console.ask(what, step)).casefold() in YES
    except InputNeeded:
        if unasked is None:
            raise
        return unasked


async def with_pin(laptop: Laptop, step: str, call: Callable[[UserKey], Awaitable[T]]) -> T:
    """`call` with the user key of the PIN typed; asks again while a wrong one leaves tries."""
    device = laptop.device()
    while True:
        pin = await _typed(laptop, step)
        try:
            return await call(await user_key(device, pin))
        except ProviderError as error:
            if error.code != ServiceCode.WRONG_PIN or not error.tries_left:
                raise
            laptop.console.tell("wrong_pin", step, tries_left=error.tries_left)


async def chosen_pin(laptop: Laptop, step: str) -> str:
    """A new PIN, typed twice and not an easy one."""
    while True:
        try:
            pin = choose_pin(await laptop.console.ask("new_pin", step, hidden=True))
        except MalformedPin:
            laptop.console.tell("pin_malformed", step)
            continue
        except PinTooEasy:
            laptop.console.tell("pin_too_easy", step)
            continue
        if await laptop.console.ask("new_pin_again", step, hidden=True) == pin:
            return pin
        laptop.console.tell("pins_differ", step)


async def user_key(of: Device | Enrolment, pin: str) -> UserKey:
    """The user key; its 0.3 s of work are done beside the event loop."""
    return await asyncio.to_thread(derive_user_key, of.secret, of.salt, pin)


async def _typed(laptop: Laptop, step: str) -> str:
    while True:
        try:
            return read_pin(await laptop.console.ask("pin", step, hidden=True))
        except MalformedPin:
            laptop.console.tell("pin_malformed", step)


async def finger_known(laptop: Laptop, step: str) -> bool:
    """Whether the reader knows the finger laid on it; says why where it gives no answer.

    A yes of this machine's own: it releases no PIN and no key.
    """
    from nearproof.daemon.desktop.errors import FingerprintError
    from nearproof.daemon.desktop.fingerprint import verify

    try:
        known = await verify(lambda hint: laptop.console.tell(f"finger_{hint}", step))
    except FingerprintError as error:
        laptop.console.tell(
            "no_finger", step, reason=error.reason, why=sentence(error, laptop.console.language)
        )
        return False
    if known:
        laptop.console.tell("finger_known", step)
    return known


async def has_reader() -> bool:
    """Whether there is a fingerprint reader that knows a finger of this user."""
    from nearproof.daemon.desktop.errors import FingerprintError
    from nearproof.daemon.desktop.fingerprint import find_reader

    try:
        await find_reader()
    except FingerprintError:
        return False
    return True
