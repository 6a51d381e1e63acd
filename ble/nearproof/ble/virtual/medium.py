"""The air: who hears whose adverts, and the connection events that carry a link's packets.

A model of the link layer (Core Spec Vol 6 Part B) as far as a host can see it.  Packets of a
connection, data and control alike, wait for its next connection event; a lost one is sent
again at the event after; a link on which nothing got through for the supervision timeout is
dead for both ends.  Nothing ticks while nothing waits.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bumble import hci, ll
from bumble.link import LocalLink

if TYPE_CHECKING:
    from nearproof.ble.virtual.connection import AirConnection
    from nearproof.ble.virtual.controller import AirController

# Packets a side may send in one connection event.  Real controllers manage 4 to 10.
PACKETS_PER_EVENT: Final = 6
INTERVAL_UNIT: Final = 1.25e-3  # seconds; Core Spec Vol 4 Part E 7.8.12
SUPERVISION_UNIT: Final = 10e-3  # seconds
ADVERT_UNIT: Final = 0.625e-3  # seconds; 7.8.5


@dataclass(frozen=True, slots=True)
class AirSettings:
    """How this air behaves; `Air.settings` may be replaced while it runs.

    Intervals are in milliseconds; None means what the host asked for.  `loss` is the chance
    from 0 to 1 that one packet or advert is not heard; at 1 every link dies of its
    supervision timeout.  `rssi` is in dBm.
    """

    connection_interval: float | None = None
    advert_interval: float | None = None
    loss: float = 0.0
    rssi: int = -50

    def __post_init__(self) -> None:
        for interval in (self.connection_interval, self.advert_interval):
            if interval is not None and not 1 <= interval <= 10_240:
                raise ValueError(f"interval of {interval} ms is outside 1..10240")
        if not 0 <= self.loss <= 1:
            raise ValueError(f"loss of {self.loss} is outside 0..1")
        if not -127 <= self.rssi <= 20:
            raise ValueError(f"RSSI of {self.rssi} dBm is outside -127..20")


@dataclass(frozen=True, slots=True)
class AdvertPdu:
    """One connectable undirected advertising event (ADV_IND), with what a scan request gets."""

    advertiser: AirController
    address: hci.Address
    data: bytes
    scan_response: bytes


@dataclass(frozen=True, slots=True)
class DataPdu:
    """One fragment of an L2CAP PDU, as the host handed it over."""

    first: bool
    data: bytes


Pdu = DataPdu | ll.ControlPdu


class Air(LocalLink):
    """All controllers in range of one another.

    Stock LocalLink routes packets by address and takes every LE sender's to be its random
    one; here adverts go to everybody and a connection knows its other end.
    """

    def __init__(self, settings: AirSettings, rng: random.Random) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.controllers: set[AirController] = set()  # type: ignore[assignment]  # ours only
        self.channels: set[Channel] = set()
        self._settings = settings
        self._rng = rng

    @property
    def settings(self) -> AirSettings:
        """The present settings."""
        return self._settings

    @settings.setter
    def settings(self, settings: AirSettings) -> None:
        self._settings = settings
        for channel in self.channels:
            channel.wake()  # an idle link must notice that it is being jammed

    def lost(self) -> bool:
        """Draw whether one transmission is lost."""
        return self._rng.random() < self._settings.loss

    def advert_delay(self, interval: float) -> float:
        """Seconds to the next advertising event: the interval and 0-10 ms (Vol 6 Part B 4.4.2.2).

        The random part keeps two advertisers from colliding for ever.
        """
        if self._settings.advert_interval is not None:
            interval = self._settings.advert_interval / 1000
        return interval + self._rng.uniform(0, 0.010)

    def broadcast(self, pdu: AdvertPdu) -> None:
        """Let every other controller hear an advert."""
        loop = asyncio.get_running_loop()
        for controller in self.controllers:
            if controller is not pdu.advertiser and controller.listening and not self.lost():
                loop.call_soon(controller.hear, pdu)


class Channel:
    """One connection on the air: two ends, a queue for each, and the connection events."""

    def __init__(self, air: Air, interval: int, supervision: int) -> None:
        """`interval` is in units of 1.25 ms and `supervision` of 10 ms, as in HCI."""
        self.interval = interval
        self.supervision = supervision
        self._air = air
        self._loop = asyncio.get_running_loop()
        self._anchor = self._loop.time()
        self._ends: dict[hci.Role, AirConnection] = {}  # the central first, as on the air
        self._queues: dict[hci.Role, deque[Pdu]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._silent_since: float | None = None

    def join(self, central: AirConnection, peripheral: AirConnection) -> None:
        """Put both ends on the air."""
        self._ends = {end.role: end for end in (central, peripheral)}
        self._queues = {role: deque() for role in self._ends}
        self._air.channels.add(self)

    def send(self, sender: AirConnection, pdu: Pdu) -> None:
        """Queue a packet for the next connection event; nothing happens on a dead link."""
        if (queue := self._queues.get(sender.role)) is not None:
            queue.append(pdu)
            self.wake()

    def waiting(self, sender: AirConnection) -> int:
        """Packets this end has not got across yet."""
        return len(self._queues.get(sender.role, ()))

    def retime(self, interval: int, supervision: int) -> None:
        """Apply new connection parameters, in HCI's units."""
        self.interval, self.supervision = interval, supervision
        self._anchor = self._loop.time()

    def vanish(self, end: AirConnection) -> None:
        """One end fell silent without a word: the other notices at the supervision timeout."""
        if self._queues.pop(end.role, None) is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(self.supervision * SUPERVISION_UNIT, self.drop)

    def drop(self) -> None:
        """End the link for both ends, as out of range: each host hears of a timeout."""
        ends = [self._ends[role] for role in self._queues]
        self.close()
        for end in ends:
            end.ended(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

    def close(self) -> None:
        """Take the link off the air; tells nobody."""
        if self._timer is not None:
            self._timer.cancel()
        self._queues.clear()
        self._air.channels.discard(self)

    def wake(self) -> None:
        """Make sure a connection event is coming, if there is a use for one."""
        jammed = self._air.settings.loss >= 1
        if self._timer is None and self._queues and (jammed or any(self._queues.values())):
            self._timer = self._loop.call_at(self._next_event(), self._event)

    def _next_event(self) -> float:
        forced = self._air.settings.connection_interval
        interval = self.interval * INTERVAL_UNIT if forced is None else forced / 1000
        now = self._loop.time()
        wait = interval - (now - self._anchor) % interval
        if wait < interval / 20:  # the timer fired a hair early: this is still the last event
            wait += interval
        return now + wait

    def _event(self) -> None:
        """One connection event: what was queued before it crosses, in both directions.

        Answers go out at the next event, as over a real radio, where no host can answer
        within the 150 µs between two packets.
        """
        self._timer = None
        ready = {role: min(len(queue), PACKETS_PER_EVENT) for role, queue in self._queues.items()}
        heard = False
        for role, count in ready.items():
            for _ in range(count):
                if self._air.lost():
                    break
                heard = True
                self._ends[role].delivered(self._queues[role].popleft())
                if role not in self._queues:  # this packet ended the link
                    return
        due = any(ready.values()) or self._air.settings.loss >= 1
        if heard or not due:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = self._loop.time()
        elif self._loop.time() - self._silent_since >= self.supervision * SUPERVISION_UNIT:
            self.drop()
            return
        self.wake()


def with_changes(settings: AirSettings, changes: dict[str, object]) -> AirSettings:
    """The settings with some fields replaced.  Raises `ValueError` for what does not fit."""
    names = {field.name for field in dataclasses.fields(AirSettings)}
    if unknown := changes.keys() - names:
        raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
    for name, value in changes.items():
        optional = name.endswith("_interval")
        if not (isinstance(value, int | float) or (optional and value is None)):
            raise ValueError(f"{name} must be a number")
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]  # checked above
