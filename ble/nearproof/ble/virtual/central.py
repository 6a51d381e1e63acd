"""NEW's radio on Bumble: scan, connect, and the PXP1 service of one peripheral."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import functools
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from bumble import hci
from bumble.att import ATT_Error
from bumble.core import UUID
from bumble.device import Connection, ConnectionParametersPreferences
from bumble.gatt import GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR, Characteristic
from bumble.gatt_client import CharacteristicProxy

from nearproof.ble import uuids
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.framing import MAX_MTU, MIN_MTU
from nearproof.ble.ports import Advert, Channel, LinkEvents
from nearproof.ble.virtual.adverts import service_uuids
from nearproof.ble.virtual.radio import Radio, tell

_CONNECT_SECONDS: Final = 10.0
_DISCOVER_SECONDS: Final = 10.0
_ADVERTS_HELD: Final = 256  # adverts come again: beyond this the oldest are dropped
_UUIDS: Final = {Channel.MESSAGES: UUID(uuids.MESSAGES), Channel.ROUNDS: UUID(uuids.ROUNDS)}
_RSSI_UNKNOWN: Final = 127  # dBm; Core Spec Vol 4 Part E 7.7.65.2
_PROPERTIES: Final = Characteristic.Properties.WRITE | Characteristic.Properties.NOTIFY
_SERVICE: Final = UUID(uuids.SERVICE)
_PARAMETERS: Final = ConnectionParametersPreferences(
    connection_interval_min=30,  # milliseconds, as are the next two: the kernel's choice
    connection_interval_max=50,
    supervision_timeout=1000,
)


class _NoCache(dict[int, tuple[datetime.datetime, bytes]]):
    """Bumble's client keeps the last value of every handle a peer names; nobody asks for them."""

    def __setitem__(self, handle: int, value: tuple[datetime.datetime, bytes]) -> None:
        """Keep nothing."""


class VirtualLink:
    """`ports.Link` on Bumble."""

    def __init__(self, radio: Radio, connection: Connection, events: LinkEvents) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.connection = connection
        self._radio = radio
        self._events = events
        self._handed_over = False
        self._characteristics: dict[Channel, CharacteristicProxy[bytes]] = {}
        connection.gatt_client.cached_values = _NoCache()
        if radio.is_up(connection):
            connection.once(connection.EVENT_DISCONNECTION, self._on_disconnection)
        else:  # it has come and gone
            self.lost.set_result(None)

    @property
    def mtu(self) -> int:
        """ATT_MTU in bytes."""
        return int(self.connection.att_mtu)

    async def discover(self, mtu: int) -> None:
        """Agree on the MTU and find the service.

        Raises `BluetoothError` (NOT_OUR_SERVICE) if it is not there or not as it should be.
        """
        client = self.connection.gatt_client
        if mtu > MIN_MTU:
            with contextlib.suppress(ATT_Error):  # a server may not know the request: then 23
                await client.request_mtu(mtu)
        if self.mtu < MIN_MTU:
            raise _not_ours(f"ATT_MTU: {self.mtu}")
        services = await client.discover_service(_SERVICE)
        if len(services) != 1:
            raise _not_ours(f"other services than one: {len(services)}")
        found = await client.discover_characteristics(_UUIDS.values(), services[0])
        for channel, uuid in _UUIDS.items():
            matches = [item for item in found if item.uuid == uuid]
            if len(matches) != 1 or matches[0].properties & _PROPERTIES != _PROPERTIES:
                raise _not_ours(f"not to be written to and notified by: {channel.value}")
            self._characteristics[channel] = matches[0]

    async def subscribe(self, channel: Channel) -> None:
        """Switch notifications on.  Raises `AttError` or `BluetoothError`."""
        await self._run(self._subscribe(channel))

    async def _subscribe(self, channel: Channel) -> None:
        characteristic = self._characteristics[channel]

        def notified(value: bytes) -> None:
            tell(self._events.notified, channel, value)

        await self.connection.gatt_client.subscribe(characteristic, notified)
        descriptor = GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR
        if characteristic.get_descriptor(descriptor) is None:  # Bumble lets it pass in silence
            raise _not_ours(f"no notifications: {channel.value}")

    async def unsubscribe(self, channel: Channel) -> None:
        """Switch notifications off.  Raises `AttError` or `BluetoothError`."""
        await self._run(self.connection.gatt_client.unsubscribe(self._characteristics[channel]))

    async def write(self, channel: Channel, value: bytes) -> None:
        """Write with response.

        Raises `AttError` if refused, `BluetoothError` if the link is lost, `ValueError` if
        the value is longer than MTU - 3 (no long writes).
        """
        if len(value) > self.mtu - 3:
            raise ValueError(f"{len(value)} bytes in a link of ATT_MTU {self.mtu}")
        await self._run(
            self.connection.gatt_client.write_value(
                self._characteristics[channel], value, with_response=True
            )
        )

    async def disconnect(self) -> None:
        """End the link without waiting for it to be down; `lost` is told then."""
        self._radio.drop(self.connection)

    def hand_over(self) -> None:
        """From here on the application is told when the link ends."""
        if self.lost.done():
            raise BluetoothError(BluetoothReason.LINK_LOST)
        self._handed_over = True

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        await self._radio.run(work, lost=self.lost, reason=BluetoothReason.LINK_LOST)

    def _on_disconnection(self, _reason: int) -> None:
        self.lost.set_result(None)
        if self._handed_over:
            tell(self._events.lost)


