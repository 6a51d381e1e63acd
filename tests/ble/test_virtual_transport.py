"""What becomes of the ports when their transport does not work, or goes away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bumble import hci

from ble.virtual_helpers import EID, FAST, NewEvents, OldEvents, Pair, find, laptops
from nearproof.ble.errors import BluetoothError, BluetoothReason
from nearproof.ble.ports import Advert
from nearproof.ble.virtual import peripheral as peripheral_module
from nearproof.ble.virtual import radio as radio_module
from nearproof.ble.virtual.air import open_air
from nearproof.ble.virtual.central import VirtualCentral
from nearproof.ble.virtual.peripheral import VirtualPeripheral


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Two laptops on a fast air, OLD advertising."""
    async with laptops() as pair:
        yield pair


@pytest.mark.parametrize(
    "transport", ["air:/nowhere/socket", "nothing:0", "tcp-client:127.0.0.1:1", "air:x:1", ""]
)
async def test_no_such_transport(transport: str) -> None:
    """A transport that cannot be opened is named in the error."""
    for port in VirtualPeripheral(transport).open(OldEvents()), VirtualCentral(transport).open():
        with pytest.raises(BluetoothError) as caught:
            await port
        assert caught.value.reason is BluetoothReason.TRANSPORT
        assert transport in str(caught.value)


async def test_a_controller_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transport with nothing behind it is NO_ADAPTER in bounded time, and is closed."""
    monkeypatch.setattr(radio_module, "_OPEN_SECONDS", 0.2)
    monkeypatch.setattr(radio_module, "_CLOSE_SECONDS", 0.2)
    ended = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        writer.close()
        ended.set()

    async with await asyncio.start_unix_server(mute, tmp_path / "hci"):
        with pytest.raises(BluetoothError) as caught:
            await VirtualCentral(f"unix:{tmp_path}/hci").open()
        assert caught.value.reason is BluetoothReason.NO_ADAPTER
        await ended.wait()


async def test_a_transport_that_hangs_up(tmp_path: Path) -> None:
    """Something that is not a controller is NO_ADAPTER or a lost stack, in bounded time."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(hang_up, tmp_path / "hci"):
        with pytest.raises(BluetoothError):
            await VirtualCentral(f"unix:{tmp_path}/hci").open()


async def test_not_open() -> None:
    """Nothing can be scanned for before opening; closing is harmless."""
    central = VirtualCentral("air:127.0.0.1:1")
    with pytest.raises(BluetoothError):
        async with central.scan():
            pass
    await central.close()
    peripheral = VirtualPeripheral("air:127.0.0.1:1")
    await peripheral.advertise(EID)
    await peripheral.close()


async def test_the_air_goes_and_returns(tmp_path: Path) -> None:
    """Both ports notice, OLD rebuilds and advertises by itself, NEW at its next use."""
    path = tmp_path / "air"
    old, new = OldEvents(), NewEvents()
    peripheral, central = VirtualPeripheral(f"air:{path}"), VirtualCentral(f"air:{path}")
    try:
        async with open_air(path=path, settings=FAST):
            await peripheral.open(old)
            await central.open()
            await peripheral.advertise(EID)
            await central.connect(await find(central), new)
        await old.expect("disconnected")
        await old.expect("stack_lost")
        await new.expect("lost")
        with pytest.raises(BluetoothError):
            await central.connect(Advert((EID,), None, "?", handle=hci.Address.ANY), new)
        async with open_air(path=path, settings=FAST):
            await central.connect(await find(central), new)
            await old.expect("connected")
            await central.close()
            await peripheral.close()
    finally:
        await central.close()
        await peripheral.close()


async def test_the_air_does_not_return(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An OLD whose transport stays away is told so."""
    monkeypatch.setattr(peripheral_module, "_COMEBACK_SECONDS", 0.0)
    old = OldEvents()
    peripheral = VirtualPeripheral(f"air:{tmp_path}/air")
    async with open_air(path=tmp_path / "air", settings=FAST):
        await peripheral.open(old)
    await old.expect("failed", BluetoothReason.TRANSPORT)
    await peripheral.close()


async def test_a_scan_ends_with_the_air() -> None:
    """A scan in progress raises STACK_LOST instead of waiting for ever."""
    async with contextlib.AsyncExitStack() as air:
        _, address = await air.enter_async_context(open_air(settings=FAST))
        central = VirtualCentral(address)
        await central.open()
        async with central.scan() as adverts:
            await air.aclose()
            with pytest.raises(BluetoothError) as caught:
                await anext(adverts)
    assert caught.value.reason is BluetoothReason.STACK_LOST
    await central.close()


async def test_closing_twice_and_leaving_nothing(pair: Pair) -> None:
    """Closing ends links, tells the other side, is idempotent and leaves no task behind."""
    await pair.connect()
    await pair.peripheral.close()
    await pair.new.expect("lost")
    await pair.peripheral.close()
    await pair.central.close()
    await pair.central.close()
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
    assert not [name for name in names if "Radio" in name or "Device" in name]
