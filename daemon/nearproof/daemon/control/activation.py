"""What the daemon waits for on a laptop that is being activated: the hour of its activation code.

It has no account's events to hear yet, so it asks how the enrolment stands.  Where the terminal
was closed, the desktop says when it is time to go on, or that there is nothing to go on with.
"""

from __future__ import annotations

import asyncio
from typing import Final

from nearproof.config.home import Backend, Enrolment
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.wire import CeremonyState, ServiceCode
from nearproof.daemon.clock import boottime
from nearproof.daemon.control.hearing import LOOK, Lost
from nearproof.daemon.control.notices import Notices
from nearproof.daemon.join import Joined
from nearproof.daemon.laptop import ENDED
from nearproof.daemon.provider import Provider, ProviderError

NAP: Final = 25.0  # seconds slept at most: the clock of a sleep stands still in a suspended laptop
GRACE: Final = 5  # seconds for a command that waits itself to go on by itself

_LOST: Final = {ServiceCode.UNKNOWN_DEVICE, ServiceCode.NOT_FOUND}


class Activation:
    """Waits for one enrolment, `turn` by `turn`, each safe to be cut short."""

    def __init__(self, kept: Enrolment, backend: Backend, notices: Notices) -> None:
        self.of = (kept, backend)
        self.look_due = True
        self.status = "an activation is under way"
        self._id = kept.id
        self._notices = notices
        joined = Joined(backend.url, backend.certificate, backend.issuer)
        self._provider = Provider(joined, DeviceKey.from_seed(kept.seed))
        self._look_at = 0  # µs of boottime
        self._ripe = False  # seen with the wait over
        self._announced = False

    async def cancel(self) -> None:
        """Its notices have no button."""

    async def turn(self) -> None:
        """Sleep, and look where it is time to.  Raises `Lost`, `ProviderError`."""
        left = (self._look_at - boottime()) / 1e6
        if left > 0 and not self.look_due:
            await asyncio.sleep(min(left, NAP))
            return
        try:
            stands = await self._provider.enrolment(self._id)
        except ProviderError as error:
            if error.code in _LOST:
                raise Lost from None
            raise
        self.look_due = False
        self.status = "an activation is under way"
        if stands.state in ENDED:
            self._notices.activation_ended(ENDED[stands.state])
            raise Lost
        if stands.state is not CeremonyState.LIVE:
            self._notices.over()  # somebody goes on with it
            self._look_in(LOOK)
        elif stands.waits:
            self.status = f"the waiting time of an activation ends in {stands.waits} s"
            self._look_in(min(LOOK, stands.waits))
        elif not self._ripe:
            self._ripe = True
            self._look_in(GRACE)
        else:
            if not self._announced:
                self._announced = True
                self._notices.activation_ready()
            self._look_in(min(LOOK, self._provider.seconds_until(stands.deadline) + 1))

    def _look_in(self, seconds: int) -> None:
        self._look_at = boottime() + seconds * 1_000_000
