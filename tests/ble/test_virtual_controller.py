"""A controller on the air does what HCI says, where Bumble's own does not."""

from __future__ import annotations

import asyncio
import random

import pytest
from bumble import hci
from bumble.hci import HCI_ErrorCode as Status

from ble.virtual_hci import (
    INTERVAL,
    SUPERVISION,
    BareHost,
    advertising_parameters,
    create_connection,
    data_packet,
    new_air,
    pair,
)
from nearproof.ble.virtual.connection import DATA_LENGTH, DATA_PACKETS, HostFault
from nearproof.ble.virtual.controller import MAX_CONNECTIONS
from nearproof.ble.virtual.medium import Air, AirSettings

RANDOM = hci.Address("C0:11:22:33:44:55", hci.Address.RANDOM_DEVICE_ADDRESS)


# -- commands -----------------------------------------------------------------


async def test_what_is_claimed_is_served() -> None:
    """Every claimed command has a handler, so that no claim ends in "unknown command"."""
    controller = BareHost(new_air(), 1).controller
    for opcode in controller.supported_commands:
        name = hci.HCI_Command.command_name(opcode).lower()
        assert hasattr(controller, f"on_{name}"), name


@pytest.mark.parametrize(
    "command",
    [
        hci.HCI_LE_Enable_Encryption_Command(
            connection_handle=1,
            random_number=bytes(8),
            encrypted_diversifier=0,
            long_term_key=bytes(16),
        ),
        hci.HCI_Inquiry_Command(lap=0x9E8B33, inquiry_length=1, num_responses=0),
        hci.HCI_LE_Clear_Advertising_Sets_Command(),
    ],
)
async def test_unknown_commands_get_a_status(command: hci.HCI_Command) -> None:
    """A host is never left waiting, whether it expects a status or a completion."""
    assert await BareHost(new_air(), 1).status(command) == Status.UNKNOWN_HCI_COMMAND_ERROR


async def test_features_that_are_not_there_are_not_claimed() -> None:
    """No extended or periodic advertising, no privacy, no encryption."""
    host = BareHost(new_air(), 1)
    result = await host.complete(hci.HCI_LE_Read_Local_Supported_Features_Command())
    features = hci.LeFeatureMask(int.from_bytes(result.le_features, "little"))
    assert not features & (
        hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
        | hci.LeFeatureMask.LL_PRIVACY
        | hci.LeFeatureMask.LE_ENCRYPTION
    )


async def test_reset_forgets() -> None:
    """After a reset nothing is advertised, scanned for or connected."""
    air = new_air()
    central, _, peripheral, _ = await pair(air)
    await central.scan()
    await central.complete(hci.HCI_Reset_Command())
    await peripheral.complete(hci.HCI_Reset_Command())
    for controller in central.controller, peripheral.controller:
        assert not controller.listening
        assert not controller.is_advertising
        assert not controller.le_connections
        assert controller.random_address == hci.Address.ANY_RANDOM


async def test_the_other_end_of_a_reset_times_out() -> None:
    """A reset says no goodbye: the link dies of its supervision timeout."""
    central, handle, peripheral, _ = await pair(new_air())
    await peripheral.complete(hci.HCI_Reset_Command())
    event = await central.expect(hci.HCI_Disconnection_Complete_Event)
    assert (event.connection_handle, event.reason) == (handle, Status.CONNECTION_TIMEOUT_ERROR)


# -- advertising and scanning -------------------------------------------------


async def test_advertising_interval_is_in_625_microseconds() -> None:
    """160 units are 100 ms; after a reset it is the specification's 1.28 s."""

    class Stopwatch(Air):
        asked: asyncio.Queue[float]

        def advert_delay(self, interval: float) -> float:
            self.asked.put_nowait(interval)
            return super().advert_delay(interval)

    air = Stopwatch(AirSettings(), random.Random(1))
    air.asked = asyncio.Queue()
    host = BareHost(air, 1)
    await host.advertise(interval=160)
    assert await air.asked.get() == pytest.approx(0.1)
    await host.complete(hci.HCI_Reset_Command())
    await host.complete(hci.HCI_LE_Set_Advertising_Enable_Command(advertising_enable=1))
    assert await air.asked.get() == pytest.approx(1.28)
    host.controller.silence()


