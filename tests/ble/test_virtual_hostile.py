"""Hostile peers, built on plain Bumble: the ports stay up, in bounded memory, for the honest."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bumble import att, hci, smp
from bumble.core import UUID
from bumble.device import Connection, Device
from bumble.gatt import (
    GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR,
    Characteristic,
    Service,
)
from bumble.transport import open_transport

from ble.virtual_helpers import EID, NewEvents, Pair, find, laptops
from nearproof.ble import uuids
from nearproof.ble.errors import BluetoothError, BluetoothReason
from nearproof.ble.ports import Channel
from nearproof.ble.virtual import central as central_module
from nearproof.ble.virtual.adverts import advert_data


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Two honest laptops on a fast air."""
    async with laptops() as pair:
        yield pair


@contextlib.asynccontextmanager
async def attacker(pair: Pair) -> AsyncIterator[Device]:
    """A third radio on the air: a Bumble device with none of our care."""
    transport = await open_transport(pair.address.replace("air:", "tcp-client:"))
    try:
        address = hci.Address.generate_static_address()
        device = Device.with_hci("x", address, transport.source, transport.sink)
        await device.power_on()
        yield device
        for connection in list(device.connections.values()):
            await connection.disconnect()
    finally:
        await transport.close()
        await asyncio.wait({transport.source.terminated})


async def intrude(device: Device, pair: Pair) -> tuple[Connection, str]:
    """Connect to OLD; returns the link and OLD's name of it."""
    advert = await find(pair.central)
    assert isinstance(advert.handle, hci.Address)
    pair.old.forget("connected")
    connection = await device.connect_le(advert.handle)
    _, name = await pair.old.expect("connected")
    return connection, str(name)


async def still_works(pair: Pair) -> None:
    """The honest pair connects and exchanges messages on both channels."""
    link, central = await pair.subscribed()
    for channel in Channel:
        await link.write(channel, b"honest")
        await pair.old.expect("written", central, channel, b"honest")
    await pair.peripheral.notify(central, Channel.MESSAGES, b"answer")
    await pair.new.expect("notified", Channel.MESSAGES, b"answer")


# -- against OLD ----------------------------------------------------------------------


async def test_silence(pair: Pair) -> None:
    """Who connects and says nothing learns nothing, and does not keep others out."""
    async with attacker(pair) as device:
        connection, _ = await intrude(device, pair)
        heard: list[object] = []
        device.l2cap_channel_manager.register_fixed_channel(
            att.ATT_CID, lambda handle, pdu: heard.append(pdu)
        )
        await still_works(pair)
        assert heard == []
        assert connection.handle in device.connections


async def test_garbage_on_every_handle(pair: Pair) -> None:
    """Nothing but the two values can be written, and those only by request."""
    async with attacker(pair) as device:
        connection, name = await intrude(device, pair)
        client = connection.gatt_client
        accepted = []
        for handle in range(1, 0x30):
            await client.write_value(handle, b"by command", with_response=False)
            try:
                await client.write_value(handle, b"\x00\x00", with_response=True)
                accepted.append(handle)
            except att.ATT_Error:
                pass
            with pytest.raises(att.ATT_Error):
                await client.write_long_value(handle, bytes(100))
        values = [event[3] for event in pair.old.seen if event[0] == "written"]
        assert values == [b"\x00\x00"] * 2
        assert len(accepted) == 4  # two values and their two descriptors
        await still_works(pair)
        assert pair.old.count("disconnected", name) == 0


async def test_nothing_of_ours_is_readable(pair: Pair) -> None:
    """The values cannot be read, one at a time or several at once."""
    async with attacker(pair) as device:
        connection, _ = await intrude(device, pair)
        client = connection.gatt_client
        (service,) = await client.discover_service(uuids.SERVICE)
        for value in await client.discover_characteristics([], service):
            with pytest.raises(att.ATT_Error) as caught:
                await client.read_value(value)
            assert caught.value.error_code == att.ErrorCode.READ_NOT_PERMITTED
            request = att.ATT_Read_Multiple_Request(set_of_handles=[value.handle, value.handle])
            answer = await client.send_request(request)
            assert answer.error_code == att.ErrorCode.REQUEST_NOT_SUPPORTED


@pytest.mark.parametrize("seed", range(4))
async def test_garbage_below_att(pair: Pair, seed: int) -> None:
    """Random bytes on every kind of channel are dropped."""
    rng = random.Random(seed)
    async with attacker(pair) as device:
        connection, _ = await intrude(device, pair)
        for _ in range(200):
            cid = rng.choice([att.ATT_CID, 1, 5, smp.SMP_CID, 0x40, rng.randrange(0x10000)])
            connection.send_l2cap_pdu(cid, rng.randbytes(rng.randrange(40)))
        await still_works(pair)


