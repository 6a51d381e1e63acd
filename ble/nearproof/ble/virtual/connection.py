"""One end of a connection on the air."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bumble import hci, ll
from bumble.controller import Connection
from bumble.core import PhysicalTransport

from nearproof.ble.virtual.medium import Channel, DataPdu, Pdu

if TYPE_CHECKING:
    from nearproof.ble.virtual.controller import AirController

DATA_LENGTH: Final = 251  # bytes; the longest LE data packet, Core Spec Vol 6 Part B 2.4
DATA_PACKETS: Final = 32  # a host may have this many on their way


class HostFault(Exception):
    """The host broke HCI's rules in a way that no honest host does."""


class AirConnection(Connection):
    """One end of a connection.  Knows its other end, where stock Bumble looks up addresses."""

    other: AirConnection

    def __init__(
        self,
        radio: AirController,
        role: hci.Role,
        own: hci.Address,
        peer: hci.Address,
        channel: Channel,
    ) -> None:
        super().__init__(
            controller=radio,
            handle=radio.allocate_connection_handle(),
            role=role,
            self_address=own,
            peer_address=peer,
            link=radio.air,
            transport=PhysicalTransport.LE,
            link_type=hci.HCI_Connection_Complete_Event.LinkType.ACL,
        )
        self.radio = radio
        self.channel = channel
        self.leaving = False

    def on_hci_acl_data_packet(self, packet: hci.HCI_AclDataPacket) -> None:
        """Queue data from the host.

        Stock Bumble reports it as sent at once, which takes flow control away.
        """
        if self.leaving:
            return
        if self.channel.waiting(self) >= DATA_PACKETS:
            raise HostFault("more data packets than the controller has buffers")
        if len(packet.data) > DATA_LENGTH:
            raise HostFault("data packet longer than the controller's buffers")
        self.channel.send(self, DataPdu(packet.pb_flag != hci.HCI_ACL_PB_CONTINUATION, packet.data))

    def send_ll_control_pdu(self, packet: ll.ControlPdu) -> None:
        """Queue a control packet: sent at once it would overtake data already queued."""
        self.channel.send(self, packet)

    def delivered(self, pdu: Pdu) -> None:
        """The other end has acknowledged this packet."""
        if isinstance(pdu, DataPdu):
            self.radio.send_hci_packet(
                hci.HCI_Number_Of_Completed_Packets_Event(
                    connection_handles=[self.handle], num_completed_packets=[1]
                )
            )
        self.other.radio.receive(self.other, pdu)

    def ended(self, reason: int) -> None:
        """The link is off the air: drop it and tell the host."""
        self.radio.on_le_disconnected(self, reason)
