"""The central's way to a link, through bleak, against a fake org.bluez, and what bars it."""

from __future__ import annotations

import asyncio

import pytest

from bluez.fake_bluez import BluezFault, FakeBluez
from bluez.fake_peers import EID, RemotePeripheral
from bluez.private_bus import PrivateBus
from bluez.witnesses import LinkRecord, Pauses, first_advert
from nearproof.ble.bluez import link as link_module
from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.errors import BluetoothError, BluetoothReason
from nearproof.ble.ports import Advert, Channel, Link

BATTERY = "0000180f-0000-1000-8000-00805f9b34fb"


ABORTED = BluezFault("Failed", "le-connection-abort-by-remote")


async def test_not_our_service(
    bluez: FakeBluez,
    central: BluezCentral,
    old: RemotePeripheral,
    advert: Advert,
    events: LinkRecord,
) -> None:
    """A device without the service is left again, once tried; its loss is not told."""
    old.service = BATTERY
    with pytest.raises(BluetoothError) as refused:
        await central.connect(advert, events)
    assert refused.value.reason is BluetoothReason.NOT_OUR_SERVICE
    await bluez.calls.until(lambda: bluez.count("Disconnect") == 1)
    assert bluez.count("Connect") == 1
    assert events.entries == []


@pytest.mark.parametrize(
    ("outcomes", "connects", "waited"),
    [
        ([BluezFault("InProgress", "In Progress")] * 3, 4, [0.5] * 3),
        (["drop"], 2, []),
    ],
)
async def test_tried_again(
    bluez: FakeBluez,
    central: BluezCentral,
    old: RemotePeripheral,
    advert: Advert,
    events: LinkRecord,
    pauses: Pauses,
    outcomes: list[BluezFault | str],
    connects: int,
    waited: list[float],
) -> None:
    """A busy bluetoothd is asked again after a pause, a race in its discovery once, at once."""
    old.connects.extend(outcomes)
    link = await central.connect(advert, events)
    await link.write(Channel.MESSAGES, b"m1")
    assert bluez.count("Connect") == connects
    assert pauses.entries == waited
    assert events.entries == []


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        (["drop", "drop"], BluetoothReason.CONNECT_FAILED),
        ([ABORTED], BluetoothReason.CONNECT_FAILED),
        ([BluezFault("NotReady", "Resource Not Ready")], BluetoothReason.LINK_LOST),
        (
            [BluezFault("org.freedesktop.DBus.Error.UnknownObject", "gone")],
            BluetoothReason.CONNECT_FAILED,
        ),
    ],
)
async def test_handed_back(
    bluez: FakeBluez,
    central: BluezCentral,
    old: RemotePeripheral,
    advert: Advert,
    events: LinkRecord,
    outcomes: list[BluezFault | str],
    reason: BluetoothReason,
) -> None:
    """Other failures are the caller's, who scans afresh; then the same laptop can be reached."""
    old.connects.extend(outcomes)
    with pytest.raises(BluetoothError) as failed:
        await central.connect(advert, events)
    assert failed.value.reason is reason
    assert bluez.count("Connect") == len(outcomes)
    assert events.entries == []
    await (await central.connect(await first_advert(central), events)).disconnect()


async def test_connect_timeout(
    central: BluezCentral,
    old: RemotePeripheral,
    advert: Advert,
    events: LinkRecord,
    pauses: Pauses,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection that does not come about is given up in time, for a fresh scan."""
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT", 0.1)
    old.connects.append("hang")
    with pytest.raises(BluetoothError) as failed:
        await central.connect(advert, events)
    assert failed.value.reason is BluetoothReason.CONNECT_FAILED
    assert pauses.entries == [0.5]


@pytest.mark.parametrize("paired", [False, True])
async def test_classic_bluetooth_dialled(
    bluez: FakeBluez,
    central: BluezCentral,
    old: RemotePeripheral,
    events: LinkRecord,
    paired: bool,
) -> None:
    """After br-connection-* the device is removed, for a scan to find it as LE; never if paired."""
    old.paired = paired
    old.connects.append(BluezFault("Failed", "br-connection-page-timeout"))
    with pytest.raises(BluetoothError):
        await central.connect(await first_advert(central), events)
    again = await first_advert(central)
    assert bluez.count("RemoveDevice") == (0 if paired else 1)
    await central.connect(again, events)


async def test_cancelled_connection(
    bluez: FakeBluez,
    central: BluezCentral,
    old: RemotePeripheral,
    advert: Advert,
    events: LinkRecord,
) -> None:
    """A connection that is cancelled under way leaves nothing behind."""
    old.connects.append("hang")
    connecting = asyncio.create_task(central.connect(advert, events))
    await bluez.calls.until(lambda: bluez.count("Connect") == 1)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    await central.connect(await first_advert(central), events)


@pytest.mark.parametrize("outcome", ["hang", "mute"])
async def test_bluetoothd_dies_while_connecting(
    bluez: FakeBluez,
    central: BluezCentral,
    old: RemotePeripheral,
    advert: Advert,
    events: LinkRecord,
    outcome: str,
) -> None:
    """The wait for a connection or its services ends with bluetoothd, not with the timeout."""
    old.connects.append(outcome)
    connecting = asyncio.create_task(central.connect(advert, events))
    await bluez.calls.until(lambda: bluez.count("Connect") == 1)
    await bluez.stop()
    async with asyncio.timeout(5):
        with pytest.raises(BluetoothError):
            await connecting
    assert events.entries == []


async def test_foreign_advert(central: BluezCentral, events: LinkRecord) -> None:
    """An advert of another driver is a mistake of the caller."""
    with pytest.raises(TypeError):
        await central.connect(Advert((EID,), None, "somebody"), events)


async def test_end_of_the_bus(
    bus: PrivateBus, central: BluezCentral, link: Link, events: LinkRecord
) -> None:
    """When the system bus itself dies, the link is lost at once and closing still works."""
    await bus.kill()
    await events.has(("lost",))
    with pytest.raises(BluetoothError):
        await link.write(Channel.MESSAGES, b"t1")
    await central.close()
