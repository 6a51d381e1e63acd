"""NEW after the proof, steps 20 to 26 of the source page: user ID, SMS code, PIN, active.

Each turn does what the backend's state asks for, so that it goes on wherever it stood.
"""

from __future__ import annotations

import asyncio
from typing import Final

from nearproof.config.home import Device
from nearproof.config.home import Enrolment as Kept
from nearproof.daemon.backend.wire import CeremonyState, Enrolment, ServiceCode
from nearproof.daemon.laptop import EnrolmentEnded, Laptop
from nearproof.daemon.pin import chosen_pin, user_key
from nearproof.daemon.provider import Provider, ProviderError

POLL: Final = 60  # seconds between looks at the waiting time


async def enrol(laptop: Laptop, provider: Provider, kept: Kept, user: str | None = None) -> None:
    """From wherever the enrolment stands to an active laptop.

    `user` is the user ID, asked for if None.  Raises `EnrolmentEnded` and what `Provider` does.
    """
    stands = await provider.enrolment(kept.id)
    while stands.state is not CeremonyState.DONE:
        match stands.state:
            case CeremonyState.LIVE:
                stands = await _wait(laptop, provider, stands)
            case CeremonyState.PROVED:
                user = user or await laptop.console.ask("user", "20")
                stands = await provider.name(kept.id, user)
                user = None
            case CeremonyState.NAMED:
                stands = await _code(laptop, provider, stands)
            case CeremonyState.CONFIRMED:
                pin = await user_key(kept, await chosen_pin(laptop, "22-23"))
                stands = await provider.finish(kept.id, pin)
            case ended:
                laptop.home.save_enrolment(None)
                raise EnrolmentEnded(ended)
    laptop.home.save_device(Device(kept.seed, stands.account, kept.label, kept.secret, kept.salt))
    laptop.home.save_enrolment(None)
    laptop.console.tell("activated", "26", account=stands.account, label=kept.label)


async def _wait(laptop: Laptop, provider: Provider, stands: Enrolment) -> Enrolment:
    """An invite to an account with active laptops: the waiting time, then the first code."""
    if not stands.waits:
        return await provider.send_code(stands.id)
    laptop.console.tell("waiting", "7", seconds=stands.waits)
    await asyncio.sleep(min(stands.waits, POLL))
    try:
        return await provider.enrolment(stands.id)
    except ProviderError as error:
        if not error.passing:
            raise
        laptop.console.tell("backend_away", "7", detail=error.detail)
        return stands


async def _code(laptop: Laptop, provider: Provider, stands: Enrolment) -> Enrolment:
    """Step 21: the code from the SMS; an empty line has it sent again."""
    laptop.console.tell("sms_sent", "21")
    typed = await laptop.console.ask("sms_code", "21")
    try:
        if not typed:
            return await provider.send_code(stands.id)
        return await provider.check_code(stands.id, typed)
    except ProviderError as error:
        if error.code not in (
            ServiceCode.WRONG_SMS_CODE,
            ServiceCode.CODE_VOID,
            ServiceCode.MALFORMED,
            ServiceCode.WAITING,
        ):
            raise
        laptop.console.tell("sms_code_refused", "21", reason=error.code)
    stands = await provider.enrolment(stands.id)
    if stands.state is CeremonyState.NAMED and not stands.tries_left:
        return await provider.send_code(stands.id)
    return stands
