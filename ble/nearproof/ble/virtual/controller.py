"""A Bluetooth LE controller on the air, as its host sees it through HCI.

Bumble's emulated controller with its faults corrected: each override says which.  What it
does not claim it does not serve: extended and periodic advertising, privacy, encryption,
isochronous channels and classic Bluetooth are "unknown HCI command".
"""

from __future__ import annotations

import asyncio
from typing import Final

from bumble import hci, ll
from bumble.controller import Controller, LegacyAdvertiser
from bumble.hci import HCI_ErrorCode as Status

from nearproof.ble.virtual.connection import DATA_LENGTH, DATA_PACKETS, AirConnection, HostFault
from nearproof.ble.virtual.medium import ADVERT_UNIT, AdvertPdu, Air, Channel, DataPdu, Pdu

MAX_CONNECTIONS: Final = 8

# What is served; Bumble has a right answer for those not overridden here.
_COMMANDS: Final = frozenset(
    {
        hci.HCI_DISCONNECT_COMMAND,
        hci.HCI_SET_EVENT_MASK_COMMAND,
        hci.HCI_SET_EVENT_MASK_PAGE_2_COMMAND,
        hci.HCI_RESET_COMMAND,
        hci.HCI_READ_LOCAL_VERSION_INFORMATION_COMMAND,
        hci.HCI_READ_LOCAL_SUPPORTED_COMMANDS_COMMAND,
        hci.HCI_READ_LOCAL_SUPPORTED_FEATURES_COMMAND,
        hci.HCI_READ_LOCAL_EXTENDED_FEATURES_COMMAND,
        hci.HCI_READ_BUFFER_SIZE_COMMAND,
        hci.HCI_READ_BD_ADDR_COMMAND,
        hci.HCI_READ_LE_HOST_SUPPORT_COMMAND,
        hci.HCI_WRITE_LE_HOST_SUPPORT_COMMAND,
        hci.HCI_READ_RSSI_COMMAND,
        hci.HCI_LE_SET_EVENT_MASK_COMMAND,
        hci.HCI_LE_READ_BUFFER_SIZE_COMMAND,
        hci.HCI_LE_READ_LOCAL_SUPPORTED_FEATURES_COMMAND,
        hci.HCI_LE_SET_RANDOM_ADDRESS_COMMAND,
        hci.HCI_LE_SET_ADVERTISING_PARAMETERS_COMMAND,
        hci.HCI_LE_READ_ADVERTISING_PHYSICAL_CHANNEL_TX_POWER_COMMAND,
        hci.HCI_LE_SET_ADVERTISING_DATA_COMMAND,
        hci.HCI_LE_SET_SCAN_RESPONSE_DATA_COMMAND,
        hci.HCI_LE_SET_ADVERTISING_ENABLE_COMMAND,
        hci.HCI_LE_SET_SCAN_PARAMETERS_COMMAND,
        hci.HCI_LE_SET_SCAN_ENABLE_COMMAND,
        hci.HCI_LE_CREATE_CONNECTION_COMMAND,
        hci.HCI_LE_CREATE_CONNECTION_CANCEL_COMMAND,
        hci.HCI_LE_READ_FILTER_ACCEPT_LIST_SIZE_COMMAND,
        hci.HCI_LE_CLEAR_FILTER_ACCEPT_LIST_COMMAND,
        hci.HCI_LE_ADD_DEVICE_TO_FILTER_ACCEPT_LIST_COMMAND,
        hci.HCI_LE_REMOVE_DEVICE_FROM_FILTER_ACCEPT_LIST_COMMAND,
        hci.HCI_LE_CONNECTION_UPDATE_COMMAND,
        hci.HCI_LE_READ_REMOTE_FEATURES_COMMAND,
        hci.HCI_LE_RAND_COMMAND,
        hci.HCI_LE_READ_SUPPORTED_STATES_COMMAND,
        hci.HCI_LE_READ_SUGGESTED_DEFAULT_DATA_LENGTH_COMMAND,
        hci.HCI_LE_WRITE_SUGGESTED_DEFAULT_DATA_LENGTH_COMMAND,
        hci.HCI_LE_READ_MAXIMUM_DATA_LENGTH_COMMAND,
    }
)


