"""Radios of strangers in the room, made with Bumble alone: nothing of ours runs on them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from bumble import gatt, hci
from bumble.att import ATT_Error
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.transport import open_transport

from nearproof.ble.uuids import MESSAGES, ROUNDS, SERVICE
from rig.pair import Room

FAST = 20.0  # ms between adverts, the shortest that is allowed
SLOW = 1000.0
HANDLES = 0x60  # of attributes to write to; BlueZ's server has fewer
GARBAGE = (b"", b"\x00", b"\x80", b"\xff" * 20, b"\x01\x00" * 90, os.urandom(200))
PAUSE = 0.2  # seconds before a stranger who was thrown out comes again

PUBLIC = hci.OwnAddressType.PUBLIC
UUID128 = AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS


@dataclass
class Doings:
    """What a stranger got to do, for a test that wants to know that it did anything."""

    connections: int = 0
    writes: int = 0
    adverts: int = 0


@asynccontextmanager
async def radio(room: Room) -> AsyncIterator[Device]:
    """A device in the room with a controller of its own."""
    async with await open_transport(f"unix:{room.path}") as transport:
        address = hci.Address.generate_static_address()
        device = Device.with_hci("stranger", address, transport.source, transport.sink)
        await device.power_on()
        yield device


@asynccontextmanager
async def doing(work: Awaitable[None]) -> AsyncIterator[None]:
    """Let a stranger work in the background while the context is open."""
    task = asyncio.ensure_future(work)
    try:
        yield
        if task.done():
            task.result()  # a stranger who has failed tests nothing
    finally:
        task.cancel()
        await asyncio.wait({task})


# -- centrals


Deed = Callable[[Connection, Doings], Awaitable[None]]


async def connect_for_ever(device: Device, doings: Doings, deed: Deed) -> None:
    """Connect to whoever advertises a 128-bit UUID, do the deed, be thrown out, come again."""
    while True:
        heard = await hear(device)
        try:
            connection = await device.connect(heard.address, own_address_type=PUBLIC, timeout=2)
        except (BaseBumbleError, TimeoutError):
            continue  # someone else was faster
        doings.connections += 1
        ended = asyncio.Event()
        connection.on(Connection.EVENT_DISCONNECTION, lambda *_, end=ended: end.set())
        with suppress(BaseBumbleError, TimeoutError, asyncio.CancelledError):
            await _until(ended, deed(connection, doings))
        await ended.wait()
        await asyncio.sleep(PAUSE)


async def _until(ended: asyncio.Event, work: Awaitable[None]) -> None:
    """Do the work, but not after the link has ended."""
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hear(device: Device) -> Advertisement:
    """The next advert of anybody that has a 128-bit service UUID."""
    heard: asyncio.Future[Advertisement] = asyncio.get_running_loop().create_future()

    def on_advertisement(advertisement: Advertisement) -> None:
        if advertisement.data.get(UUID128) and not heard.done():
            heard.set_result(advertisement)

    device.on("advertisement", on_advertisement)
    try:
        await device.start_scanning(own_address_type=PUBLIC)
        return await heard
    finally:
        device.remove_listener("advertisement", on_advertisement)
        await device.stop_scanning()


async def say_nothing(connection: Connection, doings: Doings) -> None:
    """Keep the link and wait to be thrown out."""
    await asyncio.Event().wait()


async def write_garbage(connection: Connection, doings: Doings) -> None:
    """Write all kinds of garbage to every handle there may be."""
    peer = Peer(connection)
    await peer.request_mtu(247)
    for handle in range(1, HANDLES):
        for value in GARBAGE:
            with suppress(ATT_Error):
                await peer.gatt_client.write_value(handle, value, with_response=True)
            doings.writes += 1


# -- peripherals


async def clone(device: Device, doings: Doings) -> None:
    """Advertise what is heard of others, faster than they do, for ever."""
    while True:
        heard = await hear(device)
        await device.start_advertising(
            own_address_type=PUBLIC,
            auto_restart=True,
            advertising_data=bytes(heard.data),
            advertising_interval_min=FAST,
            advertising_interval_max=FAST,
        )
        doings.adverts += 1
        await asyncio.Event().wait()


def pretend(device: Device) -> None:
    """Offer a service that looks like ours, takes every write and never answers."""
    can = gatt.Characteristic.Properties.WRITE | gatt.Characteristic.Properties.NOTIFY
    characteristics: Sequence[gatt.Characteristic[bytes]] = [
        gatt.Characteristic(
            UUID(uuid),
            can,
            gatt.Characteristic.Permissions.WRITEABLE,
            gatt.CharacteristicValue(write=lambda *_: None),
        )
        for uuid in (MESSAGES, ROUNDS)
    ]
    device.add_service(gatt.Service(UUID(SERVICE), characteristics))


@asynccontextmanager
async def crowd(room: Room, count: int) -> AsyncIterator[None]:
    """So many devices, each with an advert of its own and a UUID that nobody here knows."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            device = await stack.enter_async_context(radio(room))
            data = AdvertisingData([(UUID128, os.urandom(16))])
            await device.start_advertising(
                own_address_type=PUBLIC,
                advertising_data=bytes(data),
                advertising_interval_min=SLOW,
                advertising_interval_max=SLOW,
            )
        yield
