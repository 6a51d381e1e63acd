"""The peripheral against a fake org.bluez: what it registers, tells, refuses and rebuilds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dbus_fast import Variant

from bluez.fake_bluez import ADAPTER, CHARACTERISTIC, BluezFault, FakeBluez
from bluez.fake_peers import EID, EID_TEXT, RemoteCentral
from bluez.private_bus import PrivateBus
from bluez.witnesses import PeripheralRecord
from nearproof.ble.bluez.peripheral import BluezPeripheral
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.ports import Channel
from nearproof.ble.uuids import MESSAGES, ROUNDS, SERVICE


async def test_registers_one_service(bluez: FakeBluez, peripheral: BluezPeripheral) -> None:
    """One primary service, two characteristics, each write (with response) and notify alone."""
    assert bluez.application is not None
    objects = bluez.application.objects.values()
    (service,) = [o["org.bluez.GattService1"] for o in objects if "org.bluez.GattService1" in o]
    assert service["UUID"].value == SERVICE
    assert service["Primary"].value is True
    flags = {
        o[CHARACTERISTIC]["UUID"].value: o[CHARACTERISTIC]["Flags"].value
        for o in objects
        if CHARACTERISTIC in o
    }
    assert flags == {MESSAGES: ["write", "notify"], ROUNDS: ["write", "notify"]}
    assert bluez.adverts == {}


async def test_advert_contents(bluez: FakeBluez, peripheral: BluezPeripheral) -> None:
    """The advert holds the EID, byte 0 first, flags and a fast interval; no name, no power."""
    await peripheral.advertise(EID)
    (advert,) = bluez.adverts.values()
    assert advert == {
        "owner": advert["owner"],
        "Type": "peripheral",
        "ServiceUUIDs": [EID_TEXT],
        "Discoverable": True,
        "MinInterval": 100,
        "MaxInterval": 100,
    }


async def test_advert_falls_back(bluez: FakeBluez, peripheral: BluezPeripheral) -> None:
    """A kernel that refuses the full advert gets one with nothing but the UUID."""

    def judge(properties: dict[str, Any]) -> None:
        if "MinInterval" in properties:
            raise BluezFault("Failed", "Failed to register advertisement")

    bluez.judge_advert = judge
    await peripheral.advertise(EID)
    (advert,) = bluez.adverts.values()
    assert advert.keys() == {"Type", "ServiceUUIDs", "owner"}


async def test_advert_refused(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """Where no advert is taken, the error says so and names the versions to report."""

    def judge(properties: dict[str, Any]) -> None:
        raise BluezFault("NotPermitted", "Maximum advertisements reached")

    bluez.judge_advert = judge
    with pytest.raises(BluetoothError) as refused:
        await peripheral.advertise(EID)
    assert refused.value.reason is BluetoothReason.ADVERT_REFUSED
    assert "Maximum advertisements reached" in refused.value.detail
    assert "kernel" in refused.value.detail
    # It is the caller's to try again: nothing goes on behind its back.
    central = RemoteCentral(bluez)
    central.connect()
    await told.has(("connected", central.path))
    central.disconnect()
    await told.has(("disconnected", central.path))
    await peripheral.stop_advertising()
    assert bluez.count("RegisterAdvertisement") == 2
    assert bluez.adverts == {}


async def test_one_advert_at_a_time(bluez: FakeBluez, peripheral: BluezPeripheral) -> None:
    """Another EID replaces the first; stopping takes it down and may be repeated."""
    await peripheral.advertise(EID)
    await peripheral.advertise(EID[::-1])
    (advert,) = bluez.adverts.values()
    assert advert["ServiceUUIDs"] == [str(UUID(bytes=EID[::-1]))]
    await peripheral.stop_advertising()
    await peripheral.stop_advertising()
    assert bluez.adverts == {}


async def test_write(bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord) -> None:
    """A write arrives with who, where and what; the MTU of its link is known from then on."""
    central = RemoteCentral(bluez)
    central.connect()
    await told.has(("connected", central.path))
    assert peripheral.mtu(central.path) == 23
    assert await central.write(MESSAGES, b"frame") is None
    assert await central.write(ROUNDS, b"answer") is None
    assert told.entries == [
        ("connected", central.path),
        ("written", central.path, Channel.MESSAGES, b"frame"),
        ("written", central.path, Channel.ROUNDS, b"answer"),
    ]
    assert peripheral.mtu(central.path) == 247


async def test_mtu_fits_an_attribute_value(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """With the largest MTU, 517, a value still has at most the 512 bytes of an attribute."""
    central = RemoteCentral(bluez)
    central.mtu = 517
    await central.write(MESSAGES, b"frame")
    assert peripheral.mtu(central.path) == 517
    await peripheral.notify(central.path, Channel.MESSAGES, bytes(512))
    with pytest.raises(ValueError, match="MTU"):
        await peripheral.notify(central.path, Channel.MESSAGES, bytes(513))
    assert bluez.notified.entries == [(MESSAGES, bytes(512))]


@pytest.mark.parametrize(
    ("raised", "answer"),
    [
        (AttError(0x81), ("org.bluez.Error.Failed", "0x81")),
        (AttError(0x9F), ("org.bluez.Error.Failed", "0x9f")),
        (AttError(0x0E), ("org.bluez.Error.Failed", "0x80")),  # BlueZ passes 0x80-0x9f only
    ],
)
async def test_att_error(
    bluez: FakeBluez,
    peripheral: BluezPeripheral,
    told: PeripheralRecord,
    raised: AttError,
    answer: tuple[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The application's refusal becomes the D-Bus error that BlueZ turns into an ATT error.

    Nothing is logged: a hostile peer could do this all day.
    """
    told.refuse = raised
    assert await RemoteCentral(bluez).write(MESSAGES, b"frame") == answer
    assert caplog.text == ""


