"""NEW's end of one connection through bleak: `nearproof.ble.ports.Link`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError

from nearproof.ble.bluez.att import longest_value
from nearproof.ble.bluez.bleakfaults import translated
from nearproof.ble.bluez.retry import CONNECT_TIMEOUT
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.framing import MAX_MTU
from nearproof.ble.ports import Channel, LinkEvents
from nearproof.ble.uuids import MESSAGES, ROUNDS, SERVICE


class BluezLink:
    """One connection; `open`, then `listen`, and it is a `Link`.

    `let_go` is called once with the client when the link has ended, however it did: its D-Bus
    connection still has to be closed, which takes bluetoothd 2 s and nobody's time.
    """

    def __init__(
        self, device: BLEDevice, adapter: str, let_go: Callable[[BleakClient], None]
    ) -> None:
        self._client = BleakClient(
            device,
            disconnected_callback=self._disconnected,
            timeout=CONNECT_TIMEOUT,
            bluez={"adapter": adapter},
        )
        self._let_go = let_go
        self._opening = False
        self._over = asyncio.get_running_loop().create_future()
        self._events: LinkEvents | None = None
        self._characteristics: Mapping[Channel, BleakGATTCharacteristic] = {}

    async def open(self) -> None:
        """Connect and find the service.

        Raises `BluetoothError`: CONNECT_FAILED, NOT_OUR_SERVICE, LINK_LOST, or as BlueZ says.
        """
        self._opening = True
        try:
            with translated(BluetoothReason.CONNECT_FAILED):
                await self._while_up(self._client.connect())
            self._characteristics = self._find_characteristics()
            if not self._client.is_connected:
                raise BluetoothError(BluetoothReason.LINK_LOST, "the link is down")
        except BaseException:
            self.end()
            raise
        finally:
            self._opening = False
            if self._over.done():
                self._let_go(self._client)

    def listen(self, events: LinkEvents) -> None:
        """From here on tell `events`.  Raises `BluetoothError` if the link is gone already."""
        if self._over.done():
            raise BluetoothError(BluetoothReason.LINK_LOST, "the link is down")
        self._events = events

    def end(self) -> None:
        """The link is over, by our will or not."""
        if self._over.done():
            return
        self._over.set_result(None)
        if not self._opening:  # else `open` does it: bleak is not to be closed while it connects
            self._let_go(self._client)
        if self._events is not None:
            self._events.lost()

    @property
    def mtu(self) -> int:
        """ATT_MTU in bytes, 517 at most."""
        # Not `BleakClient.mtu_size`: with BlueZ that always says 23.
        room = self._characteristics[Channel.MESSAGES].max_write_without_response_size
        return min(room + 3, MAX_MTU)

    async def subscribe(self, channel: Channel) -> None:
        """Switch notifications on."""

        def notified(_: BleakGATTCharacteristic, value: bytearray) -> None:
            if not self._over.done() and self._events is not None:
                self._events.notified(channel, bytes(value))

        async def start() -> None:
            characteristic = self._characteristics[channel]
            try:
                # AcquireNotify: values come through a descriptor of our own instead of a
                # property that every process on the bus can read.
                await self._client.start_notify(
                    characteristic, notified, bluez={"use_start_notify": False}
                )
            except BleakError:
                await self._client.start_notify(characteristic, notified)

        try:
            with translated(BluetoothReason.TRANSPORT):
                await self._while_up(start())
        except AttError as error:
            raise BluetoothError(BluetoothReason.NOT_OUR_SERVICE, str(error)) from error

    async def unsubscribe(self, channel: Channel) -> None:
        """Switch notifications off."""
        with translated(BluetoothReason.TRANSPORT):
            await self._while_up(self._client.stop_notify(self._characteristics[channel]))

    async def write(self, channel: Channel, value: bytes) -> None:
        """Write with response, at most MTU - 3 and 512 bytes.

        Raises `AttError` if refused, `BluetoothError` if the link is lost.
        """
        if len(value) > longest_value(self.mtu):
            # BlueZ would make it a long write, which no application of ours takes.
            raise ValueError("the write does not fit the MTU")
        writing = self._client.write_gatt_char(self._characteristics[channel], value, response=True)
        try:
            with translated(BluetoothReason.LINK_LOST):
                await self._while_up(writing)
        except BluetoothError:
            # The write had no answer.  The news of the lost link comes on another D-Bus
            # connection and may be late, but no write may follow one that nobody answered.
            self.end()
            raise

    async def disconnect(self) -> None:
        """End the link; idempotent, and quick: bluetoothd takes its 2 s behind our back."""
        self.end()

    def _disconnected(self, _: BleakClient) -> None:
        if not self._opening:  # else `connect` raises, or tries again by itself
            self.end()

    async def _while_up(self, operation: Coroutine[Any, Any, None]) -> None:
        """Run the operation, but give it up with LINK_LOST as soon as the link is over."""
        task = asyncio.ensure_future(operation)
        try:
            if not self._over.done():
                await asyncio.wait({task, self._over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            await asyncio.wait({task})
        if self._over.done():
            if not task.cancelled():
                task.exception()  # of no interest any more, and not to be warned about
            raise BluetoothError(BluetoothReason.LINK_LOST, "the link is down")
        task.result()

    def _find_characteristics(self) -> dict[Channel, BleakGATTCharacteristic]:
        with translated(BluetoothReason.LINK_LOST):
            service = self._client.services.get_service(SERVICE)
        found: dict[Channel, BleakGATTCharacteristic] = {}
        for channel, uuid in ((Channel.MESSAGES, MESSAGES), (Channel.ROUNDS, ROUNDS)):
            characteristic = service.get_characteristic(uuid) if service else None
            if characteristic is None or not {"write", "notify"} <= set(characteristic.properties):
                raise BluetoothError(BluetoothReason.NOT_OUR_SERVICE, "not a nearproof laptop")
            found[channel] = characteristic
        return found