def test_advert_delay() -> None:
    """Up to 10 ms are added at random; the air's own interval comes before the host's."""
    delays = [new_air().advert_delay(0.1) for _ in range(50)]
    assert all(0.1 <= delay <= 0.11 for delay in delays)
    assert 0.02 <= new_air(advert_interval=20).advert_delay(0.1) <= 0.03


async def test_parameters_stand_while_advertising() -> None:
    """They cannot be changed under way (7.8.5)."""
    host = BareHost(new_air(), 1)
    await host.advertise()
    result = await host.complete(advertising_parameters(0x20))
    assert result.status == Status.COMMAND_DISALLOWED_ERROR
    host.controller.silence()


async def test_control_commands_are_bounded() -> None:
    """A host that asks for more control packets than a jammed link takes is at fault."""
    air = new_air()
    central, handle, _, _ = await pair(air, supervision=3200)
    air.settings = AirSettings(loss=1)
    with pytest.raises(HostFault):
        for _ in range(1000):
            central.send(hci.HCI_LE_Read_Remote_Features_Command(connection_handle=handle))
    for channel in list(air.channels):
        channel.close()


@pytest.mark.parametrize("interval", [0, 0x1F, 0x4001])
async def test_illegal_advertising_interval(interval: int) -> None:
    """An interval outside 20 ms to 10.24 s is refused, above all 0."""
    result = await BareHost(new_air(), 1).complete(advertising_parameters(interval))
    assert result.status == Status.INVALID_COMMAND_PARAMETERS_ERROR


async def test_a_passive_scan_reports_adverts_alone() -> None:
    """With the air's RSSI and the advertiser's address; no scan response."""
    air = new_air(rssi=-71)
    advertiser, scanner = BareHost(air, 1), BareHost(air, 2)
    await scanner.scan()
    await advertiser.advertise(b"\x02\x01\x06", b"\x02\x0a\x00")
    reports = await scanner.reports(2)
    assert [report.data for report in reports] == [b"\x02\x01\x06"] * 2
    assert {report.rssi for report in reports} == {-71}
    assert {report.address for report in reports} == {advertiser.controller.public_address}
    advertiser.controller.silence()


async def test_an_active_scan_reports_the_scan_response_too() -> None:
    """The scan response is the advertiser's, not its advert again."""
    air = new_air()
    advertiser, scanner = BareHost(air, 1), BareHost(air, 2)
    await scanner.scan(active=True)
    await advertiser.advertise(b"\x02\x01\x06", b"\x02\x0a\x00")
    kinds = hci.HCI_LE_Advertising_Report_Event.EventType
    reports = await scanner.reports(2)
    assert [(report.event_type, report.data) for report in reports] == [
        (kinds.ADV_IND, b"\x02\x01\x06"),
        (kinds.SCAN_RSP, b"\x02\x0a\x00"),
    ]
    advertiser.controller.silence()


# -- connecting -----------------------------------------------------------------


@pytest.mark.parametrize("own", [0, 1])
@pytest.mark.parametrize("advertised", [0, 1])
async def test_any_mix_of_address_types_connects(own: int, advertised: int) -> None:
    """Public and random addresses on either side; both are told the other's and the same times."""
    air = new_air()
    central, peripheral = BareHost(air, 1), BareHost(air, 2)
    for host in central, peripheral:
        await host.set_random_address(hci.Address.generate_static_address())
    await peripheral.advertise(own=advertised)

    def address(host: BareHost, kind: int) -> hci.Address:
        controller = host.controller
        return controller.random_address if kind else controller.public_address

    assert await central.status(create_connection(address(peripheral, advertised), own)) == 0
    ours, theirs = await central.connected(), await peripheral.connected()
    assert (ours.role, ours.peer_address) == (0, address(peripheral, advertised))
    assert (theirs.role, theirs.peer_address) == (1, address(central, own))
    for event in ours, theirs:
        assert event.connection_interval == INTERVAL
        assert event.supervision_timeout == SUPERVISION
    central.send(data_packet(ours.connection_handle, b"\x01\x00\x04\x00x"))
    assert (await peripheral.expect(hci.HCI_AclDataPacket)).data == b"\x01\x00\x04\x00x"


