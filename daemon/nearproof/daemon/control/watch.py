"""What the daemon waits for: the account's events, and the hour of a copy ordered here.

One question at a time to the backend, which holds it open until something happens
(`/v1/events`).  How far was heard is kept in the home; everything else is asked for again, so
that a restart or a reboot needs nothing but the home.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Final

from nearproof.config.files import FileDamaged
from nearproof.config.home import Backend, Device, Heard, Home
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.wire import (
    Ceremony,
    CeremonyKind,
    CeremonyState,
    DeviceState,
    Event,
    EventKind,
    ServiceCode,
)
from nearproof.daemon.clock import boottime
from nearproof.daemon.control.notices import Notices
from nearproof.daemon.join import Joined, JoinError
from nearproof.daemon.logs import log
from nearproof.daemon.outcomes import failure_of
from nearproof.daemon.provider import Provider, ProviderError

HELD: Final = 25  # seconds that the backend may hold a question open
IDLE: Final = 60.0  # seconds between looks at a home that has nobody to hear for
FIRST_PAUSE: Final = 1.0  # seconds after a first failure, doubled after each further one
LONGEST_PAUSE: Final = 120.0

_LOST: Final = {ServiceCode.DEVICE_REVOKED, ServiceCode.UNKNOWN_DEVICE, ServiceCode.DEVICE_DEAD}

Status = Callable[[str], None]


class Lost(Exception):
    """This laptop's key no longer counts: nothing more is to be heard with it."""


class Watch:
    """Hears for one home.  `status` is told in a few words how it goes."""

    def __init__(self, home: Home, notices: Notices, status: Status) -> None:
        self._home = home
        self._notices = notices
        self._status = status
        self._wake = asyncio.Event()
        self._hearing: Hearing | None = None
        self._lost: Device | None = None
        self._pause = 0.0  # seconds; 0 while the backend answers

    def changed(self) -> None:
        """Look again now: the home, or what the account is doing, may be another."""
        self._wake.set()

    async def run(self) -> None:
        """Hear until cancelled."""
        while True:
            self._wake.clear()
            try:
                hearing = self._of_home()
                if hearing is None:
                    self._status("no active laptop here")
                    await self._sleep(IDLE)
                else:
                    await self._turn(hearing)
            except (FileDamaged, JoinError, OSError) as error:
                self._status("a file of this laptop cannot be used")
                log.warning("a file of this laptop cannot be used", problem=str(error))
                await self._sleep(IDLE)

    async def cancel(self) -> None:
        """The person pressed the button: cancel what is being copied."""
        try:
            hearing = self._of_home()
            if hearing is not None:
                await hearing.cancel()
        except (ProviderError, FileDamaged, JoinError, OSError) as error:
            self._notices.not_cancelled(failure_of(error))
        self.changed()

    def _of_home(self) -> Hearing | None:
        """Whom to hear for: the home is read anew, since commands change it."""
        device, backend = self._home.device(), self._home.backend()
        if device is None or backend is None or device == self._lost:
            self._hearing = None
        elif self._hearing is None or self._hearing.of != (device, backend):
            self._lost = None
            self._hearing = Hearing(self._home, device, backend, self._notices)
        return self._hearing

    async def _turn(self, hearing: Hearing) -> None:
        turn = asyncio.ensure_future(hearing.turn())
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({turn, woken}, return_when=asyncio.FIRST_COMPLETED)
            if not turn.done():
                hearing.look_due = True
                return
            turn.result()
            self._pause = 0.0
            self._status(hearing.status)
        except Lost:
            self._lost = hearing.of[0]
            log.warning("this laptop is no longer active: nothing more is heard")
        except ProviderError as error:
            await self._away(error)
        finally:
            turn.cancel()
            woken.cancel()
            await asyncio.gather(turn, woken, return_exceptions=True)
            self._notices.again()

    async def _away(self, error: ProviderError) -> None:
        if not self._pause:
            log.warning("the backend is away", problem=str(error))
        self._pause = min(self._pause * 2 or FIRST_PAUSE, LONGEST_PAUSE)
        self._status(f"the backend is away: {error}")
        await self._sleep(self._pause)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()


