"""The central's links, through bleak, against a fake org.bluez: traffic and loss."""

from __future__ import annotations

import asyncio

import pytest
from dbus_fast import Variant

from bluez.fake_bluez import DEVICE, BluezFault, FakeBluez
from bluez.fake_peers import EID_TEXT, RemotePeripheral
from bluez.witnesses import LinkRecord, first_advert
from nearproof.ble.bluez import central as central_module
from nearproof.ble.bluez import link as link_module
from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.ports import Advert, Channel, Link
from nearproof.ble.uuids import MESSAGES, ROUNDS


async def test_messages_both_ways(old: RemotePeripheral, link: Link, events: LinkRecord) -> None:
    """Writes and notifications arrive on their channel; the MTU is the link's own."""
    assert link.mtu == 247
    await link.subscribe(Channel.MESSAGES)
    await link.subscribe(Channel.ROUNDS)
    await link.write(Channel.MESSAGES, b"m1")
    await link.write(Channel.ROUNDS, b"answer")
    assert old.written.entries == [(MESSAGES, b"m1"), (ROUNDS, b"answer")]
    old.notify(MESSAGES, b"m2")
    await events.has(("notified", Channel.MESSAGES, b"m2"))
    old.notify(ROUNDS, b"round")
    await events.has(("notified", Channel.ROUNDS, b"round"))


async def test_mtu_fits_an_attribute_value(
    central: BluezCentral, old: RemotePeripheral, advert: Advert, events: LinkRecord
) -> None:
    """With the largest MTU, 517, a value still has at most the 512 bytes of an attribute."""
    old.mtu = 517
    link = await central.connect(advert, events)
    assert link.mtu == 517
    with pytest.raises(ValueError, match="MTU"):
        await link.write(Channel.MESSAGES, bytes(513))


async def test_no_descriptor_is_acquired(bluez: FakeBluez, link: Link) -> None:
    """AcquireNotify would kill bluetoothd before 5.86 at a lost link or a killed process."""
    await link.subscribe(Channel.MESSAGES)
    assert bluez.count("StartNotify") == 1
    assert bluez.count("AcquireNotify") == 0


async def test_refused_subscription(bluez: FakeBluez, link: Link) -> None:
    """A peer that refuses to notify is none of ours."""

    def judge(member: str) -> None:
        if member == "StartNotify":
            raise BluezFault("Failed", "Operation failed with ATT error: 0x0e")

    bluez.judge_call = judge
    with pytest.raises(BluetoothError) as refused:
        await link.subscribe(Channel.MESSAGES)
    assert refused.value.reason is BluetoothReason.NOT_OUR_SERVICE


async def test_unsubscribe(old: RemotePeripheral, link: Link, events: LinkRecord) -> None:
    """After unsubscribing from one channel the other goes on."""
    await link.subscribe(Channel.MESSAGES)
    await link.subscribe(Channel.ROUNDS)
    await link.unsubscribe(Channel.ROUNDS)
    old.notify(MESSAGES, b"t2")
    await events.has(("notified", Channel.MESSAGES, b"t2"))
    assert len(events.entries) == 1