async def test_a_cancelled_connection_is_reported_and_does_not_happen() -> None:
    """Cancelling completes the command, then the connection with status 0x02."""
    air = new_air()
    central, peripheral = BareHost(air, 1), BareHost(air, 2)
    assert await central.status(create_connection(peripheral.controller.public_address)) == 0
    result = await central.complete(hci.HCI_LE_Create_Connection_Cancel_Command())
    assert result.status == Status.SUCCESS
    event = await central.expect(hci.HCI_LE_Connection_Complete_Event)
    assert event.status == Status.UNKNOWN_CONNECTION_IDENTIFIER_ERROR
    await central.scan()
    await peripheral.advertise()
    await central.reports(2)
    assert not central.controller.le_connections
    peripheral.controller.silence()


async def test_cancelling_nothing() -> None:
    """Without a pending connection there is nothing to cancel."""
    result = await BareHost(new_air(), 1).complete(hci.HCI_LE_Create_Connection_Cancel_Command())
    assert result.status == Status.COMMAND_DISALLOWED_ERROR


async def test_one_pending_connection() -> None:
    """A second connection cannot be created while the first is pending."""
    host = BareHost(new_air(), 1)
    assert await host.status(create_connection(RANDOM)) == Status.SUCCESS
    assert await host.status(create_connection(RANDOM)) == Status.COMMAND_DISALLOWED_ERROR


@pytest.mark.parametrize(
    ("interval", "supervision"), [(0, 100), (5, 100), (3201, 3200), (80, 20), (8, 9)]
)
async def test_illegal_connection_parameters(interval: int, supervision: int) -> None:
    """Out of range, or a supervision timeout below two intervals."""
    command = create_connection(RANDOM, interval=interval, supervision=supervision)
    status = await BareHost(new_air(), 1).status(command)
    assert status == Status.INVALID_COMMAND_PARAMETERS_ERROR


async def test_connecting_reaches_the_advertiser_that_was_heard() -> None:
    """Of two radios under one address exactly one is connected, and it alone hears us."""
    air = new_air()
    central, *twins = (BareHost(air, number) for number in (1, 2, 3))
    for twin in twins:
        await twin.set_random_address(RANDOM)
        await twin.advertise(own=1)
    assert await central.status(create_connection(RANDOM)) == 0
    handle = (await central.connected()).connection_handle
    (chosen,) = (twin for twin in twins if twin.controller.le_connections)
    central.send(data_packet(handle, b"\x01\x00\x04\x00x"))
    assert (await chosen.expect(hci.HCI_AclDataPacket)).data.endswith(b"x")
    assert not chosen.controller.is_advertising
    for twin in twins:
        twin.controller.silence()


async def test_a_second_connection_to_the_same_peer_is_refused() -> None:
    """Links are told apart by their addresses."""
    central, _, peripheral, _ = await pair(new_air())
    status = await central.status(create_connection(peripheral.controller.public_address))
    assert status == Status.CONNECTION_ALREADY_EXISTS_ERROR


