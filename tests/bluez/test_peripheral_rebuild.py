"""The peripheral against a fake org.bluez that comes and goes: everything is rebuilt."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from dbus_fast import Variant

from bluez.fake_bluez import ADAPTER, BluezFault, FakeBluez
from bluez.fake_peers import EID, EID_TEXT, RemoteCentral
from bluez.private_bus import PrivateBus
from bluez.witnesses import PeripheralRecord
from nearproof.ble.bluez import peripheral as peripheral_module
from nearproof.ble.bluez.peripheral import BluezPeripheral
from nearproof.ble.errors import BluetoothError, BluetoothReason
from nearproof.ble.ports import Channel
from nearproof.ble.uuids import MESSAGES


async def test_advert_comes_back_after_a_connection(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """A connection stops the advert in the controller: each disconnect registers it anew."""
    await peripheral.advertise(EID)
    central = RemoteCentral(bluez)
    for times in (1, 2):
        central.connect()
        await told.has(("connected", central.path), times)
        central.disconnect()
        await told.has(("disconnected", central.path), times)
        await bluez.calls.until(
            lambda wanted=times + 1: bluez.count("RegisterAdvertisement") == wanted  # type: ignore[misc]
        )
    await bluez.calls.until(lambda: len(bluez.adverts) == 1)


async def test_restart_of_bluetoothd(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """When bluetoothd dies, links and stack are told as lost; when it is back, all is rebuilt."""
    await peripheral.advertise(EID)
    central = RemoteCentral(bluez)
    central.connect()
    await told.has(("connected", central.path))
    await bluez.stop()
    await told.has(("stack_lost",))
    assert told.entries == [
        ("connected", central.path),
        ("disconnected", central.path),
        ("stack_lost",),
    ]
    await bluez.start()
    await bluez.calls.until(lambda: bool(bluez.adverts))
    assert bluez.application is not None
    assert await central.write(MESSAGES, b"m1") is None
    (advert,) = bluez.adverts.values()
    assert advert["ServiceUUIDs"] == [EID_TEXT]


async def test_restart_with_the_adapter_off(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """bluetoothd may be back before the adapter is on: the advert waits for that."""
    await peripheral.advertise(EID)
    await bluez.stop()
    bluez.powered = False
    await bluez.start()
    await bluez.calls.until(lambda: bluez.application is not None)
    for _ in range(5):  # round trips, in which a hasty attempt would show
        await RemoteCentral(bluez).subscribe(MESSAGES)
    assert bluez.count("RegisterAdvertisement") == 1
    bluez.change(bluez.path, ADAPTER, Powered=Variant("b", True))
    await bluez.calls.until(lambda: bool(bluez.adverts))
    assert bluez.count("RegisterAdvertisement") == 2


async def test_rebuild_is_tried_again(
    bluez: FakeBluez,
    peripheral: BluezPeripheral,
    told: PeripheralRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A rebuild that fails is repeated after a while, without any signal."""
    monkeypatch.setattr(peripheral_module, "AGAIN", 0.01)
    await peripheral.advertise(EID)
    await bluez.stop()
    refusals = iter([True, True, False])

    def judge(member: str) -> None:
        if member == "RegisterApplication" and next(refusals):
            raise BluezFault("Failed", "too early")

    bluez.judge_call = judge
    await bluez.start()
    await bluez.calls.until(lambda: bool(bluez.adverts))


