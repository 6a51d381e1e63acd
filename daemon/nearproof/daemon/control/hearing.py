"""What the daemon hears of an account: its events, and the hour of a copy ordered here.

One question at a time to the backend, which holds it open until something happens
(`/v1/events`).  How far was heard is kept in the home.
"""

from __future__ import annotations

import math
from typing import Final

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
from nearproof.daemon.join import Joined
from nearproof.daemon.provider import Provider, ProviderError

HELD: Final = 25  # seconds that the backend may hold a question open
LOOK: Final = 600  # seconds between looks at what is under way: nobody is told that it expires

_LOST: Final = {ServiceCode.DEVICE_REVOKED, ServiceCode.UNKNOWN_DEVICE, ServiceCode.DEVICE_DEAD}


class Lost(Exception):
    """This laptop's key no longer counts: nothing more is to be heard with it."""


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
        self._look_at: int | None = None  # µs of boottime: what is under way may stand otherwise
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
            if found.events or self.look_due or self._is_time():
                await self._look()
        except ProviderError as error:
            if error.code in _LOST:
                raise Lost from None
            raise

    def _patience(self) -> int:
        """Seconds for the backend to hold the question."""
        if self._catching_up or self.look_due:
            return 0
        if self._look_at is None:
            return HELD
        return min(HELD, max(1, math.ceil((self._look_at - boottime()) / 1e6)))

    def _is_time(self) -> bool:
        return self._look_at is not None and boottime() >= self._look_at

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
        self._look_at = None
        self.status = "hearing"
        if ceremony is not None:
            self._look_in(min(LOOK, self._provider.seconds_until(ceremony.deadline) + 1))
            if ceremony.old == self._kid and ceremony.state is CeremonyState.LIVE:
                self._wait(ceremony)
        self.look_due = False

    def _look_in(self, seconds: int) -> None:
        self._look_at = boottime() + seconds * 1_000_000

    def _wait(self, ceremony: Ceremony) -> None:
        """The hour of a copy that was ordered here."""
        if ceremony.waits:
            self._look_in(min(LOOK, ceremony.waits))
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
