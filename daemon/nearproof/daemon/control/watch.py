"""The daemon's ear: whom it hears for just now, and how it rides out what goes wrong.

Everything but how far was heard is asked for again, so that a restart or a reboot needs nothing
but the home.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from nearproof.config.files import FileDamaged
from nearproof.config.home import Device, Enrolment, Home
from nearproof.daemon.control.activation import Activation
from nearproof.daemon.control.hearing import Hearing, Lost
from nearproof.daemon.control.notices import Notices
from nearproof.daemon.join import JoinError
from nearproof.daemon.logs import log
from nearproof.daemon.outcomes import failure_of
from nearproof.daemon.provider import ProviderError

IDLE: Final = 60.0  # seconds between looks at a home that has nobody to hear for
FIRST_PAUSE: Final = 1.0  # seconds after a first failure, doubled after each further one
LONGEST_PAUSE: Final = 120.0

Status = Callable[[str], None]
Whom = Device | Enrolment


class Watch:
    """Hears for one home.  `status` is told in a few words how it goes."""

    def __init__(self, home: Home, notices: Notices, status: Status) -> None:
        self._home = home
        self._notices = notices
        self._status = status
        self._wake = asyncio.Event()
        self._hearing: Hearing | Activation | None = None
        self._lost: Whom | None = None
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

    def _of_home(self) -> Hearing | Activation | None:
        """Whom to hear for: the home is read anew, since commands change it."""
        whom, backend = self._whom(), self._home.backend()
        if whom is None or backend is None or whom == self._lost:
            self._hear(None)
        elif self._hearing is None or self._hearing.of != (whom, backend):
            self._lost = None
            match whom:
                case Device():
                    self._hear(Hearing(self._home, whom, backend, self._notices))
                case Enrolment():
                    self._hear(Activation(whom, backend, self._notices))
        return self._hearing

    def _whom(self) -> Whom | None:
        """The enrolled laptop, or one that may have to wait until it is."""
        if (device := self._home.device()) is not None:
            return device
        enrolment = self._home.enrolment()
        return enrolment if enrolment is not None and enrolment.id else None

    def _hear(self, hearing: Hearing | Activation | None) -> None:
        if self._hearing is not None:
            self._notices.over()  # what it has shown is another's affair now
        self._hearing = hearing

    async def _turn(self, hearing: Hearing | Activation) -> None:
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
