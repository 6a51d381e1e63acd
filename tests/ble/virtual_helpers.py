"""Recorders for the ports' events, and one pair of ports on one air."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from nearproof.ble.errors import BluetoothError
from nearproof.ble.ports import Advert, Channel
from nearproof.ble.virtual.air import open_air
from nearproof.ble.virtual.central import VirtualCentral, VirtualLink
from nearproof.ble.virtual.medium import Air, AirSettings
from nearproof.ble.virtual.peripheral import VirtualPeripheral

EID = bytes(range(0xA0, 0xB0))
FAST = AirSettings(connection_interval=2, advert_interval=20)

Event = tuple[object, ...]


class Recorder:
    """Keeps events in order; `expect` takes the first that fits, waiting for it."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self._untaken: list[Event] = []
        self._arrived = asyncio.Event()

    def note(self, *event: object) -> None:
        self.seen.append(event)
        self._untaken.append(event)
        self._arrived.set()

    async def expect(self, *prefix: object) -> Event:
        async with asyncio.timeout(20):
            while True:
                for index, event in enumerate(self._untaken):
                    if event[: len(prefix)] == prefix:
                        return self._untaken.pop(index)
                self._arrived.clear()
                await self._arrived.wait()

    def forget(self, *prefix: object) -> None:
        """From here on, expect only new events of this kind."""
        self._untaken = [event for event in self._untaken if event[: len(prefix)] != prefix]

    def count(self, *prefix: object) -> int:
        return sum(event[: len(prefix)] == prefix for event in self.seen)


class OldEvents(Recorder):
    """A `PeripheralEvents`; `on_write` may raise to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.on_write: Callable[[str, Channel, bytes], None] = lambda *_: None

    def connected(self, central: str) -> None:
        self.note("connected", central)

    def disconnected(self, central: str) -> None:
        self.note("disconnected", central)

    def subscribed(self, central: str | None, channel: Channel) -> None:
        self.note("subscribed", central, channel)

    def written(self, central: str, channel: Channel, value: bytes) -> None:
        self.note("written", central, channel, value)
        self.on_write(central, channel, value)

    def stack_lost(self) -> None:
        self.note("stack_lost")

    def failed(self, error: BluetoothError) -> None:
        self.note("failed", error.reason)


class NewEvents(Recorder):
    """A `LinkEvents`."""

    def notified(self, channel: Channel, value: bytes) -> None:
        self.note("notified", channel, value)

    def lost(self) -> None:
        self.note("lost")


async def find(central: VirtualCentral, eid: bytes = EID) -> Advert:
    """Scan until an advert with this EID is heard."""
    async with asyncio.timeout(20), central.scan() as adverts:
        async for advert in adverts:
            if eid in advert.service_uuids:
                return advert
    raise AssertionError("the scan ended")


@dataclass
class Pair:
    """Two laptops on one air, OLD advertising `EID`."""

    air: Air
    address: str
    peripheral: VirtualPeripheral
    central: VirtualCentral
    old: OldEvents = field(default_factory=OldEvents)
    new: NewEvents = field(default_factory=NewEvents)

    async def connect(self) -> tuple[VirtualLink, str]:
        """Scan and connect; returns NEW's link and OLD's name of it."""
        advert = await find(self.central)
        self.old.forget("connected")
        link = await self.central.connect(advert, self.new)
        _, central = await self.old.expect("connected")
        return link, str(central)

    async def subscribed(self, channel: Channel = Channel.MESSAGES) -> tuple[VirtualLink, str]:
        """Connect and subscribe."""
        link, central = await self.connect()
        await link.subscribe(channel)
        await self.old.expect("subscribed", central, channel)
        return link, central


@contextlib.asynccontextmanager
async def laptops(
    settings: AirSettings = FAST, *, old_mtu: int = 517, new_mtu: int = 517
) -> AsyncIterator[Pair]:
    """An air in this process with two open ports on it."""
    async with open_air(settings=settings) as (air, address):
        pair = Pair(
            air,
            address,
            VirtualPeripheral(address, mtu=old_mtu),
            VirtualCentral(address, mtu=new_mtu),
        )
        try:
            await pair.peripheral.open(pair.old)
            await pair.central.open()
            await pair.peripheral.advertise(EID)
            yield pair
        finally:
            await pair.central.close()
            await pair.peripheral.close()