async def test_a_full_controller_neither_advertises_nor_connects() -> None:
    """The number of connections is limited, and said so."""
    air = new_air()
    hub = BareHost(air, 0)
    for number in range(1, 1 + MAX_CONNECTIONS):
        await hub.advertise()
        await BareHost(air, number).status(create_connection(hub.controller.public_address))
        await hub.connected()
    result = await hub.complete(hci.HCI_LE_Set_Advertising_Enable_Command(advertising_enable=1))
    assert result.status == Status.CONNECTION_LIMIT_EXCEEDED_ERROR
    assert await hub.status(create_connection(RANDOM)) == Status.CONNECTION_LIMIT_EXCEEDED_ERROR


# -- connected --------------------------------------------------------------------


async def test_disconnecting_tells_each_side_its_own_reason() -> None:
    """The remote host hears the reason given, the local one "by local host"."""
    central, handle, peripheral, other = await pair(new_air())
    reason = Status.REMOTE_USER_TERMINATED_CONNECTION_ERROR
    command = hci.HCI_Disconnect_Command(connection_handle=handle, reason=reason)
    assert await central.status(command) == Status.SUCCESS
    ours = await central.expect(hci.HCI_Disconnection_Complete_Event)
    theirs = await peripheral.expect(hci.HCI_Disconnection_Complete_Event)
    assert (ours.connection_handle, ours.reason) == (
        handle,
        Status.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR,
    )
    assert (theirs.connection_handle, theirs.reason) == (other, reason)
    assert await central.status(command) == Status.UNKNOWN_CONNECTION_IDENTIFIER_ERROR


async def test_commands_on_no_connection() -> None:
    """Each is refused by its status."""
    host = BareHost(new_air(), 1)
    for command in (
        hci.HCI_Disconnect_Command(connection_handle=1, reason=0x13),
        connection_update(1, 16),
        hci.HCI_LE_Read_Remote_Features_Command(connection_handle=1),
    ):
        assert await host.status(command) in (
            Status.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            Status.INVALID_COMMAND_PARAMETERS_ERROR,
        )
    host.send(data_packet(1, b"to nobody"))


async def test_after_disconnecting_nothing_is_sent() -> None:
    """A link that is being ended takes no further data and is not ended twice."""
    central, handle, peripheral, _ = await pair(new_air())
    command = hci.HCI_Disconnect_Command(connection_handle=handle, reason=0x13)
    assert await central.status(command) == Status.SUCCESS
    assert await central.status(command) == Status.COMMAND_DISALLOWED_ERROR
    central.send(data_packet(handle, b"too late"))
    await peripheral.expect(hci.HCI_Disconnection_Complete_Event)
    assert peripheral.received.empty()


async def test_data_queued_before_a_disconnect_arrives() -> None:
    """The termination waits its turn behind the data."""
    central, handle, peripheral, _ = await pair(new_air())
    for number in range(20):
        central.send(data_packet(handle, bytes([number])))
    await central.status(hci.HCI_Disconnect_Command(connection_handle=handle, reason=0x13))
    for number in range(20):
        assert (await peripheral.expect(hci.HCI_AclDataPacket)).data == bytes([number])
    await peripheral.expect(hci.HCI_Disconnection_Complete_Event)


async def test_data_is_completed_when_it_is_across() -> None:
    """Flow control follows the connection events; fragments keep their boundaries."""
    central, handle, peripheral, _ = await pair(new_air())
    central.send(data_packet(handle, b"first"))
    central.send(data_packet(handle, b"rest", first=False))
    assert central.received.empty()
    for data, boundary in (b"first", 2), (b"rest", 1):
        packet = await peripheral.expect(hci.HCI_AclDataPacket)
        assert (packet.data, packet.pb_flag) == (data, boundary)
        await central.expect(hci.HCI_Number_Of_Completed_Packets_Event)


async def test_a_host_that_ignores_flow_control_is_at_fault() -> None:
    """More packets than buffers, or longer ones than buffers, come from no honest host."""
    central, handle, _, _ = await pair(new_air())
    with pytest.raises(HostFault):
        central.send(data_packet(handle, bytes(DATA_LENGTH + 1)))
    for _ in range(DATA_PACKETS):
        central.send(data_packet(handle, b"x"))
    with pytest.raises(HostFault):
        central.send(data_packet(handle, b"x"))