async def test_pairing_is_not_answered(pair: Pair) -> None:
    """No prompt, no key, no answer."""
    async with attacker(pair) as device:
        connection, name = await intrude(device, pair)
        heard: list[object] = []
        device.smp_manager.on_smp_pdu = lambda *pdu: heard.append(pdu)  # type: ignore[method-assign]
        connection.send_l2cap_pdu(smp.SMP_CID, bytes.fromhex("01030009100707"))
        # An answered request behind it shows that the pairing request has been seen.
        await connection.gatt_client.request_mtu(100)
        assert heard == []
        assert pair.peripheral.mtu(name) == 100


async def test_a_flood_of_requests(pair: Pair) -> None:
    """Thousands of writes at once are served in turn, beside the honest."""
    async with attacker(pair) as device:
        connection, name = await intrude(device, pair)
        (service,) = await connection.gatt_client.discover_service(uuids.SERVICE)
        value, _ = await connection.gatt_client.discover_characteristics([], service)
        request = att.ATT_Write_Request(attribute_handle=value.handle, attribute_value=b"flood")
        for _ in range(3000):
            connection.send_l2cap_pdu(att.ATT_CID, bytes(request))
        await still_works(pair)
        await pair.old.expect("written", name)


async def test_who_asks_without_listening_is_put_off(pair: Pair) -> None:
    """A peer that lets OLD's answers pile up loses its link before they are many."""
    async with attacker(pair) as device:
        (stalled,) = (radio for radio in pair.air.controllers if radio.is_advertising)
        connection, name = await intrude(device, pair)
        forward = stalled.send_hci_packet

        def never_completed(packet: hci.HCI_Packet) -> None:
            """OLD's packets stay on their way, as if the peer acknowledged none."""
            if not isinstance(packet, hci.HCI_Number_Of_Completed_Packets_Event):
                forward(packet)

        stalled.send_hci_packet = never_completed  # type: ignore[method-assign]
        request = att.ATT_Write_Request(attribute_handle=1, attribute_value=b"flood")
        for _ in range(1000):
            connection.send_l2cap_pdu(att.ATT_CID, bytes(request))
        await pair.old.expect("disconnected", name)
        stalled.send_hci_packet = forward  # type: ignore[method-assign]
        await still_works(pair)


# -- against NEW ----------------------------------------------------------------------


async def lure(device: Device, eid: bytes = EID) -> None:
    """Advertise an EID, ours or another."""
    await device.start_advertising(
        advertising_data=advert_data(eid),
        advertising_interval_min=20,
        advertising_interval_max=20,
    )


def pxp_lookalike() -> Service:
    """A service that looks like ours."""
    return Service(
        UUID(uuids.SERVICE),
        [
            Characteristic(
                UUID(uuid),
                Characteristic.Properties.WRITE | Characteristic.Properties.NOTIFY,
                Characteristic.WRITEABLE,
                b"",
            )
            for uuid in (uuids.MESSAGES, uuids.ROUNDS)
        ],
    )


async def test_a_cloned_advert_without_the_service(pair: Pair) -> None:
    """It is found out, and the next candidate works."""
    await pair.peripheral.stop_advertising()
    async with attacker(pair) as device:
        await lure(device)
        with pytest.raises(BluetoothError) as caught:
            await pair.central.connect(await find(pair.central), pair.new)
        assert caught.value.reason is BluetoothReason.NOT_OUR_SERVICE
        assert pair.new.seen == []
        await device.stop_advertising()
        await pair.peripheral.advertise(EID)
        await still_works(pair)


async def test_half_a_service(pair: Pair) -> None:
    """A service without both characteristics is not ours."""
    await pair.peripheral.stop_advertising()
    async with attacker(pair) as device:
        service = pxp_lookalike()
        del service.characteristics[1]
        device.add_service(service)
        await lure(device)
        with pytest.raises(BluetoothError) as caught:
            await pair.central.connect(await find(pair.central), pair.new)
        assert caught.value.reason is BluetoothReason.NOT_OUR_SERVICE


async def test_a_service_that_cannot_notify(pair: Pair) -> None:
    """Notifications offered without the descriptor to switch them on are no notifications."""
    await pair.peripheral.stop_advertising()
    async with attacker(pair) as device:
        device.add_service(pxp_lookalike())
        switch = GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR
        attributes = device.gatt_server.attributes
        device.gatt_server.attributes = [one for one in attributes if one.type != switch]
        await lure(device)
        link = await pair.central.connect(await find(pair.central), pair.new)
        with pytest.raises(BluetoothError) as caught:
            await link.subscribe(Channel.MESSAGES)
        assert caught.value.reason is BluetoothReason.NOT_OUR_SERVICE


async def test_an_impossible_mtu(pair: Pair) -> None:
    """A server's MTU below 23 would leave no room for a frame: not ours."""
    await pair.peripheral.stop_advertising()
    async with attacker(pair) as device:
        device.gatt_server.max_mtu = 5
        device.add_service(pxp_lookalike())
        await lure(device)
        with pytest.raises(BluetoothError) as caught:
            await pair.central.connect(await find(pair.central), pair.new)
        assert caught.value.reason is BluetoothReason.NOT_OUR_SERVICE