async def test_advertise_while_bluetoothd_is_away(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """The wish is kept until bluetoothd is back; notifying meanwhile fails as a lost link."""
    await bluez.stop()
    await told.has(("stack_lost",))
    await peripheral.advertise(EID)
    with pytest.raises(BluetoothError):
        await peripheral.notify("/org/bluez/hci0/dev_any", Channel.MESSAGES, b"m2")
    await bluez.start()
    await bluez.calls.until(lambda: bool(bluez.adverts))


async def test_bluetoothd_dies_while_it_is_asked_to_advertise(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """That is a loss like any other, and no refusal: the advert is up when bluetoothd is back."""
    bluez.deaf.add("RegisterAdvertisement")
    advertising = asyncio.create_task(peripheral.advertise(EID))
    await bluez.calls.until(lambda: bluez.count("RegisterAdvertisement") == 1)
    await bluez.stop()
    await advertising
    bluez.deaf.clear()
    await bluez.start()
    await bluez.calls.until(lambda: bool(bluez.adverts))


async def test_switched_off_while_it_is_asked_to_advertise(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """The advert waits for the adapter, whatever BlueZ has answered meanwhile."""

    def judge(member: str) -> None:
        if member == "RegisterAdvertisement" and bluez.count(member) == 1:
            bluez.change(bluez.path, ADAPTER, Powered=Variant("b", False))
            raise BluezFault("Failed", "Failed to register advertisement")

    bluez.judge_call = judge
    await peripheral.advertise(EID)
    bluez.change(bluez.path, ADAPTER, Powered=Variant("b", True))
    await bluez.calls.until(lambda: bool(bluez.adverts))


async def test_adapter_unplugged(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """An adapter that goes and comes back, as on resume, is served again."""
    await peripheral.advertise(EID)
    interfaces = dict(bluez.objects[bluez.path])
    bluez.remove(bluez.path)
    await told.has(("stack_lost",))
    bluez.application = None
    bluez.adverts.clear()
    bluez.add(bluez.path, interfaces)
    await bluez.calls.until(lambda: bool(bluez.adverts))
    assert bluez.application is not None


@pytest.mark.parametrize(
    "reason",
    [BluetoothReason.NO_ADAPTER, BluetoothReason.POWERED_OFF, BluetoothReason.NO_BLUEZ],
)
async def test_away_for_too_long(
    bluez: FakeBluez,
    peripheral: BluezPeripheral,
    told: PeripheralRecord,
    monkeypatch: pytest.MonkeyPatch,
    reason: BluetoothReason,
) -> None:
    """What does not come back is told once, by the name of what is wrong."""
    monkeypatch.setattr(peripheral_module, "COMEBACK", 0.01)
    await peripheral.advertise(EID)
    match reason:
        case BluetoothReason.NO_ADAPTER:
            bluez.remove(bluez.path)
        case BluetoothReason.POWERED_OFF:
            bluez.change(bluez.path, ADAPTER, Powered=Variant("b", False))
        case _:
            await bluez.stop()
    await told.has(("failed", reason))
    assert told.entries == [("stack_lost",), ("failed", reason)]


async def test_back_in_time(
    bluez: FakeBluez,
    peripheral: BluezPeripheral,
    told: PeripheralRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is judged any more once the adapter is back, off again or not."""
    judged: list[str] = []

    async def preflight(adapter: str, role: object) -> None:
        judged.append(adapter)

    pauses: list[asyncio.Event] = []

    async def pause(seconds: float) -> None:
        pauses.append(asyncio.Event())
        await pauses[-1].wait()

    monkeypatch.setattr(peripheral_module, "preflight", preflight)
    monkeypatch.setattr(peripheral_module, "sleep", pause)
    await peripheral.advertise(EID)
    bluez.change(bluez.path, ADAPTER, Powered=Variant("b", False))
    await told.has(("stack_lost",))
    bluez.change(bluez.path, ADAPTER, Powered=Variant("b", True))
    await bluez.calls.until(lambda: bluez.count("RegisterAdvertisement") == 2)
    for over in pauses:
        over.set()
    await peripheral.stop_advertising()
    assert len(pauses) == 1
    assert judged == []


async def test_crashed_bluetoothd_is_started(
    bus: PrivateBus,
    bluez: FakeBluez,
    peripheral: BluezPeripheral,
    told: PeripheralRecord,
    tmp_path: Path,
) -> None:
    """The bus is asked for one that has crashed, since Debian's own unit does not restart it."""
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    bus.starts("org.bluez", f"echo started > {fifo}")
    await peripheral.advertise(EID)
    await bluez.stop()
    async with asyncio.timeout(20):
        assert await asyncio.to_thread(fifo.read_text) == "started\n"
    await bluez.start()
    await bluez.calls.until(lambda: bool(bluez.adverts))


async def test_stopped_bluetoothd_stays_stopped(
    bus: PrivateBus,
    bluez: FakeBluez,
    peripheral: BluezPeripheral,
    told: PeripheralRecord,
    tmp_path: Path,
) -> None:
    """Nobody's `systemctl stop bluetooth` is undone."""
    marker = tmp_path / "started"
    bus.starts("org.bluez", f"touch {marker}")
    await peripheral.advertise(EID)
    await bluez.stop(orderly=True)
    await told.has(("stack_lost",))
    await bluez.start()
    await bluez.calls.until(lambda: bool(bluez.adverts))
    assert not marker.exists()


async def test_adapter_switched_off_and_on(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """Switching off is told once; switching on renews the advert, not the application."""
    await peripheral.advertise(EID)
    bluez.change(bluez.path, ADAPTER, Powered=Variant("b", False))
    await told.has(("stack_lost",))
    bluez.change(bluez.path, ADAPTER, Powered=Variant("b", True))
    await bluez.calls.until(lambda: bluez.count("RegisterAdvertisement") == 2)
    assert bluez.count("RegisterApplication") == 1
    assert told.entries == [("stack_lost",)]


async def test_other_news_of_the_adapter(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """What else changes of the adapter, or on another one, is none of our business."""
    await peripheral.advertise(EID)
    bluez.change(bluez.path, ADAPTER, Alias=Variant("s", "renamed"))
    other = RemoteCentral(bluez)
    other.path = other.path.replace("hci0", "hci01")
    other.connect()
    await RemoteCentral(bluez).subscribe(MESSAGES)
    await peripheral.stop_advertising()
    assert bluez.count("RegisterAdvertisement") == 1
    assert told.entries == [("subscribed", None, Channel.MESSAGES)]


async def test_released_advert_is_renewed(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """An advert that BlueZ drops by itself is registered again."""
    await peripheral.advertise(EID)
    ((path, advert),) = bluez.adverts.items()
    bluez.adverts.clear()
    await bluez.call(advert["owner"], path, "org.bluez.LEAdvertisement1", "Release")
    await bluez.calls.until(lambda: bool(bluez.adverts))


async def test_end_of_the_bus(
    bus: PrivateBus, bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """When the system bus itself dies, the radio has failed at once and closing still works."""
    central = RemoteCentral(bluez)
    central.connect()
    await told.has(("connected", central.path))
    await bus.kill()
    await told.has(("stack_lost",))
    assert told.entries[1:] == [
        ("disconnected", central.path),
        ("stack_lost",),
        ("failed", BluetoothReason.NO_DBUS),
    ]
    await peripheral.disconnect(central.path)
    with pytest.raises(BluetoothError):
        await peripheral.notify(central.path, Channel.MESSAGES, b"m2")
    await peripheral.close()


async def test_end_of_the_bus_while_it_is_asked_to_advertise(
    bus: PrivateBus, bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """Then it is the bus that is named, and nothing is said of a bluetoothd that comes back."""
    bluez.deaf.add("RegisterAdvertisement")
    advertising = asyncio.create_task(peripheral.advertise(EID))
    await bluez.calls.until(lambda: bluez.count("RegisterAdvertisement") == 1)
    await bus.kill()
    await told.has(("failed", BluetoothReason.NO_DBUS))
    result = (await asyncio.gather(advertising, return_exceptions=True))[0]
    assert result is None or (
        isinstance(result, BluetoothError) and result.reason is BluetoothReason.NO_DBUS
    )
