"""Applications that only note what a driver tells them."""

from __future__ import annotations

import asyncio
from typing import Any

from bluez.record import Record
from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.bluez.retry import Clockwork
from nearproof.ble.errors import BluetoothError
from nearproof.ble.ports import Advert, Channel


class PeripheralRecord(Record[tuple[Any, ...]]):
    """Notes what a peripheral tells; `refuse` is raised by every write."""

    refuse: Exception | None = None

    def connected(self, central: str) -> None:
        self.note(("connected", central))

    def disconnected(self, central: str) -> None:
        self.note(("disconnected", central))

    def subscribed(self, central: str | None, channel: Channel) -> None:
        self.note(("subscribed", central, channel))

    def written(self, central: str, channel: Channel, value: bytes) -> None:
        self.note(("written", central, channel, value))
        if self.refuse is not None:
            raise self.refuse

    def stack_lost(self) -> None:
        self.note(("stack_lost",))

    def failed(self, error: BluetoothError) -> None:
        self.note(("failed", error.reason))


class LinkRecord(Record[tuple[Any, ...]]):
    """Notes what a central's link tells."""

    def notified(self, channel: Channel, value: bytes) -> None:
        self.note(("notified", channel, value))

    def lost(self) -> None:
        self.note(("lost",))


class Pauses(Record[float]):
    """Notes the pauses between tries instead of taking them."""

    async def sleep(self, seconds: float) -> None:
        self.note(seconds)

    def clockwork(self) -> Clockwork:
        return Clockwork(now=lambda: 0.0, sleep=self.sleep, uniform=lambda low, high: high)


async def first_advert(central: BluezCentral) -> Advert:
    """The first advert that a scan yields."""
    async with asyncio.timeout(20), central.scan() as adverts:
        async for advert in adverts:
            return advert
    raise AssertionError("the scan ended")
