"""OLD's radio on Bumble: one advert, and the PXP1 service behind it."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bumble.att import ATT_Error, Attribute, ErrorCode
from bumble.core import UUID
from bumble.device import Connection
from bumble.gatt import Characteristic, CharacteristicValue, Service

from nearproof.ble import uuids
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.framing import MAX_MTU, MIN_MTU
from nearproof.ble.ports import Channel, PeripheralEvents
from nearproof.ble.virtual.adverts import advert_data
from nearproof.ble.virtual.radio import Radio, tell

logger = logging.getLogger(__name__)

_ADVERT_MILLISECONDS: Final = 100.0
_REBUILD_SECONDS: Final = 1.0
_COMEBACK_SECONDS = 10.0  # the transport may be away


@dataclass(eq=False)
class _Central:
    """One central's link."""

    name: str
    connection: Connection
    lost: asyncio.Future[None]


class _PxpService:
    """The GATT service on one radio, and the centrals that are connected to it."""

    def __init__(
        self,
        radio: Radio,
        events: PeripheralEvents,
        numbers: Iterator[int],
        on_change: Callable[[], None],
    ) -> None:
        """`on_change` is called when a link has begun or ended."""
        self._radio = radio
        self._events = events
        self._numbers = numbers
        self._on_change = on_change
        self._centrals: dict[str, _Central] = {}
        self._characteristics = {
            Channel.MESSAGES: self._characteristic(Channel.MESSAGES, uuids.MESSAGES),
            Channel.ROUNDS: self._characteristic(Channel.ROUNDS, uuids.ROUNDS),
        }
        service = Service(UUID(uuids.SERVICE), list(self._characteristics.values()))
        radio.server.add_service(service)
        radio.device.on(radio.device.EVENT_CONNECTION, self._connected)

    def connection(self, central: str) -> Connection | None:
        """The connection of a central that is still there."""
        link = self._centrals.get(central)
        return None if link is None else link.connection

    async def notify(self, central: str, channel: Channel, value: bytes) -> None:
        """As `VirtualPeripheral.notify`."""
        link = self._centrals.get(central)
        if link is None:
            raise BluetoothError(BluetoothReason.LINK_LOST)
        if len(value) > link.connection.att_mtu - 3:
            raise ValueError(f"{len(value)} bytes on a link of ATT_MTU {link.connection.att_mtu}")
        room = self._radio.host.room(link.connection.handle)
        await self._radio.run(room, lost=link.lost)
        characteristic = self._characteristics[channel]
        notification = self._radio.server.notify_subscriber(link.connection, characteristic, value)
        await self._radio.run(notification, lost=link.lost)

    def _connected(self, connection: Connection) -> None:
        # A number, since a central may come again, or another one under its address.
        link = _Central(
            name=f"{connection.peer_address.to_string(False)}#{next(self._numbers)}",
            connection=connection,
            lost=asyncio.get_running_loop().create_future(),
        )
        self._centrals[link.name] = link
        ended = functools.partial(self._disconnected, link)
        connection.once(connection.EVENT_DISCONNECTION, ended)
        tell(self._events.connected, link.name)
        self._on_change()

    def _disconnected(self, link: _Central, _reason: int) -> None:
        del self._centrals[link.name]
        link.lost.set_result(None)
        tell(self._events.disconnected, link.name)
        self._on_change()

    def _characteristic(self, channel: Channel, uuid: str) -> Characteristic[bytes]:
        characteristic: Characteristic[bytes] = Characteristic(
            UUID(uuid),
            Characteristic.Properties.WRITE | Characteristic.Properties.NOTIFY,
            Attribute.WRITEABLE,
            CharacteristicValue(write=functools.partial(self._written, channel)),
        )
        subscribed = functools.partial(self._subscribed, channel)
        characteristic.on(Characteristic.EVENT_SUBSCRIPTION, subscribed)
        return characteristic

    def _written(self, channel: Channel, connection: Connection, value: bytes) -> None:
        central = self._name_of(connection)
        if central is None:  # it disconnected while Bumble held the request
            raise ATT_Error(ErrorCode.UNLIKELY_ERROR)
        try:
            self._events.written(central, channel, value)
        except AttError as refusal:
            raise ATT_Error(refusal.code) from refusal
        except Exception as error:
            logger.exception("the application failed on a write")
            raise ATT_Error(ErrorCode.UNLIKELY_ERROR) from error

    def _subscribed(
        self, channel: Channel, connection: Connection, notify: bool, _indicate: bool
    ) -> None:
        central = self._name_of(connection)
        if notify and central is not None:
            tell(self._events.subscribed, central, channel)

    def _name_of(self, connection: Connection) -> str | None:
        links = self._centrals.values()
        return next((link.name for link in links if link.connection is connection), None)


