"""OLD: the laptop with the activated authenticator, steps 1 to 12 of the source page.

Read top-down, `copy` is the story; each step's number is the source's.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial

from nearproof.crypto.errors import MalformedCode
from nearproof.crypto.grant import Grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.session import actions as do
from nearproof.crypto.session.actions import RefusalReason
from nearproof.crypto.session.old import OldSession
from nearproof.crypto.session.timing import CODE_TTL, SECOND
from nearproof.crypto.userkey import UserKey
from nearproof.daemon.backend.wire import Ceremony, ReportReason, ServiceCode
from nearproof.daemon.clock import boottime
from nearproof.daemon.driver.old import OldDriver
from nearproof.daemon.laptop import Declined, Laptop
from nearproof.daemon.memory import give_back
from nearproof.daemon.outcomes import SessionEnded
from nearproof.daemon.person import agrees, finger_known, with_pin
from nearproof.daemon.preflight import old_is_ready
from nearproof.daemon.provider import Provider, ProviderError, ProviderReason
from nearproof.daemon.radio import open_peripheral
from nearproof.daemon.tasks import alongside
from nearproof.daemon.views import View
from nearproof.qr.payload import to_text

POLL = 60  # seconds between looks at the waiting time


async def copy(laptop: Laptop, view: View) -> None:
    """Copy this laptop's authenticator to another one; goes on where it stood.

    Returns when NEW has confirmed the proof; raises what `outcomes` explains otherwise.
    """
    key = DeviceKey.from_seed(laptop.device().seed)
    with laptop.home.locked():
        await _copy(laptop, view, key)


async def _copy(laptop: Laptop, view: View, key: DeviceKey) -> None:
    async with Provider(laptop.backend(), key) as provider:
        ceremony = await _wait(laptop, provider)
        await old_is_ready(laptop, "10-11")
        person = _Person(laptop)
        driver = OldDriver(open_peripheral(laptop.settings.radio), person.hears)
        try:
            await driver.open()
            await _prove(laptop, provider, ceremony, key, driver, person, view)
        finally:
            await driver.close()


async def _wait(laptop: Laptop, provider: Provider) -> Ceremony:
    """Steps 1-7: order the copy, or find the one ordered; then wait by the server's clock."""
    ceremony = await _ordered(laptop, provider)
    laptop.console.tell("copy_ordered", "6", grants_left=ceremony.grants_left)
    while ceremony.waits > 0:
        laptop.console.tell("waiting", "7", seconds=ceremony.waits)
        give_back()
        await asyncio.sleep(min(ceremony.waits, POLL))
        try:
            ceremony = await provider.ceremony(ceremony.id)
        except ProviderError as error:
            if not error.passing:
                raise
            laptop.console.tell("backend_away", "7", detail=error.detail)  # an hour is long
    laptop.console.tell("wait_over", "8")
    return ceremony


async def _running(provider: Provider) -> Ceremony | None:
    """The copy that was ordered here and is not over."""
    device = await provider.device()
    if device.ceremony:
        running = await provider.ceremony(device.ceremony)
        if running.old == device.kid:
            return running
    return None


async def _ordered(laptop: Laptop, provider: Provider) -> Ceremony:
    """Steps 1-6: the copy that runs, or a new one that the person wants."""
    running = await _running(provider)
    if running is not None:
        laptop.console.tell("copy_found", "1-4")
        return running
    await old_is_ready(laptop, "c")
    policy = await provider.policy()
    active = await provider.devices()
    if len(active) >= policy.devices:  # refused before the hour, not after it
        raise ProviderError(ProviderReason.REFUSED, code=ServiceCode.NO_SLOT, devices=active)
    laptop.console.tell("fit", "a-c", active=len(active), devices=policy.devices)
    laptop.console.tell("copy_information", "1-4", seconds=policy.wait)
    if not await agrees(laptop, "start", "4"):
        raise Declined
    return await _start(laptop, provider)


