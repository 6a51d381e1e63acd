"""A private bus for every test, and an end to what bleak keeps for each event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bleak.backends.bluezdbus import manager as bleak_manager

from bluez.fake_bluez import FakeBluez
from bluez.fake_peers import EID_TEXT, RemotePeripheral
from bluez.private_bus import PrivateBus, private_bus
from bluez.quiet import BluezPeripheral  # first of all who import bless
from bluez.witnesses import LinkRecord, Pauses, PeripheralRecord, first_advert
from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.ports import Advert, Link


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PrivateBus]:
    """An empty system bus."""
    async with private_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        yield bus
        await _end_bleak()
    assert asyncio.all_tasks() == {asyncio.current_task()}, "the driver left tasks behind"


@pytest.fixture
async def bluez(bus: PrivateBus) -> AsyncIterator[FakeBluez]:
    """A system bus with bluetoothd and one adapter, hci0, on it."""
    fake = FakeBluez()
    await fake.start()
    yield fake
    if fake.bus.connected:
        await fake.stop()


@pytest.fixture
def told() -> PeripheralRecord:
    """What the peripheral has told."""
    return PeripheralRecord()


@pytest.fixture
async def peripheral(bluez: FakeBluez, told: PeripheralRecord) -> AsyncIterator[BluezPeripheral]:
    """OLD's radio, open."""
    peripheral = BluezPeripheral()
    await peripheral.open(told)
    yield peripheral
    await peripheral.close()


@pytest.fixture
def events() -> LinkRecord:
    """What the link has told."""
    return LinkRecord()


@pytest.fixture
def pauses() -> Pauses:
    """The pauses that the central made between tries."""
    return Pauses()


@pytest.fixture
def old(bluez: FakeBluez) -> RemotePeripheral:
    """Another laptop, in range and advertising."""
    return RemotePeripheral(bluez, EID_TEXT)


@pytest.fixture
async def central(bluez: FakeBluez, pauses: Pauses) -> AsyncIterator[BluezCentral]:
    """NEW's radio, open."""
    central = BluezCentral(clockwork=pauses.clockwork())
    await central.open()
    yield central
    await central.close()


@pytest.fixture
async def advert(central: BluezCentral, old: RemotePeripheral) -> Advert:
    """The advert of `old`."""
    return await first_advert(central)


@pytest.fixture
async def link(central: BluezCentral, advert: Advert, events: LinkRecord) -> Link:
    """A link from `central` to `old`."""
    return await central.connect(advert, events)


async def _end_bleak() -> None:
    """bleak leaves one connection a loop open, for good; its own way to end is to see it die."""
    manager = bleak_manager._global_instances.pop(asyncio.get_running_loop(), None)
    if manager is None or manager._bus is None:
        return
    manager._bus.disconnect()
    assert manager._bus_watcher_task is not None
    await manager._bus_watcher_task
