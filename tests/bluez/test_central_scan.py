"""The central's scans, through bleak, against a fake org.bluez."""

from __future__ import annotations

import asyncio

import pytest
from dbus_fast import Variant

from bluez.fake_bluez import ADAPTER, FakeBluez
from bluez.fake_peers import EID, EID_TEXT, RemotePeripheral
from bluez.private_bus import PrivateBus
from bluez.witnesses import Pauses, first_advert
from nearproof.ble.bluez import central as central_module
from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.errors import BluetoothError, BluetoothReason
from nearproof.ble.ports import Advert

BATTERY = "0000180f-0000-1000-8000-00805f9b34fb"


async def test_advert_heard(central: BluezCentral, old: RemotePeripheral) -> None:
    """An advert comes with its 128-bit UUIDs as bytes, its strength and its sender."""
    old.uuids = [BATTERY, EID_TEXT]
    advert = await first_advert(central)
    assert advert.service_uuids == (EID,)
    assert advert.rssi == -50
    assert advert.peer == old.address


async def test_no_filter_reaches_bluez(bluez: FakeBluez, advert: Advert) -> None:
    """BlueZ 5.87 crashes on a UUID filter: none is set, and the scan ends with its context."""
    filters = [body[0] for member, body in bluez.calls.entries if member == "SetDiscoveryFilter"]
    assert filters and all("UUIDs" not in chosen for chosen in filters)
    assert bluez.count("StartDiscovery") == bluez.count("StopDiscovery") == 1


async def test_others_are_not_yielded(bluez: FakeBluez, central: BluezCentral) -> None:
    """Who advertises no 128-bit UUID is passed over; a missing RSSI is None."""
    RemotePeripheral(bluez, BATTERY)
    RemotePeripheral(bluez)
    quiet = RemotePeripheral(bluez, EID_TEXT)
    quiet.rssi = None
    advert = await first_advert(central)
    assert (advert.peer, advert.rssi) == (quiet.address, None)


async def test_scan_windows(
    bluez: FakeBluez,
    central: BluezCentral,
    old: RemotePeripheral,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each window is a fresh scan, so that an advert that does not change is heard again."""
    monkeypatch.setattr(central_module, "SCAN_WINDOW", 0.05)
    async with central.scan() as adverts:
        assert [(await anext(adverts)).peer for _ in range(3)] == [old.address] * 3
    assert bluez.count("StartDiscovery") >= 3


async def test_scan_ends_with_bluetoothd(bluez: FakeBluez, central: BluezCentral) -> None:
    """A bluetoothd that dies ends the scan with an error at once, and the next scan works."""

    async def stop() -> None:
        await bluez.calls.until(lambda: bluez.count("StartDiscovery") == 1)
        await bluez.stop()

    stopping = asyncio.create_task(stop())
    async with asyncio.timeout(5):
        with pytest.raises(BluetoothError) as lost:
            await first_advert(central)
    await stopping
    assert lost.value.reason is BluetoothReason.STACK_LOST
    await bluez.start()
    RemotePeripheral(bluez, EID_TEXT)
    assert (await first_advert(central)).service_uuids == (EID,)


@pytest.mark.parametrize("reason", [BluetoothReason.POWERED_OFF, BluetoothReason.NO_ADAPTER])
async def test_scan_without_an_adapter(
    bluez: FakeBluez, central: BluezCentral, pauses: Pauses, reason: BluetoothReason
) -> None:
    """An adapter that is off, or was pulled out, since is waited for, 10 s, and then named."""
    if reason is BluetoothReason.POWERED_OFF:
        bluez.change(bluez.path, ADAPTER, Powered=Variant("b", False))
    else:
        bluez.remove(bluez.path)
    with pytest.raises(BluetoothError) as away:
        await first_advert(central)
    assert away.value.reason is reason
    assert sum(pauses.entries) == 10.0


async def test_scan_waits_for_bluetoothd(bluez: FakeBluez, old: RemotePeripheral) -> None:
    """A scan that begins while bluetoothd restarts goes on when it is back."""

    class Restart(Pauses):
        async def sleep(self, seconds: float) -> None:
            if not self.entries:
                await bluez.start()
                await bluez.stop()  # an end that is told while the scan is still to start
                await central._watch.settle()
                await bluez.start()
            await super().sleep(seconds)

    pauses = Restart()
    central = BluezCentral(clockwork=pauses.clockwork())
    await central.open()
    await bluez.stop()
    assert (await first_advert(central)).peer == old.address
    assert pauses.entries
    await central.close()


@pytest.mark.parametrize("member", ["StartDiscovery", "StopDiscovery"])
async def test_scan_that_is_never_answered(
    bluez: FakeBluez,
    central: BluezCentral,
    old: RemotePeripheral,
    monkeypatch: pytest.MonkeyPatch,
    member: str,
) -> None:
    """bluetoothd forgets what it had in hand as the adapter was pulled out: the next scan works."""
    monkeypatch.setattr(central_module, "SCAN_TIMEOUT", 0.05)
    bluez.deaf.add(member)
    hearing = asyncio.create_task(first_advert(central))
    await bluez.calls.until(lambda: bluez.count(member) == 1)
    bluez.deaf.clear()
    async with asyncio.timeout(5):
        assert (await hearing).peer == old.address
        assert (await first_advert(central)).peer == old.address


async def test_scan_ends_with_the_bus(
    bus: PrivateBus, bluez: FakeBluez, central: BluezCentral
) -> None:
    """So does the end of the system bus itself, by its own name: it will not come back."""

    async def kill() -> None:
        await bluez.calls.until(lambda: bluez.count("StartDiscovery") == 1)
        await bus.kill()

    killing = asyncio.create_task(kill())
    async with asyncio.timeout(5):
        with pytest.raises(BluetoothError) as lost:
            await first_advert(central)
    await killing
    assert lost.value.reason is BluetoothReason.NO_DBUS