def _not_ours(detail: str) -> BluetoothError:
    return BluetoothError(BluetoothReason.NOT_OUR_SERVICE, detail)


class _AdvertStream:
    """The adverts of one scan, the oldest dropped when nobody takes them."""

    def __init__(self, radio_lost: asyncio.Future[None]) -> None:
        self._held: collections.deque[Advert] = collections.deque(maxlen=_ADVERTS_HELD)
        self._arrived = asyncio.Event()
        self._radio_lost = radio_lost
        radio_lost.add_done_callback(lambda _: self._arrived.set())

    def put(self, report: hci.HCI_LE_Advertising_Report_Event.Report) -> None:
        """Take a report from the controller; what carries no 128-bit UUID is passed over."""
        found = service_uuids(report.data)
        if found:
            rssi = None if report.rssi == _RSSI_UNKNOWN else report.rssi
            peer = report.address.to_string(False)
            self._held.append(Advert(found, rssi, peer, handle=report.address))
            self._arrived.set()

    def __aiter__(self) -> AsyncIterator[Advert]:
        return self

    async def __anext__(self) -> Advert:
        while not self._held:
            if self._radio_lost.done():
                raise BluetoothError(BluetoothReason.STACK_LOST)
            self._arrived.clear()
            await self._arrived.wait()
        return self._held.popleft()