async def test_peer_that_never_answers_a_subscription(
    bluez: FakeBluez, old: RemotePeripheral, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for it ends long before the 30 s of the attribute protocol."""
    monkeypatch.setattr(link_module, "SUBSCRIBE_TIMEOUT", 0.05)
    old.slow_subscription = asyncio.Event()
    with pytest.raises(BluetoothError) as lost:
        await link.subscribe(Channel.MESSAGES)
    assert lost.value.reason is BluetoothReason.LINK_LOST


@pytest.mark.parametrize("code", [0x80, 0x81, 0x82, 0x9F])
async def test_refused_write(
    old: RemotePeripheral, link: Link, events: LinkRecord, code: int
) -> None:
    """The peer's ATT error is raised with its code, and the link goes on."""
    old.answers.append(BluezFault("Failed", f"Operation failed with ATT error: 0x{code:02x}"))
    with pytest.raises(AttError) as refused:
        await link.write(Channel.MESSAGES, b"frame")
    assert refused.value.code == code
    await link.write(Channel.MESSAGES, b"again")
    assert events.entries == []


async def test_link_lost(old: RemotePeripheral, link: Link, events: LinkRecord) -> None:
    """A lost link is told once; whatever is asked of it then fails as lost."""
    await link.subscribe(Channel.MESSAGES)
    old.drop()
    await events.has(("lost",))
    for operation in (
        link.write(Channel.MESSAGES, b"t1"),
        link.subscribe(Channel.ROUNDS),
        link.unsubscribe(Channel.MESSAGES),
    ):
        with pytest.raises(BluetoothError) as lost:
            await operation
        assert lost.value.reason is BluetoothReason.LINK_LOST
    await link.disconnect()
    assert events.entries == [("lost",)]


async def test_link_lost_during_a_write(
    old: RemotePeripheral, link: Link, events: LinkRecord
) -> None:
    """A write in hand ends with the link, whether or not BlueZ answers it."""
    old.answers.append("hang")
    writing = asyncio.create_task(link.write(Channel.MESSAGES, b"t1"))
    await old.written.has((MESSAGES, b"t1"))
    old.drop()
    with pytest.raises(BluetoothError) as lost:
        await writing
    assert lost.value.reason is BluetoothReason.LINK_LOST


@pytest.mark.parametrize("name", ["org.freedesktop.DBus.Error.UnknownObject", "NotReady"])
async def test_write_to_a_stack_that_changed(
    old: RemotePeripheral, link: Link, events: LinkRecord, name: str
) -> None:
    """What the write finds gone or switched off is its link; scanning finds out how long."""
    old.answers.append(BluezFault(name, "gone"))
    with pytest.raises(BluetoothError) as lost:
        await link.write(Channel.MESSAGES, b"t1")
    assert lost.value.reason is BluetoothReason.LINK_LOST
    assert events.entries == [("lost",)]


async def test_write_without_answer_ends_the_link(
    bluez: FakeBluez, old: RemotePeripheral, link: Link, events: LinkRecord
) -> None:
    """BlueZ's "Operation failed" without a code is a link going down, told before its signal."""
    old.answers.append(BluezFault("Failed", "Operation failed"))
    with pytest.raises(BluetoothError) as lost:
        await link.write(Channel.MESSAGES, b"t1")
    assert lost.value.reason is BluetoothReason.LINK_LOST
    assert events.entries == [("lost",)]
    await bluez.calls.until(lambda: bluez.count("Disconnect") == 1)


async def test_link_lost_with_bluetoothd(
    bluez: FakeBluez, old: RemotePeripheral, link: Link, events: LinkRecord
) -> None:
    """bleak does not notice that bluetoothd died; the link does, with a write in hand."""
    old.answers.append("hang")
    writing = asyncio.create_task(link.write(Channel.MESSAGES, b"t1"))
    await old.written.has((MESSAGES, b"t1"))
    await bluez.stop()
    with pytest.raises(BluetoothError) as lost:
        await writing
    assert lost.value.reason in {BluetoothReason.LINK_LOST, BluetoothReason.STACK_LOST}
    assert events.entries == [("lost",)]


async def test_reconnect_after_restart(
    bluez: FakeBluez, central: BluezCentral, old: RemotePeripheral, link: Link, events: LinkRecord
) -> None:
    """After a restart of bluetoothd the same laptop is found and connected again."""
    await bluez.stop()
    await events.has(("lost",))
    await bluez.start()
    again = LinkRecord()
    second = await central.connect(await first_advert(central), again)
    await second.write(Channel.MESSAGES, b"m1")
    assert old.written.entries == [(MESSAGES, b"m1")]


async def test_link_lost_with_the_device(bluez: FakeBluez, link: Link, events: LinkRecord) -> None:
    """A device that is removed while connected has lost its link."""
    bluez.remove(bluez.path)
    await events.has(("lost",))


async def test_other_devices_come_and_go(bluez: FakeBluez, link: Link, events: LinkRecord) -> None:
    """The removal of another device, which BlueZ does all the time, is no loss of this link."""
    other = RemotePeripheral(bluez, EID_TEXT)
    other.advertise()
    bluez.remove(other.path)
    await link.write(Channel.MESSAGES, b"t1")
    assert events.entries == []


async def test_disconnect_is_quick(
    bluez: FakeBluez, central: BluezCentral, old: RemotePeripheral, link: Link, events: LinkRecord
) -> None:
    """Disconnecting returns before bluetoothd is done, but a new connection waits for that."""
    bluez.change(old.path, DEVICE, Paired=Variant("b", True))  # so that it is not forgotten
    old.slow_disconnect = asyncio.Event()
    await link.disconnect()
    assert events.entries == [("lost",)]
    await link.disconnect()
    connecting = asyncio.create_task(central.connect(await first_advert(central), LinkRecord()))
    await bluez.calls.until(lambda: bluez.count("Disconnect") == 1)
    # Without the wait bleak would at once take the dying connection for the new one.
    assert not (await asyncio.wait({connecting}, timeout=0.2))[0]
    old.slow_disconnect.set()
    second = await connecting
    assert bluez.count("Connect") == 2
    await second.write(Channel.MESSAGES, b"m1")


async def test_reconnect_after_a_disconnect_that_is_never_answered(
    bluez: FakeBluez,
    central: BluezCentral,
    old: RemotePeripheral,
    link: Link,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The adapter is pulled out while bluetoothd disconnects, and plugged in again."""
    monkeypatch.setattr(link_module, "PARTING", 0.05)
    adapter = dict(bluez.objects[bluez.path])
    bluez.deaf.add("Disconnect")
    await link.disconnect()
    await bluez.calls.until(lambda: bluez.count("Disconnect") == 1)
    bluez.remove(bluez.path)
    bluez.deaf.clear()
    bluez.add(bluez.path, adapter)
    async with asyncio.timeout(10):
        second = await central.connect(await first_advert(central), LinkRecord())
    await second.write(Channel.MESSAGES, b"m1")


async def test_connect_that_is_never_answered(
    bluez: FakeBluez,
    central: BluezCentral,
    advert: Advert,
    old: RemotePeripheral,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor may a connection be waited for without end, bleak's own clean-up after it included."""
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT", 0.05)
    monkeypatch.setattr(link_module, "PARTING", 0.05)
    bluez.deaf |= {"Connect", "Disconnect"}
    async with asyncio.timeout(10):
        with pytest.raises(BluetoothError) as failed:
            await central.connect(advert, LinkRecord())
    assert failed.value.reason is BluetoothReason.CONNECT_FAILED


async def test_close_gives_up_on_a_hanging_disconnect(
    central: BluezCentral, old: RemotePeripheral, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing waits for bluetoothd's 2 s, but not for ever."""
    monkeypatch.setattr(central_module, "CLOSING_TIME", 0.05)
    old.slow_disconnect = asyncio.Event()
    await central.close()
    await central.close()
