"""NEW after the proof, steps 20 to 26 of the source page: user ID, SMS code, PIN, active.

Each turn does what the backend's state asks for, so that it goes on wherever it stood.
"""

from __future__ import annotations

import asyncio
from typing import Final

from nearproof.config.home import Device
from nearproof.config.home import Enrolment as Kept
from nearproof.crypto.errors import MalformedPin
from nearproof.crypto.userkey import read_pin
from nearproof.daemon import choices
from nearproof.daemon.backend.wire import (
    CeremonyState,
    Enrolment,
    ServiceCode,
    account_name,
)
from nearproof.daemon.laptop import EnrolmentEnded, Laptop
from nearproof.daemon.person import chosen_pin, user_key
from nearproof.daemon.provider import Provider, ProviderError

POLL: Final = 60  # seconds between looks at the waiting time
OTHER_USER: Final = "id"  # typed for the code: to name another user ID


async def enrol(laptop: Laptop, provider: Provider, kept: Kept, user: str | None = None) -> None:
    """From wherever the enrolment stands to an active laptop.

    `user` is the user ID, asked for if None.  Raises `EnrolmentEnded` and what `Provider` does.
    """
    stands = await provider.enrolment(kept.id)
    if stands.state is CeremonyState.NAMED and stands.tries_left:
        _tell_of_code(laptop, provider, stands)
    while stands.state is not CeremonyState.DONE:
        match stands.state:
            case CeremonyState.LIVE:
                stands = await _wait(laptop, provider, stands)
            case CeremonyState.PROVED:
                stands = await _name(laptop, provider, stands, user)
                user = None
            case CeremonyState.NAMED:
                stands = await _code(laptop, provider, stands, by_invite=not kept.bundle)
            case CeremonyState.CONFIRMED:
                pin = await user_key(kept, await chosen_pin(laptop, "22-23"))
                stands = await provider.finish(kept.id, pin)
                laptop.console.tell("pin_set", "23")
            case ended:
                laptop.home.save_enrolment(None)
                raise EnrolmentEnded(ended)
    device = Device(kept.seed, stands.account, kept.label, kept.secret, kept.salt)
    laptop.home.save_device(device)
    laptop.home.save_enrolment(None)
    if (chosen := await choices.ask(laptop, device)) != device:
        laptop.home.save_device(chosen)
    laptop.console.tell("activated", "26", account=stands.account, label=kept.label)


async def _wait(laptop: Laptop, provider: Provider, stands: Enrolment) -> Enrolment:
    """An invite to an account with active laptops: the waiting time, then the first code."""
    if not stands.waits:
        return await _send(laptop, provider, stands)
    laptop.console.tell("waiting", "7", seconds=stands.waits)
    await asyncio.sleep(min(stands.waits, POLL))
    try:
        return await provider.enrolment(stands.id)
    except ProviderError as error:
        if not error.passing:
            raise
        laptop.console.tell("backend_away", "7", detail=error.detail)
        return stands


async def _name(
    laptop: Laptop, provider: Provider, stands: Enrolment, user: str | None = None
) -> Enrolment:
    """Step 20: the user ID; whether it is right shows by the SMS alone."""
    while True:
        named = user or await laptop.console.ask("user", "20")
        user = None
        try:
            named = account_name(named)
        except ValueError:
            laptop.console.tell("user_malformed", "20")
            continue
        stands = await provider.name(stands.id, named)
        laptop.console.tell("user_named", "20", account=named, names_left=stands.names_left)
        _tell_of_code(laptop, provider, stands)
        return stands


def _tell_of_code(laptop: Laptop, provider: Provider, stands: Enrolment) -> None:
    laptop.console.tell(
        "sms_sent",
        "21",
        seconds=provider.seconds_until(stands.code_expires_at),
        codes_left=stands.codes_left,
    )


async def _code(
    laptop: Laptop, provider: Provider, stands: Enrolment, *, by_invite: bool
) -> Enrolment:
    """Step 21: the code from the SMS.

    An empty line has it sent again, "id" names another user ID (which no invite needs).
    """
    if not stands.tries_left:  # void, by tries or by age: the next one
        return await _send(laptop, provider, stands)
    typed = await laptop.console.ask("sms_code", "21")
    if typed.casefold() == OTHER_USER and not by_invite:
        return await _name(laptop, provider, stands)
    if not typed:
        return await _send(laptop, provider, stands)
    try:
        confirmed = await provider.check_code(stands.id, read_pin(typed))
        laptop.console.tell("sms_code_right", "21")
        return confirmed
    except MalformedPin:
        laptop.console.tell("sms_code_malformed", "21")
    except ProviderError as error:
        match error.code:
            case ServiceCode.WRONG_SMS_CODE:
                laptop.console.tell("sms_code_wrong", "21", tries_left=error.tries_left or 0)
            case ServiceCode.CODE_VOID:
                laptop.console.tell("sms_code_void", "21")
                return await _send(laptop, provider, stands)
            case _:
                raise
    return await provider.enrolment(stands.id)


async def _send(laptop: Laptop, provider: Provider, stands: Enrolment) -> Enrolment:
    """Have the code sent again, or the next one; too soon is no failure."""
    try:
        sent = await provider.send_code(stands.id)
    except ProviderError as error:
        if error.code != ServiceCode.WAITING:
            raise
        laptop.console.tell("sms_too_soon", "21", seconds=error.seconds)
        return stands
    _tell_of_code(laptop, provider, sent)
    return sent
