"""A host that speaks bare HCI to a controller on the air, without Bumble's host."""

from __future__ import annotations

import asyncio
import random
from typing import Any, TypeVar

from bumble import hci

from nearproof.ble.virtual.controller import AirController
from nearproof.ble.virtual.medium import Air, AirSettings

E = TypeVar("E", bound=hci.HCI_Packet)

INTERVAL = 8  # 10 ms
SUPERVISION = 10  # 100 ms


class BareHost:
    """Sends commands, keeps what comes back in order."""

    def __init__(self, air: Air, number: int) -> None:
        address = hci.Address(f"02:00:00:00:00:{number:02X}", hci.Address.PUBLIC_DEVICE_ADDRESS)
        self.controller = AirController(f"bare {number}", air, address)
        self.controller.host = self
        self.received: asyncio.Queue[hci.HCI_Packet] = asyncio.Queue()

    def on_packet(self, packet: bytes) -> None:
        self.received.put_nowait(hci.HCI_Packet.from_bytes(packet))

    def send(self, packet: hci.HCI_Packet) -> None:
        self.controller.on_packet(bytes(packet))

    async def expect(self, kind: type[E]) -> E:
        """The next packet of this kind."""
        async with asyncio.timeout(10):
            while True:
                packet = await self.received.get()
                if isinstance(packet, kind):
                    return packet

    async def complete(self, command: hci.HCI_Command) -> Any:
        """Send a command; returns its return parameters."""
        self.send(command)
        event: Any = await self.expect(hci.HCI_Command_Complete_Event)
        assert event.command_opcode == command.op_code
        return event.return_parameters

    async def status(self, command: hci.HCI_Command) -> int:
        """Send a command; returns the status of its Command Status."""
        self.send(command)
        event = await self.expect(hci.HCI_Command_Status_Event)
        assert event.command_opcode == command.op_code
        return int(event.status)

    async def set_random_address(self, address: hci.Address) -> None:
        await self.complete(hci.HCI_LE_Set_Random_Address_Command(random_address=address))

    async def advertise(
        self, data: bytes = b"", scan_response: bytes = b"", own: int = 0, interval: int = 0x20
    ) -> None:
        await self.complete(hci.HCI_LE_Set_Advertising_Data_Command(advertising_data=data))
        await self.complete(
            hci.HCI_LE_Set_Scan_Response_Data_Command(scan_response_data=scan_response)
        )
        result = await self.complete(advertising_parameters(interval, own))
        assert result.status == hci.HCI_SUCCESS
        result = await self.complete(
            hci.HCI_LE_Set_Advertising_Enable_Command(advertising_enable=1)
        )
        assert result.status == hci.HCI_SUCCESS

    async def scan(self, active: bool = False) -> None:
        await self.complete(
            hci.HCI_LE_Set_Scan_Parameters_Command(
                le_scan_type=int(active),
                le_scan_interval=16,
                le_scan_window=16,
                own_address_type=0,
                scanning_filter_policy=0,
            )
        )
        await self.complete(
            hci.HCI_LE_Set_Scan_Enable_Command(le_scan_enable=1, filter_duplicates=0)
        )

    async def reports(self, count: int) -> list[hci.HCI_LE_Advertising_Report_Event.Report]:
        """The next advertising reports."""
        found: list[hci.HCI_LE_Advertising_Report_Event.Report] = []
        while len(found) < count:
            event = await self.expect(hci.HCI_LE_Advertising_Report_Event)
            found += event.reports
        return found

    async def connected(self) -> hci.HCI_LE_Connection_Complete_Event:
        event = await self.expect(hci.HCI_LE_Connection_Complete_Event)
        assert event.status == hci.HCI_SUCCESS
        return event


def advertising_parameters(
    interval: int, own: int = 0
) -> hci.HCI_LE_Set_Advertising_Parameters_Command:
    return hci.HCI_LE_Set_Advertising_Parameters_Command(
        advertising_interval_min=interval,
        advertising_interval_max=interval,
        advertising_type=0,
        own_address_type=own,
        peer_address_type=0,
        peer_address=hci.Address.ANY,
        advertising_channel_map=7,
        advertising_filter_policy=0,
    )


def create_connection(
    peer: hci.Address,
    own: int = 0,
    *,
    interval: int = INTERVAL,
    supervision: int = SUPERVISION,
) -> hci.HCI_LE_Create_Connection_Command:
    return hci.HCI_LE_Create_Connection_Command(
        le_scan_interval=16,
        le_scan_window=16,
        initiator_filter_policy=0,
        peer_address_type=peer.address_type,
        peer_address=peer,
        own_address_type=own,
        connection_interval_min=interval,
        connection_interval_max=interval,
        max_latency=0,
        supervision_timeout=supervision,
        min_ce_length=0,
        max_ce_length=0,
    )


def data_packet(handle: int, data: bytes, *, first: bool = True) -> hci.HCI_AclDataPacket:
    return hci.HCI_AclDataPacket(handle, 0 if first else 1, 0, len(data), data)


def new_air(**settings: Any) -> Air:
    return Air(AirSettings(**settings), random.Random(1))


async def pair(air: Air, **options: int) -> tuple[BareHost, int, BareHost, int]:
    """Two hosts with a connection: the central, its handle, the peripheral, its handle."""
    central, peripheral = BareHost(air, 1), BareHost(air, 2)
    await peripheral.advertise()
    address = peripheral.controller.public_address
    assert await central.status(create_connection(address, **options)) == hci.HCI_SUCCESS
    return (
        central,
        (await central.connected()).connection_handle,
        peripheral,
        (await peripheral.connected()).connection_handle,
    )