async def test_broken_application(
    bluez: FakeBluez,
    peripheral: BluezPeripheral,
    told: PeripheralRecord,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug in the application is reported here and does not send its traceback over the bus."""
    told.refuse = RuntimeError("a canary")
    answer = await RemoteCentral(bluez).write(MESSAGES, b"frame")
    assert answer == ("org.bluez.Error.Failed", "0x80")
    assert "a write could not be handled" in caplog.text


async def test_no_long_writes(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """The later part of a long write is refused and not taken for a frame."""
    answer = await RemoteCentral(bluez).write(MESSAGES, b"part", offset=Variant("q", 20))
    assert answer is not None and answer[0] == "org.bluez.Error.InvalidOffset"
    assert told.entries == []


@pytest.mark.parametrize("member", ["ReadValue", "Nonsense"])
async def test_other_methods(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord, member: str
) -> None:
    """Nothing but writing and subscribing is offered."""
    application = bluez.application
    assert application is not None
    path = application.path_of(MESSAGES)
    reply = await bluez.call(application.owner, path, CHARACTERISTIC, member, "a{sv}", {})
    assert reply.error_name == "org.bluez.Error.NotSupported"
    assert told.entries == []


async def test_subscribed(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """Each subscription is told with its channel; BlueZ does not say whose it is."""
    central = RemoteCentral(bluez)
    await central.subscribe(MESSAGES)
    await central.subscribe(ROUNDS)
    await central.unsubscribe(ROUNDS)
    assert told.entries == [
        ("subscribed", None, Channel.MESSAGES),
        ("subscribed", None, Channel.ROUNDS),
    ]


async def test_notify(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """When notify returns, BlueZ has the value; equal values in a row are all sent."""
    central = RemoteCentral(bluez)
    await central.write(MESSAGES, b"m1")
    for _ in range(2):
        await peripheral.notify(central.path, Channel.MESSAGES, b"same")
    await peripheral.notify(central.path, Channel.ROUNDS, b"round")
    assert bluez.notified.entries == [(MESSAGES, b"same"), (MESSAGES, b"same"), (ROUNDS, b"round")]


async def test_notify_refuses(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """More than MTU - 3 bytes would be cut silently; a central that is gone gets nothing."""
    central = RemoteCentral(bluez)
    await central.write(MESSAGES, b"m1")
    with pytest.raises(ValueError, match="MTU"):
        await peripheral.notify(central.path, Channel.MESSAGES, bytes(245))
    with pytest.raises(BluetoothError) as gone:
        await peripheral.notify("/org/bluez/hci0/dev_other", Channel.MESSAGES, b"m2")
    assert gone.value.reason is BluetoothReason.LINK_LOST
    assert bluez.notified.entries == []


async def test_connection_of_a_known_device(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """A device known before connects by a change of its property alone."""
    central = RemoteCentral(bluez)
    central.appear(connected=False)
    central.connect()
    await told.has(("connected", central.path))
    assert told.entries == [("connected", central.path)]


async def test_removed_device_is_disconnected(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """A device that vanishes from the tree has lost its link, told once."""
    central = RemoteCentral(bluez)
    central.connect()
    await told.has(("connected", central.path))
    central.disconnect()
    bluez.remove(central.path)
    other = RemoteCentral(bluez)
    other.connect()
    await told.has(("connected", other.path))
    bluez.remove(other.path)
    await told.has(("disconnected", other.path))
    assert told.entries.count(("disconnected", central.path)) == 1


async def test_paired_devices_are_left_alone(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """The user's mouse that wakes up is no central; a paired laptop is one once it writes."""
    laptop = RemoteCentral(bluez, paired=True)
    laptop.connect()
    assert await laptop.write(MESSAGES, b"m1") is None
    assert told.entries == [
        ("connected", laptop.path),
        ("written", laptop.path, Channel.MESSAGES, b"m1"),
    ]


async def test_devices_paired_before(bluez: FakeBluez, told: PeripheralRecord) -> None:
    """Devices that were paired before the session began are known as such."""
    mouse = RemoteCentral(bluez, paired=True)
    mouse.appear(connected=False)
    peripheral = BluezPeripheral()
    await peripheral.open(told)
    mouse.connect()
    stranger = RemoteCentral(bluez)
    stranger.connect()
    await told.has(("connected", stranger.path))
    assert told.entries == [("connected", stranger.path)]
    await peripheral.close()


async def test_disconnect(
    bluez: FakeBluez, peripheral: BluezPeripheral, told: PeripheralRecord
) -> None:
    """A link is ended on request; for one that is gone nothing happens."""
    central = RemoteCentral(bluez)
    central.connect()
    await told.has(("connected", central.path))
    await peripheral.disconnect(central.path)
    await told.has(("disconnected", central.path))
    await peripheral.disconnect(central.path)
    assert bluez.count("Disconnect") == 1


@pytest.mark.parametrize("before", [True, False])
async def test_discoverable_is_put_back(
    bus: PrivateBus, told: PeripheralRecord, before: bool
) -> None:
    """Not discoverable during the session, as before afterwards; the name is never touched."""
    bluez = FakeBluez(discoverable=before)
    await bluez.start()
    peripheral = BluezPeripheral()
    await peripheral.open(told)
    await peripheral.advertise(EID)
    assert bluez.setting("Discoverable") is False
    await peripheral.close()
    assert bluez.setting("Discoverable") is before
    assert {body[1] for member, body in bluez.calls.entries if member == "Set"} <= {"Discoverable"}
    await bluez.stop()


KILLED = """
import asyncio
from bluez.quiet import BluezPeripheral
from bluez.witnesses import PeripheralRecord

async def main():
    await BluezPeripheral().open(PeripheralRecord())
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_discoverable_is_put_back_after_a_kill(bus: PrivateBus) -> None:
    """kill -9 leaves nobody to do it in the process; what watches over it does."""
    bluez = FakeBluez(discoverable=True)
    await bluez.start()
    tests = str(Path(__file__).parents[1])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": tests},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    assert bluez.setting("Discoverable") is False
    os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()
    await bluez.calls.until(lambda: bool(bluez.setting("Discoverable")))
    await bluez.stop()


async def test_close(bluez: FakeBluez, told: PeripheralRecord) -> None:
    """Closing ends links, advert and application, and may be repeated."""
    peripheral = BluezPeripheral()
    await peripheral.open(told)
    await peripheral.advertise(EID)
    central = RemoteCentral(bluez)
    central.connect()
    await told.has(("connected", central.path))
    await peripheral.close()
    await peripheral.close()
    await bluez.calls.until(lambda: bluez.application is None and not bluez.adverts)
    assert bluez.count("Disconnect") == 1
    with pytest.raises(BluetoothError):
        await peripheral.advertise(EID)


async def test_open_fails_cleanly(bluez: FakeBluez, told: PeripheralRecord) -> None:
    """What was taken before the failure is given back, and the next attempt works."""

    def judge(member: str) -> None:
        if member == "RegisterApplication":
            raise BluezFault("Failed", "no")

    bluez.change(bluez.path, ADAPTER, Discoverable=Variant("b", True))
    bluez.judge_call = judge
    peripheral = BluezPeripheral()
    with pytest.raises(BluetoothError):
        await peripheral.open(told)
    assert bluez.setting("Discoverable") is True
    bluez.judge_call = lambda member: None
    await peripheral.open(told)
    await peripheral.close()


async def test_opened_twice(peripheral: BluezPeripheral, told: PeripheralRecord) -> None:
    """One driver object holds one session."""
    with pytest.raises(BluetoothError) as busy:
        await peripheral.open(told)
    assert busy.value.reason is BluetoothReason.SESSION_BUSY
