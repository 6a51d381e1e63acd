"""A private bus as the session bus and the system bus of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bluez.private_bus import PrivateBus, private_bus
from desktop.fake_fprintd import FakeFprintd
from desktop.fake_notifier import FakeNotifier


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PrivateBus]:
    """An empty bus."""
    async with private_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        yield bus
    assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks were left behind"


@pytest.fixture
async def screen(bus: PrivateBus) -> AsyncIterator[FakeNotifier]:
    """A notifier on the bus."""
    fake = FakeNotifier(bus.address)
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def fprintd(bus: PrivateBus) -> AsyncIterator[FakeFprintd]:
    """fprintd on the bus, without a reader."""
    fake = FakeFprintd(bus.address)
    await fake.start()
    yield fake
    await fake.stop()