class Hearing:
    """Hears for one device key: `turn` by `turn`, each safe to be cut short."""

    def __init__(self, home: Home, device: Device, backend: Backend, notices: Notices) -> None:
        self.of = (device, backend)
        self.look_due = True
        self.status = "hearing"
        key = DeviceKey.from_seed(device.seed)
        self._home = home
        self._kid = key.kid.hex()
        self._wanted = device.notifications
        self._notices = notices
        joined = Joined(backend.url, backend.certificate, backend.issuer)
        self._provider = Provider(joined, key)
        heard = home.heard()
        known = heard is not None and heard.kid == self._kid
        self._cursor = heard.cursor if heard is not None and known else 0
        self._catching_up = not known  # what was before this laptop listened is no news
        self._shown = ""  # the open ceremony that the desktop has been told of
        self._ready_at: int | None = None  # µs of boottime: the hour of a copy ordered here
        self._announced = ""  # the copy whose hour was said to be over

    async def cancel(self) -> None:
        """Cancel what is being copied.  Raises `ProviderError`."""
        if ceremony := (await self._provider.device()).ceremony:
            await self._provider.cancel(ceremony)

    async def turn(self) -> None:
        """Wait for news, tell them, and look at what is being copied where they say so.

        Raises `Lost`, `ProviderError`, and what the home does.
        """
        try:
            found = await self._provider.events(self._cursor, self._patience())
            for event in found.events:
                self._tell(event)
            if found.cursor != self._cursor or (self._catching_up and not found.events):
                self._cursor = found.cursor
                self._home.save_heard(Heard(self._kid, self._cursor))
            if not found.events:
                self._catching_up = False
            if found.events or self.look_due or self._ready():
                await self._look()
        except ProviderError as error:
            if error.code in _LOST:
                raise Lost from None
            raise

    def _patience(self) -> int:
        """Seconds for the backend to hold the question."""
        if self._catching_up or self.look_due:
            return 0
        if self._ready_at is None:
            return HELD
        return min(HELD, max(1, math.ceil((self._ready_at - boottime()) / 1e6)))

    def _ready(self) -> bool:
        return self._ready_at is not None and boottime() >= self._ready_at

    def _tell(self, event: Event) -> None:
        if self._catching_up or not self._wanted:
            return
        if event.kind in (EventKind.COPY_STARTED, EventKind.ACTIVATION_STARTED):
            self._shown = event.ceremony
        self._notices.event(event)

    async def _look(self) -> None:
        """How this laptop stands, and what is being copied."""
        device = await self._provider.device()
        if device.state is not DeviceState.ACTIVE:
            raise Lost
        ceremony = await self._provider.ceremony(device.ceremony) if device.ceremony else None
        if ceremony is None:
            self._notices.over()
        elif ceremony.id != self._shown:
            await self._tell_open(ceremony)
        self._ready_at = None
        self.status = "hearing"
        if (
            ceremony is not None
            and ceremony.old == self._kid
            and ceremony.state is CeremonyState.LIVE
        ):
            self._wait(ceremony)
        self.look_due = False

    def _wait(self, ceremony: Ceremony) -> None:
        """The hour of a copy that was ordered here."""
        if ceremony.waits:
            self._ready_at = boottime() + ceremony.waits * 1_000_000
            self.status = f"hearing; the waiting time of a copy ends in {ceremony.waits} s"
        elif ceremony.id != self._announced:
            self._announced = ceremony.id
            self._notices.wait_over()

    async def _tell_open(self, ceremony: Ceremony) -> None:
        """A copy whose start this process has not heard: it began before."""
        if ceremony.state is CeremonyState.LIVE and self._wanted:
            invite = ceremony.kind is CeremonyKind.INVITE
            kind = EventKind.ACTIVATION_STARTED if invite else EventKind.COPY_STARTED
            labels = {each.kid: each.label for each in await self._provider.devices()}
            self._notices.event(
                Event(0, kind, ceremony.started_at, ceremony.id, labels.get(ceremony.old, ""))
            )
        self._shown = ceremony.id