async def test_a_peer_that_refuses_to_talk_about_the_mtu(pair: Pair) -> None:
    """Without an MTU exchange the link keeps the 23 it began with."""
    await pair.peripheral.stop_advertising()
    async with attacker(pair) as device:
        server: Any = device.gatt_server
        server.on_att_exchange_mtu_request = server.on_att_request  # "not supported"
        device.add_service(pxp_lookalike())
        await lure(device)
        link = await pair.central.connect(await find(pair.central), pair.new)
        assert link.mtu == 23


async def test_a_peer_that_does_not_answer(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Discovery ends after its time instead of Bumble's 30 s a request."""
    monkeypatch.setattr(central_module, "_DISCOVER_SECONDS", 0.3)
    await pair.peripheral.stop_advertising()
    async with attacker(pair) as device:
        device.l2cap_channel_manager.register_fixed_channel(att.ATT_CID, lambda *_: None)
        await lure(device)
        with pytest.raises(BluetoothError):
            await pair.central.connect(await find(pair.central), pair.new)
        await device.stop_advertising()
        await pair.peripheral.advertise(EID)
        await still_works(pair)


async def test_a_peer_that_hangs_up_during_discovery(pair: Pair) -> None:
    """It is a lost link, told to the caller and not as an event."""
    await pair.peripheral.stop_advertising()
    async with attacker(pair) as device:
        device.l2cap_channel_manager.register_fixed_channel(
            att.ATT_CID,
            lambda handle, _: asyncio.ensure_future(device.connections[handle].disconnect()),
        )
        await lure(device)
        with pytest.raises(BluetoothError) as caught:
            await pair.central.connect(await find(pair.central), pair.new)
        assert caught.value.reason is BluetoothReason.LINK_LOST
        assert pair.new.seen == []


async def test_a_flood_of_notifications(pair: Pair) -> None:
    """Notifications and indications, wanted or not, are taken in turn and nowhere piled up."""
    await pair.peripheral.stop_advertising()
    async with attacker(pair) as device:
        device.add_service(pxp_lookalike())
        await lure(device)
        link = await pair.central.connect(await find(pair.central), pair.new)
        await link.subscribe(Channel.MESSAGES)
        (victim,) = device.connections.values()
        for handle in range(1, 1500):
            for pdu in (
                att.ATT_Handle_Value_Notification(attribute_handle=handle, attribute_value=b"x"),
                att.ATT_Handle_Value_Indication(attribute_handle=handle, attribute_value=b"x"),
            ):
                victim.send_l2cap_pdu(att.ATT_CID, bytes(pdu))
        await link.write(Channel.MESSAGES, b"through the flood")
        assert pair.new.count("notified") <= 1
        assert len(link.connection.gatt_client.cached_values) == 0


async def test_requests_to_new(pair: Pair) -> None:
    """NEW's own attributes cannot be written by the peripheral it connects to."""
    await pair.peripheral.stop_advertising()
    async with attacker(pair) as device:
        device.add_service(pxp_lookalike())
        await lure(device)
        await pair.central.connect(await find(pair.central), pair.new)
        (victim,) = device.connections.values()
        for handle in range(1, 16):
            with pytest.raises(att.ATT_Error):
                await victim.gatt_client.write_value(handle, b"x", with_response=True)


async def test_a_crowd_of_foreign_adverts(pair: Pair) -> None:
    """Strangers' adverts, with and without UUIDs, hide ours from nobody."""
    async with contextlib.AsyncExitStack() as crowd:
        for number in range(20):
            device = await crowd.enter_async_context(attacker(pair))
            if number % 2:
                await lure(device, bytes([number]) * 16)
            else:
                data = random.Random(number).randbytes(31)
                await device.start_advertising(advertising_data=data)
        async with pair.central.scan() as adverts:
            missing = {EID, *(bytes([number]) * 16 for number in range(1, 20, 2))}
            while missing:
                missing.difference_update((await anext(adverts)).service_uuids)
        await still_works(pair)


async def test_adverts_nobody_takes_are_dropped(pair: Pair) -> None:
    """One radio under ever new addresses leaves nothing behind in NEW."""
    async with attacker(pair) as device, pair.central.scan() as adverts:
        for number in range(100):
            await device.send_sync_command(
                hci.HCI_LE_Set_Random_Address_Command(
                    random_address=hci.Address.generate_static_address()
                )
            )
            await lure(device, bytes([number]) * 16)
        radio = pair.central._radio
        assert radio is not None and radio.device.advertisement_accumulators == {}
        await device.stop_advertising()
        async with asyncio.timeout(10):
            while EID not in (await anext(adverts)).service_uuids:
                pass


async def test_a_clone_with_our_address(pair: Pair) -> None:
    """A radio under OLD's address and EID is a candidate like any other: OLD is unharmed."""
    advert = await find(pair.central)
    assert isinstance(advert.handle, hci.Address)
    async with attacker(pair) as device:
        await device.send_sync_command(
            hci.HCI_LE_Set_Random_Address_Command(random_address=advert.handle)
        )
        device.add_service(pxp_lookalike())
        await lure(device)
        for _ in range(4):
            link = await pair.central.connect(await find(pair.central), NewEvents())
            await link.disconnect()
        await device.stop_advertising()
    await still_works(pair)
