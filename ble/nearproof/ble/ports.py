"""The two radios as the daemon sees them: a peripheral (OLD) and a central (NEW).

Drivers: `nearproof.ble.bluez` (BlueZ through bless and bleak) and `nearproof.ble.virtual`
(Bumble, over the emulated air or any HCI transport).  Everything runs in one event loop.
Every failure of a radio is a `BluetoothError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from nearproof.ble.errors import BluetoothError


class Channel(Enum):
    """The two characteristics of the service, each write (with response) + notify."""

    MESSAGES = "messages"
    ROUNDS = "rounds"


@dataclass(frozen=True, slots=True)
class Advert:
    """One advertisement heard: its 128-bit service UUIDs, big-endian as in the UUID string.

    `peer` names the advertiser for this scan (an address); `handle` is the driver's own.
    """

    service_uuids: tuple[bytes, ...] = field(repr=False)  # an EID is not for logs
    rssi: int | None
    peer: str
    handle: object = None


class PeripheralEvents(Protocol):
    """What a peripheral tells its application.  Called in the event loop, must not block."""

    def connected(self, central: str) -> None:
        """A central connected."""

    def disconnected(self, central: str) -> None:
        """A central's link ended, for whatever reason; told once a link."""

    def subscribed(self, central: str | None, channel: Channel) -> None:
        """Notifications were switched on; `central` is None where the stack does not say who."""

    def written(self, central: str, channel: Channel, value: bytes) -> None:
        """A value was written.  Raise `AttError` to refuse it: the peer's write then fails."""

    def stack_lost(self) -> None:
        """The Bluetooth stack went away; the driver rebuilds by itself when it returns."""

    def failed(self, error: BluetoothError) -> None:
        """The radio is gone and was not back in time; nothing but `close` helps now."""


class Peripheral(Protocol):
    """OLD's radio: advertises one UUID and serves the PXP1 service."""

    async def open(self, events: PeripheralEvents) -> None:
        """Take the adapter and register the service."""

    async def advertise(self, eid: bytes) -> None:
        """Advertise the 16-byte EID until told to stop; resumes by itself after a disconnect
        and after a restart of the stack."""

    async def stop_advertising(self) -> None:
        """Stop; nothing happens if it was not advertising."""

    def mtu(self, central: str) -> int:
        """The ATT_MTU of this central's link, in bytes (23 until negotiated)."""

    async def notify(self, central: str, channel: Channel, value: bytes) -> None:
        """Send one notification, at most MTU - 3 bytes; returns when the stack has taken it."""

    async def disconnect(self, central: str) -> None:
        """End this central's link; nothing happens if it is gone."""

    async def close(self) -> None:
        """Stop everything and put the adapter back as it was found.  Idempotent."""


class LinkEvents(Protocol):
    """What a central's link tells its application.  Called in the event loop."""

    def notified(self, channel: Channel, value: bytes) -> None:
        """A notification arrived."""

    def lost(self) -> None:
        """The link ended, for whatever reason; told once."""


class Link(Protocol):
    """One connection from NEW to a peripheral, its service already discovered."""

    @property
    def mtu(self) -> int:
        """ATT_MTU in bytes."""

    async def subscribe(self, channel: Channel) -> None:
        """Switch notifications on."""

    async def unsubscribe(self, channel: Channel) -> None:
        """Switch notifications off."""

    async def write(self, channel: Channel, value: bytes) -> None:
        """Write with response.  Raises `AttError` if refused, `BluetoothError` if it is lost."""

    async def disconnect(self) -> None:
        """End the link; idempotent, and quick: does not wait for a slow stack."""


class Central(Protocol):
    """NEW's radio: scans for adverts and connects to one."""

    async def open(self) -> None:
        """Take the adapter."""

    def scan(self) -> AbstractAsyncContextManager[AsyncIterator[Advert]]:
        """Scan while the context is open; yields every advert that carries a 128-bit UUID,
        again and again.  No filter reaches the stack."""

    async def connect(self, advert: Advert, events: LinkEvents) -> Link:
        """Connect to the advertiser and discover the PXP1 service.

        Raises `BluetoothError` (CONNECT_FAILED, NOT_OUR_SERVICE, ...) when it cannot.
        """

    async def close(self) -> None:
        """Stop everything and put the adapter back as it was found.  Idempotent."""