@pytest.mark.parametrize("loss", [0.2, 0.6])
async def test_lost_packets_are_sent_again_in_order(loss: float) -> None:
    """Below the supervision timeout a host sees no loss, only time."""
    air = new_air(connection_interval=1)
    central, handle, peripheral, _ = await pair(air, supervision=3200)
    air.settings = AirSettings(connection_interval=1, loss=loss)
    for number in range(DATA_PACKETS):
        central.send(data_packet(handle, bytes([number])))
    for number in range(DATA_PACKETS):
        assert (await peripheral.expect(hci.HCI_AclDataPacket)).data == bytes([number])


async def test_a_jammed_link_dies_for_both() -> None:
    """Also one that was idle: it dies of its supervision timeout."""
    air = new_air()
    central, _, peripheral, _ = await pair(air)
    air.settings = AirSettings(loss=1)
    for host in central, peripheral:
        event = await host.expect(hci.HCI_Disconnection_Complete_Event)
        assert event.reason == Status.CONNECTION_TIMEOUT_ERROR
    assert not air.channels


async def test_answers_wait_for_the_next_connection_event() -> None:
    """What arrives in one connection event is answered in a later one."""
    central, handle, peripheral, other = await pair(
        new_air(),
        interval=40,
        supervision=100,  # 50 ms, 1 s
    )
    clock = asyncio.get_running_loop()
    central.send(data_packet(handle, b"question"))
    await peripheral.expect(hci.HCI_AclDataPacket)
    asked = clock.time()
    peripheral.send(data_packet(other, b"answer"))
    await central.expect(hci.HCI_AclDataPacket)
    assert clock.time() - asked > 0.02


async def test_read_rssi() -> None:
    """In a connection it is the air's; without one the handle is unknown."""
    central, handle, _, _ = await pair(new_air(rssi=-66))
    result = await central.complete(hci.HCI_Read_RSSI_Command(handle=handle))
    assert (result.status, result.rssi) == (Status.SUCCESS, -66)
    result = await central.complete(hci.HCI_Read_RSSI_Command(handle=handle + 1))
    assert result.status == Status.UNKNOWN_CONNECTION_IDENTIFIER_ERROR


async def test_remote_features() -> None:
    """Either side learns the other's features over the air."""
    central, handle, peripheral, other = await pair(new_air())
    for host, own in (central, handle), (peripheral, other):
        command = hci.HCI_LE_Read_Remote_Features_Command(connection_handle=own)
        assert await host.status(command) == Status.SUCCESS
        assert host.received.empty()  # control packets, too, wait for connection events
        event = await host.expect(hci.HCI_LE_Read_Remote_Features_Complete_Event)
        expected = host.controller.le_features.value.to_bytes(8, "little")
        assert bytes(event.le_features) == expected


def connection_update(handle: int, interval: int) -> hci.HCI_LE_Connection_Update_Command:
    return hci.HCI_LE_Connection_Update_Command(
        connection_handle=handle,
        connection_interval_min=interval,
        connection_interval_max=interval,
        max_latency=0,
        supervision_timeout=200,
        min_ce_length=0,
        max_ce_length=0,
    )


async def test_connection_update() -> None:
    """The central changes the times for both, within the legal range; the peripheral may not."""
    central, handle, peripheral, other = await pair(new_air())
    assert await central.status(connection_update(handle, 16)) == Status.SUCCESS
    for host in central, peripheral:
        event = await host.expect(hci.HCI_LE_Connection_Update_Complete_Event)
        assert (event.connection_interval, event.supervision_timeout) == (16, 200)
    refused = await central.status(connection_update(handle, 0))
    assert refused == Status.INVALID_COMMAND_PARAMETERS_ERROR
    refused = await peripheral.status(connection_update(other, 16))
    assert refused == Status.COMMAND_DISALLOWED_ERROR