class VirtualCentral:
    """`ports.Central` over any HCI transport.

    `transport` is as for `Radio.open`; `mtu` is the ATT_MTU asked for, 23..517.  When the
    transport went away, the next scan or connect tries to open it again.
    """

    def __init__(self, transport: str, *, mtu: int = MAX_MTU) -> None:
        if not MIN_MTU <= mtu <= MAX_MTU:
            raise ValueError(f"ATT_MTU {mtu} is outside {MIN_MTU}..{MAX_MTU}")
        self._transport = transport
        self._mtu = mtu
        self._radio: Radio | None = None
        self._scanning = False
        self._paused = False
        self._scan_lock = asyncio.Lock()
        self._connect_lock = asyncio.Lock()

    async def open(self) -> None:
        """Open the transport.  Raises `BluetoothError`."""
        self._radio = await Radio.open(self._transport, self._mtu)

    @contextlib.asynccontextmanager
    async def scan(self) -> AsyncIterator[AsyncIterator[Advert]]:
        """Scan, passively, while the context is open.  One scan at a time.

        Raises `BluetoothError`, also from the iteration when the transport goes away.
        """
        radio = await self._ready()
        stream = _AdvertStream(radio.lost)
        radio.host.on("advertising_report", stream.put)
        try:
            self._scanning = True
            await radio.run(self._apply_scan(radio))
            yield stream
        finally:
            self._scanning = False
            radio.host.remove_listener("advertising_report", stream.put)
            with contextlib.suppress(BluetoothError):
                await radio.run(self._apply_scan(radio))

    async def connect(self, advert: Advert, events: LinkEvents) -> VirtualLink:
        """Connect to the advertiser and discover the service.

        Raises `BluetoothError`: CONNECT_FAILED, NOT_OUR_SERVICE, LINK_LOST, STACK_LOST.
        """
        radio = await self._ready()
        if not isinstance(advert.handle, hci.Address):
            raise TypeError("the advert is another driver's")
        link = VirtualLink(radio, await self._connection(radio, advert.handle), events)
        try:
            await radio.run(
                link.discover(self._mtu),
                lost=link.lost,
                reason=BluetoothReason.NOT_OUR_SERVICE,
                seconds=_DISCOVER_SECONDS,
            )
            link.hand_over()
        except AttError as error:
            await link.disconnect()
            raise _not_ours(str(error)) from error
        except BaseException:
            await link.disconnect()
            raise
        return link

    async def close(self) -> None:
        """End all links and reset the controller.  Idempotent."""
        radio, self._radio = self._radio, None
        if radio is not None:
            await radio.close()

    async def _ready(self) -> Radio:
        if self._radio is None:
            raise BluetoothError(BluetoothReason.NO_ADAPTER, "not open")
        if self._radio.lost.done():
            await self._radio.close()
            self._radio = await Radio.open(self._transport, self._mtu)
        return self._radio

    async def _connection(self, radio: Radio, address: hci.Address) -> Connection:
        """Create a connection; if the caller gives up, so does the controller."""
        given_up = asyncio.get_running_loop().create_future()
        attempt = radio.spawn(self._attempt(radio, address, given_up))
        try:
            return await radio.run(attempt, reason=BluetoothReason.CONNECT_FAILED)
        except asyncio.CancelledError:
            given_up.set_result(None)
            attempt.add_done_callback(functools.partial(_drop_result, radio))
            raise

    async def _attempt(
        self, radio: Radio, address: hci.Address, given_up: asyncio.Future[None]
    ) -> Connection:
        async with self._connect_lock:  # a controller takes one at a time
            await radio.until_free(address)
            self._paused = True  # not every controller can scan and connect at once
            try:
                await self._apply_scan(radio)
                connecting = radio.spawn(
                    radio.device.connect_le(address, {hci.Phy.LE_1M: _PARAMETERS}, timeout=None)
                )
                either: set[asyncio.Future[Any]] = {connecting, given_up}
                await asyncio.wait(
                    either, timeout=_CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if not connecting.done():
                    with contextlib.suppress(hci.HCI_Error):  # it may be connected just now
                        cancel = hci.HCI_LE_Create_Connection_Cancel_Command()
                        await radio.host.send_sync_command(cancel)
                return await connecting
            finally:
                self._paused = False
                await self._apply_scan(radio)

    async def _apply_scan(self, radio: Radio) -> None:
        """Bring the controller in line with what is wanted."""
        async with self._scan_lock:
            wanted = self._scanning and not self._paused
            if wanted and not radio.device.is_scanning:
                await radio.device.start_scanning(active=False)
            elif radio.device.is_scanning and not wanted:
                await radio.device.stop_scanning()


def _drop_result(radio: Radio, attempt: asyncio.Task[Connection]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        radio.drop(attempt.result())