async def _start(laptop: Laptop, provider: Provider) -> Ceremony:
    """Steps 5-6: PIN or fingerprint, then "Yes, I want to copy"."""
    agreed = False

    async def start(pin: UserKey | None) -> Ceremony:
        nonlocal agreed
        agreed = agreed or await agrees(laptop, "consent", "6")
        if not agreed:
            raise Declined
        return await provider.start_copy(pin)

    if laptop.device().fingerprint and await finger_known(laptop, "5"):
        return await start(None)
    return await with_pin(laptop, "5", start)


async def _grant(laptop: Laptop, provider: Provider, ceremony: Ceremony) -> Grant:
    """Step 9: the PIN again, unless it was typed for a QR a short while ago."""
    try:
        return await provider.grant(ceremony.id)
    except ProviderError as error:
        if error.code != ServiceCode.PIN_NEEDED:
            raise
    return await with_pin(laptop, "9", partial(provider.grant, ceremony.id))


async def _prove(
    laptop: Laptop,
    provider: Provider,
    ceremony: Ceremony,
    key: DeviceKey,
    driver: OldDriver,
    person: _Person,
    view: View,
) -> None:
    """Steps 8-12 and the proof: one grant, one QR, one session."""
    grant = await _grant(laptop, provider, ceremony)
    laptop.console.tell("grant_issued", "9")
    laptop.console.tell("bluetooth_ready", "10-11")  # opened before the grant could be spent
    now = boottime()
    session = OldSession(
        device_key=key, grant=grant, received_at=now, now=now, randomness=os.urandom
    )
    laptop.console.tell("qr_next", "12", seconds=grant.policy.qr_ttl)
    end: do.Ended | None
    try:
        async with view(to_text(session.qr)):
            laptop.console.tell("qr_shown", "12", seconds=grant.policy.qr_ttl)
            end = await alongside(driver.serve(session), person.types_code(driver))
    except asyncio.CancelledError:
        if driver.ended is None:
            raise
        end = driver.ended
    if end is not None and end.report:
        await _report(laptop, provider, ceremony, grant, ReportReason(end.reason))
    if person.saw_other_device:
        await _report(laptop, provider, ceremony, grant, ReportReason.OTHER_DEVICE_SEEN)
    if end is not None:
        raise SessionEnded(end)


async def _report(
    laptop: Laptop, provider: Provider, ceremony: Ceremony, grant: Grant, reason: ReportReason
) -> None:
    """Tell the account; a backend that cannot be reached must not hide how the session ended."""
    try:
        await provider.report(ceremony.id, grant.cti, reason)
    except ProviderError as error:
        laptop.console.tell("report_failed", "19", detail=error.detail or error.reason)


class _Person:
    """The person at OLD: hears what happens, and types the code when it is wanted."""

    def __init__(self, laptop: Laptop) -> None:
        self._console = laptop.console
        self._wanted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._refused: set[RefusalReason] = set()
        self.saw_other_device = False

    def hears(self, event: do.Event) -> None:
        """Pass one event of the session on to the console."""
        match event:
            case do.Bound():
                self._console.tell("bound", "19")
            case do.CodeWanted():
                self._console.tell(
                    "code_wanted", "19", label=event.label, seconds=CODE_TTL // SECOND
                )
                if not self._wanted.done():
                    self._wanted.set_result(event.label)
            case do.RoundTimed():
                self._console.tell("round", "19", index=event.index, rtt_us=event.rtt)
            case do.ProofMade():
                self._console.tell("proof_made", "19")
            case do.Delivered():
                self._console.tell("delivered", "19")
            case do.OtherDeviceSeen():
                self.saw_other_device = True
                self._console.tell("other_device_seen", "19")
            case do.Refused() if event.reason not in self._refused:
                # Once each: a neighbour who floods must not scroll the QR off the screen.
                self._refused.add(event.reason)
                self._console.tell("refused", "19", reason=event.reason, detail=event.detail)
            case _:
                pass

    async def types_code(self, driver: OldDriver) -> None:
        """Ask for the check code until a well-formed one was typed: that one is the only try."""
        label = await self._wanted
        while True:
            typed = await self._console.ask("code", "19", label=label)
            try:
                driver.enter_code(typed)
            except MalformedCode:
                self._console.tell("code_malformed", "19")
            else:
                return
