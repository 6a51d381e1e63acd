"""What Bumble's ATT side lacks against hostile peers: permissions, and bounds on memory."""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Callable
from typing import Final

from bumble import att, hci
from bumble.device import Device
from bumble.gatt_server import Server
from bumble.host import Connection as HostConnection
from bumble.host import Host
from bumble.transport.common import TransportSink, TransportSource

logger = logging.getLogger(__name__)

# Data packets on their way to one peer.  Our notifications wait for room; a peer that asks on
# without taking the answers is put off.
_ROOM: Final = 8
_FLOOD: Final = 64


class AttHost(Host):
    """A Bumble host that serves the Attribute Protocol alone, in bounded memory.

    Without L2CAP signalling and SMP there is no pairing, no further channel and no parameter
    request for a stranger to set off.  `on_flood` is told the handle of a link to end.
    """

    def __init__(
        self, source: TransportSource, sink: TransportSink, on_flood: Callable[[int], None]
    ) -> None:
        super().__init__(source, sink)
        self._on_flood = on_flood
        self._flooding: set[int] = set()
        self._unsent: collections.Counter[int] = collections.Counter()
        self._progress = asyncio.Event()
        self._transport_lost = False

    def on_transport_lost(self) -> None:
        """End what waits for an answer; only some of Bumble's transports tell, some tell twice."""
        if not self._transport_lost:
            self._transport_lost = True
            super().on_transport_lost()  # type: ignore[no-untyped-call]
            self._wake()

    def on_l2cap_pdu(self, connection: HostConnection, cid: int, pdu: bytes) -> None:
        """Take one PDU from a peer.  Stock Bumble queues answers without end."""
        handle = connection.handle
        if cid != att.ATT_CID or handle in self._flooding:
            return
        if self._unsent[handle] >= _FLOOD:
            self._flooding.add(handle)
            self._on_flood(handle)
            return
        try:
            super().on_l2cap_pdu(connection, cid, pdu)
        except Exception as error:  # Bumble's parsers raise anything on malformed PDUs
            logger.debug("malformed PDU on link 0x%04x: %r", handle, error)

    def send_acl_sdu(self, connection_handle: int, sdu: bytes) -> None:
        """Send, counting the data packets until they are across."""
        if (connection := self.connections.get(connection_handle)) is not None:
            size = connection.acl_packet_queue.max_packet_size
            self._unsent[connection_handle] += -(-len(sdu) // size)
        super().send_acl_sdu(connection_handle, sdu)

    def on_hci_number_of_completed_packets_event(
        self, event: hci.HCI_Number_Of_Completed_Packets_Event
    ) -> None:
        """Data packets are across."""
        super().on_hci_number_of_completed_packets_event(event)
        counts = zip(event.connection_handles, event.num_completed_packets, strict=True)
        for handle, count in counts:
            if handle in self._unsent:
                self._unsent[handle] -= count
        self._wake()

    def on_hci_disconnection_complete_event(
        self, event: hci.HCI_Disconnection_Complete_Event
    ) -> None:
        """Forget a link."""
        super().on_hci_disconnection_complete_event(event)
        self._unsent.pop(event.connection_handle, None)
        self._flooding.discard(event.connection_handle)
        self._wake()

    async def room(self, handle: int) -> None:
        """Wait until few packets are on their way on this link; returns at once if it is gone."""
        while self._unsent[handle] >= _ROOM and not self._transport_lost:
            await self._progress.wait()

    def _wake(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()


class StrictServer(Server):
    """A GATT server that grants what the attributes permit.

    Stock Bumble checks no permission: any peer may overwrite a service declaration, read what
    is not readable, and write with a command where only requests are offered.
    """

    @classmethod
    def take_over(cls, device: Device, mtu: int) -> StrictServer:
        """Replace a device's server, keeping the services it made by itself."""
        server = cls(device)
        server.add_services(device.gatt_server.services)
        server.max_mtu = mtu
        device.gatt_server = server
        return server

    def on_gatt_pdu(self, bearer: att.Bearer, att_pdu: att.ATT_PDU) -> None:
        """Answer one request."""
        match att_pdu:
            case att.ATT_Write_Command():
                return  # no attribute here offers it (Core Spec Vol 3 Part F 3.4.5.3)
            case (
                att.ATT_Prepare_Write_Request()
                | att.ATT_Execute_Write_Request()
                | att.ATT_Read_Multiple_Request()
                | att.ATT_Read_Multiple_Variable_Request()
            ):
                refusal = att.ErrorCode.REQUEST_NOT_SUPPORTED
                handle = 0
            case att.ATT_Write_Request(attribute_handle=handle) if not self._permits(
                handle, att.Attribute.WRITEABLE
            ):
                refusal = att.ErrorCode.WRITE_NOT_PERMITTED
            case (
                att.ATT_Read_Request(attribute_handle=handle)
                | att.ATT_Read_Blob_Request(attribute_handle=handle)
            ) if not self._permits(handle, att.Attribute.READABLE):
                refusal = att.ErrorCode.READ_NOT_PERMITTED
            case _:
                super().on_gatt_pdu(bearer, att_pdu)
                return
        self.send_response(
            bearer,
            att.ATT_Error_Response(
                request_opcode_in_error=att_pdu.op_code,
                attribute_handle_in_error=handle,
                error_code=refusal,
            ),
        )

    def _permits(self, handle: int, permission: att.Attribute.Permissions) -> bool:
        attribute = self.get_attribute(handle)
        # An unknown handle is the base class's to refuse.
        return attribute is None or bool(attribute.permissions & permission)