class VirtualPeripheral:
    """`ports.Peripheral` over any HCI transport.

    `transport` is as for `Radio.open`; `mtu` is the largest ATT_MTU granted, 23..517.
    """

    def __init__(self, transport: str, *, mtu: int = MAX_MTU) -> None:
        if not MIN_MTU <= mtu <= MAX_MTU:
            raise ValueError(f"ATT_MTU {mtu} is outside {MIN_MTU}..{MAX_MTU}")
        self._transport = transport
        self._mtu = mtu
        self._numbers = itertools.count(1)
        self._radio: Radio | None = None
        self._service: _PxpService | None = None
        self._eid: bytes | None = None
        self._advert_lock = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    async def open(self, events: PeripheralEvents) -> None:
        """Open the transport and put up the service.  Raises `BluetoothError`."""
        radio = await self._take_radio(events)
        self._watch = asyncio.create_task(self._rebuild_when_lost(radio, events))

    async def advertise(self, eid: bytes) -> None:
        """Advertise the EID until told to stop, also beside a connection if there is room.

        Raises `BluetoothError` (ADVERT_REFUSED) if the controller will not for now: it is
        asked again after every link that ends.  Raises `ValueError` for an EID of another
        length than 16.
        """
        advert_data(eid)  # refuses a wrong length before anything changes
        self._eid = eid
        await self._apply_advert()

    async def stop_advertising(self) -> None:
        """Stop; nothing happens if it was not advertising."""
        self._eid = None
        await self._apply_advert()

    def mtu(self, central: str) -> int:
        """The ATT_MTU of this central's link, in bytes; 23 if it is gone."""
        connection = None if self._service is None else self._service.connection(central)
        return MIN_MTU if connection is None else int(connection.att_mtu)

    async def notify(self, central: str, channel: Channel, value: bytes) -> None:
        """Send one notification; without a subscription it is dropped, as BlueZ does.

        Waits while too many are on their way.  Raises `BluetoothError` (LINK_LOST) if the
        link is gone, `ValueError` if the value is longer than MTU - 3.
        """
        if self._service is None:
            raise BluetoothError(BluetoothReason.LINK_LOST)
        await self._service.notify(central, channel, value)

    async def disconnect(self, central: str) -> None:
        """End this central's link; `disconnected` is told when it is down."""
        if self._radio is not None and self._service is not None:
            if (connection := self._service.connection(central)) is not None:
                self._radio.drop(connection)

    async def close(self) -> None:
        """Stop everything and reset the controller.  Idempotent."""
        self._eid = None
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None
        if self._radio is not None:
            await self._radio.close()
            self._radio = self._service = None

    async def _take_radio(self, events: PeripheralEvents) -> Radio:
        radio = await Radio.open(self._transport, self._mtu)

        def resume() -> None:
            if not radio.lost.done():
                radio.spawn(self._resume_advert())

        self._radio = radio
        self._service = _PxpService(radio, events, self._numbers, resume)
        return radio

    async def _rebuild_when_lost(self, radio: Radio, events: PeripheralEvents) -> None:
        """Take the transport again whenever it went away and returned in time."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.wait({radio.lost})
            await radio.close()
            self._radio = self._service = None
            tell(events.stack_lost)
            deadline = loop.time() + _COMEBACK_SECONDS
            while self._radio is None:
                try:
                    radio = await self._take_radio(events)
                except BluetoothError as error:
                    logger.debug("the transport is not back: %s", error)
                    if loop.time() > deadline:
                        tell(events.failed, error)
                        return
                    await asyncio.sleep(_REBUILD_SECONDS)
            await self._resume_advert()

    async def _apply_advert(self) -> None:
        """Bring the controller in line with what is wanted."""
        async with self._advert_lock:
            if self._radio is None:
                return  # rebuilding ends with this
            device = self._radio.device
            if self._eid is None:
                work = device.stop_advertising()
            else:
                work = device.start_advertising(
                    advertising_data=advert_data(self._eid),
                    scan_response_data=b"",
                    advertising_interval_min=_ADVERT_MILLISECONDS,
                    advertising_interval_max=_ADVERT_MILLISECONDS,
                )
            await self._radio.run(work, reason=BluetoothReason.ADVERT_REFUSED)

    async def _resume_advert(self) -> None:
        """A connection ends the advert; a controller that is full takes it after the next end."""
        if self._eid is None:
            return
        try:
            await self._apply_advert()
        except BluetoothError as error:
            logger.debug("the advert is not resumed: %s", error)