class AirAdvertiser(LegacyAdvertiser):
    """The legacy advertiser of one controller."""

    def __init__(self, radio: AirController) -> None:
        # The interval without any parameters (7.8.5); stock Bumble's would be 0.
        super().__init__(radio, advertising_interval_min=0x0800, advertising_interval_max=0x0800)
        self.radio = radio

    def _on_timer_fired(self) -> None:
        """Advertise and come back.  Stock Bumble takes HCI's 0.625 ms units for milliseconds."""
        self.send_advertising_data()
        interval = self.radio.air.advert_delay(self.advertising_interval_min * ADVERT_UNIT)
        self.timer_handle = asyncio.get_running_loop().call_later(interval, self._on_timer_fired)

    def send_advertising_data(self) -> None:
        """Send one ADV_IND with its scan response, which stock Bumble drops."""
        connectable = hci.HCI_LE_Set_Advertising_Parameters_Command.AdvertisingType.ADV_IND
        if self.enabled and self.advertising_type == connectable:
            self.radio.air.broadcast(
                AdvertPdu(self.radio, self.address, self.advertising_data, self.scan_response_data)
            )


class AirController(Controller):
    """One radio: created for a host, removed from the air when the host goes."""

    supported_commands = _COMMANDS  # type: ignore[assignment]  # never changed
    # Stock Bumble claims privacy, other PHYs and extended and periodic advertising as well,
    # and a host then uses what is not there or only half there.
    le_features = (
        hci.LeFeatureMask.EXTENDED_REJECT_INDICATION
        | hci.LeFeatureMask.PERIPHERAL_INITIATED_FEATURE_EXCHANGE
        | hci.LeFeatureMask.LE_DATA_PACKET_LENGTH_EXTENSION
        | hci.LeFeatureMask.CHANNEL_SELECTION_ALGORITHM_2
    )
    le_acl_data_packet_length = acl_data_packet_length = DATA_LENGTH
    total_num_le_acl_data_packets = total_num_acl_data_packets = DATA_PACKETS
    supported_max_tx_octets = supported_max_rx_octets = DATA_LENGTH
    pending_le_connection: hci.HCI_LE_Create_Connection_Command | None

    def __init__(self, name: str, air: Air, public_address: hci.Address) -> None:
        super().__init__(name, link=air, public_address=public_address)
        self.air = air
        self.le_legacy_advertiser = AirAdvertiser(self)

    @property
    def listening(self) -> bool:
        """Whether adverts matter to this controller now."""
        return self.le_scan_enable or self.pending_le_connection is not None

    # -- commands -----------------------------------------------------------

    def on_hci_command_packet(self, command: hci.HCI_Command) -> None:
        """Serve what is claimed and refuse the rest.

        Stock Bumble serves more than it claims, and leaves an unknown command that wants a
        Command Status without any answer: the host then waits for ever.
        """
        if command.op_code in self.supported_commands:
            super().on_hci_command_packet(command)
        else:
            self._send_hci_command_status(Status.UNKNOWN_HCI_COMMAND_ERROR, command.op_code)

    def on_hci_reset_command(
        self, _command: hci.HCI_Reset_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Forget everything (Vol 4 Part E 7.3.2); stock Bumble forgets nothing.

        Links end without a word, so their other ends notice at the supervision timeout.
        """
        self.silence()
        self.le_scan_type = 0
        self.random_address = hci.Address.ANY_RANDOM
        self.le_legacy_advertiser = AirAdvertiser(self)
        return hci.HCI_StatusReturnParameters(Status.SUCCESS)

    def silence(self) -> None:
        """Stop all radio activity at once, as a reset or an unplugged dongle does."""
        self.le_legacy_advertiser.stop()
        self.le_scan_enable = False
        self.pending_le_connection = None
        for connection in self._air_connections():
            connection.channel.vanish(connection)
        self.le_connections.clear()

    def on_hci_read_rssi_command(
        self, command: hci.HCI_Read_RSSI_Command
    ) -> hci.HCI_Read_RSSI_ReturnParameters:
        """Read the RSSI (7.5.4), which stock Bumble claims but does not serve."""
        known = self.find_le_connection_by_handle(command.handle) is not None
        return hci.HCI_Read_RSSI_ReturnParameters(
            status=Status.SUCCESS if known else Status.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            handle=command.handle,
            rssi=self.air.settings.rssi if known else 127,
        )

    # -- advertising and scanning -------------------------------------------

    def on_hci_le_set_advertising_parameters_command(
        self, command: hci.HCI_LE_Set_Advertising_Parameters_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Check what stock Bumble takes on trust: an interval of 0 would advertise non-stop."""
        if self.le_legacy_advertiser.enabled:
            return hci.HCI_StatusReturnParameters(Status.COMMAND_DISALLOWED_ERROR)
        shortest, longest = command.advertising_interval_min, command.advertising_interval_max
        if not 0x20 <= shortest <= longest <= 0x4000:
            return hci.HCI_StatusReturnParameters(Status.INVALID_COMMAND_PARAMETERS_ERROR)
        return super().on_hci_le_set_advertising_parameters_command(command)

    def on_hci_le_set_advertising_enable_command(
        self, command: hci.HCI_LE_Set_Advertising_Enable_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Refuse to advertise when no further connection would fit."""
        if command.advertising_enable and len(self.le_connections) >= MAX_CONNECTIONS:
            return hci.HCI_StatusReturnParameters(Status.CONNECTION_LIMIT_EXCEEDED_ERROR)
        return super().on_hci_le_set_advertising_enable_command(command)

    def hear(self, pdu: AdvertPdu) -> None:
        """An advert arrives: report it, and connect if it is the one waited for.

        Stock Bumble reports -50 dBm always, and the advert itself as scan response, asked
        for or not.
        """
        kinds = hci.HCI_LE_Advertising_Report_Event.EventType
        if self.le_scan_enable:
            self._report(kinds.ADV_IND, pdu.address, pdu.data)
            if self.le_scan_type == hci.HCI_LE_Set_Scan_Parameters_Command.ACTIVE_SCANNING:
                self._report(kinds.SCAN_RSP, pdu.address, pdu.scan_response)
        wanted = self.pending_le_connection
        if wanted is not None and wanted.peer_address == pdu.address and not self.air.lost():
            self._connect(pdu, wanted)

    def _report(
        self,
        kind: hci.HCI_LE_Advertising_Report_Event.EventType,
        address: hci.Address,
        data: bytes,
    ) -> None:
        report = hci.HCI_LE_Advertising_Report_Event.Report(
            event_type=kind,
            address_type=address.address_type,
            address=address,
            data=data,
            rssi=self.air.settings.rssi,
        )
        self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))

    # -- connecting -----------------------------------------------------------

    def on_hci_le_create_connection_command(
        self, command: hci.HCI_LE_Create_Connection_Command
    ) -> None:
        """Start connecting (7.8.12), with the checks that stock Bumble leaves out."""
        status = Status(hci.HCI_COMMAND_STATUS_PENDING)
        if self.pending_le_connection is not None:
            status = Status.COMMAND_DISALLOWED_ERROR
        elif len(self.le_connections) >= MAX_CONNECTIONS:
            status = Status.CONNECTION_LIMIT_EXCEEDED_ERROR
        elif command.peer_address in self.le_connections:
            status = Status.CONNECTION_ALREADY_EXISTS_ERROR
        elif not _sane(
            command.connection_interval_min,
            command.connection_interval_max,
            command.supervision_timeout,
        ):
            status = Status.INVALID_COMMAND_PARAMETERS_ERROR
        else:
            self.pending_le_connection = command
        self._send_hci_command_status(status, command.op_code)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Cancel (7.8.13); stock Bumble says so and connects all the same."""
        cancelled, self.pending_le_connection = self.pending_le_connection, None
        if cancelled is None:
            return hci.HCI_StatusReturnParameters(Status.COMMAND_DISALLOWED_ERROR)
        asyncio.get_running_loop().call_soon(  # the command completes first
            self.send_hci_packet,
            hci.HCI_LE_Connection_Complete_Event(
                status=Status.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=cancelled.peer_address.address_type,
                peer_address=cancelled.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            ),
        )
        return hci.HCI_StatusReturnParameters(Status.SUCCESS)

    def _connect(self, pdu: AdvertPdu, wanted: hci.HCI_LE_Create_Connection_Command) -> None:
        """Answer an advert with CONNECT_IND.

        It reaches the advertiser that was heard; stock Bumble connects everybody who uses
        that address, and tells the peripheral a made-up interval and supervision timeout.
        """
        public = wanted.own_address_type == hci.OwnAddressType.PUBLIC
        own = self.public_address if public else self.random_address
        if not pdu.advertiser.accepts(pdu.address, own):
            return
        self.pending_le_connection = None
        channel = Channel(self.air, wanted.connection_interval_max, wanted.supervision_timeout)
        central = AirConnection(self, hci.Role.CENTRAL, own, pdu.address, channel)
        peripheral = AirConnection(pdu.advertiser, hci.Role.PERIPHERAL, pdu.address, own, channel)
        central.other, peripheral.other = peripheral, central
        channel.join(central, peripheral)
        pdu.advertiser.le_legacy_advertiser.stop()
        for end in central, peripheral:
            end.radio.le_connections[end.peer_address] = end
            end.radio.announce(end)

    def accepts(self, address: hci.Address, initiator: hci.Address) -> bool:
        """Whether a CONNECT_IND from `initiator` to this address makes a connection here."""
        advertiser = self.le_legacy_advertiser
        return (
            advertiser.enabled
            and advertiser.address == address
            and initiator not in self.le_connections
        )

    def announce(self, end: AirConnection) -> None:
        """Tell the host of a new connection."""
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=Status.SUCCESS,
                connection_handle=end.handle,
                role=end.role,
                peer_address_type=end.peer_address.address_type,
                peer_address=end.peer_address,
                connection_interval=end.channel.interval,
                peripheral_latency=0,
                supervision_timeout=end.channel.supervision,
                central_clock_accuracy=0,
            )
        )

    # -- connected ------------------------------------------------------------

    def on_hci_disconnect_command(self, command: hci.HCI_Disconnect_Command) -> None:
        """Disconnect (7.1.6) at a connection event, after the data already queued.

        Stock Bumble tells the local host the reason meant for the remote one.
        """
        end = self._air_connection(command.connection_handle)
        if end is None:
            status = Status.UNKNOWN_CONNECTION_IDENTIFIER_ERROR
        elif end.leaving:
            status = Status.COMMAND_DISALLOWED_ERROR
        else:
            status = Status(hci.HCI_COMMAND_STATUS_PENDING)
            end.leaving = True
            end.send_ll_control_pdu(ll.TerminateInd(command.reason))
        self._send_hci_command_status(status, command.op_code)

    def receive(self, end: AirConnection, pdu: Pdu) -> None:
        """A packet arrives on this end."""
        match pdu:
            case DataPdu(first, data):
                boundary = hci.HCI_ACL_PB_FIRST_FLUSHABLE if first else hci.HCI_ACL_PB_CONTINUATION
                self.send_hci_packet(
                    hci.HCI_AclDataPacket(end.handle, boundary, 0, len(data), data)
                )
            case ll.TerminateInd(reason):
                end.channel.close()
                end.ended(reason)
                end.other.ended(Status.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR)
            case ll.ConnectionUpdateInd(interval, _, timeout):
                end.channel.retime(interval, timeout)
                for side in end, end.other:
                    side.radio.announce_update(side)
            case _:
                self.on_ll_control_pdu(end.peer_address, pdu)

    def on_hci_le_connection_update_command(
        self, command: hci.HCI_LE_Connection_Update_Command
    ) -> None:
        """Change interval and timeout (7.8.18) at a connection event, within the legal range."""
        end = self._air_connection(command.connection_handle)
        status = Status(hci.HCI_COMMAND_STATUS_PENDING)
        if end is None:
            status = Status.UNKNOWN_CONNECTION_IDENTIFIER_ERROR
        elif end.role != hci.Role.CENTRAL:
            status = Status.COMMAND_DISALLOWED_ERROR
        elif not _sane(
            command.connection_interval_min,
            command.connection_interval_max,
            command.supervision_timeout,
        ):
            status = Status.INVALID_COMMAND_PARAMETERS_ERROR
        else:
            self._check_control(end)
            end.send_ll_control_pdu(
                ll.ConnectionUpdateInd(
                    command.connection_interval_max, 0, command.supervision_timeout
                )
            )
        self._send_hci_command_status(status, command.op_code)

    def on_hci_le_read_remote_features_command(
        self, command: hci.HCI_LE_Read_Remote_Features_Command
    ) -> None:
        """Ask the other end for its features (7.8.21), within the bounds of its queue."""
        if (end := self._air_connection(command.connection_handle)) is not None:
            self._check_control(end)
        super().on_hci_le_read_remote_features_command(command)

    def _check_control(self, end: AirConnection) -> None:
        if end.channel.waiting(end) >= 2 * DATA_PACKETS:
            raise HostFault("more commands than the link can carry out")

    def announce_update(self, end: AirConnection) -> None:
        """Tell the host that a connection's parameters have changed."""
        self.send_hci_packet(
            hci.HCI_LE_Connection_Update_Complete_Event(
                status=Status.SUCCESS,
                connection_handle=end.handle,
                connection_interval=end.channel.interval,
                peripheral_latency=0,
                supervision_timeout=end.channel.supervision,
            )
        )

    def _air_connection(self, handle: int) -> AirConnection | None:
        return next((end for end in self._air_connections() if end.handle == handle), None)

    def _air_connections(self) -> list[AirConnection]:
        ends = self.le_connections.values()
        return [end for end in ends if isinstance(end, AirConnection)]


def _sane(interval_min: int, interval_max: int, supervision: int) -> bool:
    """Connection parameters in range (7.8.12): 7.5 ms to 4 s, and a timeout that allows two."""
    return (
        6 <= interval_min <= interval_max <= 3200
        and 10 <= supervision <= 3200
        and supervision * 10 > 2 * interval_max * 1.25
    )
