"""NEW's end of one connection through bleak: `nearproof.ble.ports.Link`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError

from nearproof.ble.bluez.att import longest_value
from nearproof.ble.bluez.bleakfaults import translated
from nearproof.ble.bluez.faults import on_a_link
from nearproof.ble.bluez.retry import CONNECT_TIMEOUT
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.framing import MAX_MTU
from nearproof.ble.ports import Channel, LinkEvents
from nearproof.ble.uuids import MESSAGES, ROUNDS, SERVICE

log = logging.getLogger(__name__)

SUBSCRIBE_TIMEOUT: Final = 10.0  # seconds; it takes one round trip
# Seconds for bluetoothd to disconnect, which takes it 2 to 2.7.  A call that it has in hand when
# the adapter is pulled out is never answered, and bleak would wait for ever.
PARTING: Final = 5.0


class BluezLink:
    """One connection; `open`, then `listen`, and it is a `Link`.

    `let_go` is called once when the link has ended, however it did: it still has to be
    `finish`ed, which takes bluetoothd 2 s and nobody's time.
    """

    def __init__(self, device: BLEDevice, adapter: str, let_go: Callable[[], None]) -> None:
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
                # bleak keeps to its timeout, but then disconnects without one.
                await self._while_up(self._client.connect(), CONNECT_TIMEOUT + PARTING)
            self._characteristics = self._find_characteristics()
            if not self._client.is_connected:
                raise BluetoothError(BluetoothReason.LINK_LOST, "the link is down")
        except BaseException:
            self.end()
            raise
        finally:
            self._opening = False
            if self._over.done():
                self._let_go()

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
            self._let_go()
        if self._events is not None:
            self._events.lost()

    @property
    def mtu(self) -> int:
        """ATT_MTU in bytes, 517 at most."""
        # Not `BleakClient.mtu_size`: with BlueZ that always says 23.
        room = self._characteristics[Channel.MESSAGES].max_write_without_response_size
        return min(room + 3, MAX_MTU)

    async def finish(self) -> None:
        """Disconnect for good and close the client's D-Bus connection, in whatever state it is."""
        try:
            async with asyncio.timeout(PARTING):
                await self._client.disconnect()
        except (BleakError, OSError, EOFError) as error:
            log.debug("the link was gone already: %s", error)

    async def subscribe(self, channel: Channel) -> None:
        """Switch notifications on."""
        try:
            with on_a_link():
                async with asyncio.timeout(SUBSCRIBE_TIMEOUT):
                    await self._while_up(self._subscribe(channel))
        except TimeoutError as error:
            raise BluetoothError(BluetoothReason.LINK_LOST, "no answer in time") from error
        except AttError as error:
            raise BluetoothError(BluetoothReason.NOT_OUR_SERVICE, str(error)) from error

    async def _subscribe(self, channel: Channel) -> None:
        def notified(_: BleakGATTCharacteristic, value: bytearray) -> None:
            if not self._over.done() and self._events is not None:
                self._events.notified(channel, bytes(value))

        # StartNotify, not AcquireNotify: before 5.86 bluetoothd dies of an acquired descriptor
        # if the link is lost while it is being acquired, or its owner leaves the bus first,
        # as any process does that is killed (BlueZ commits 476ae809a, a94f99420).  With it
        # the values pass over the system bus, where others may see what is on the air anyway.
        with translated(BluetoothReason.TRANSPORT):
            await self._client.start_notify(
                self._characteristics[channel], notified, bluez={"use_start_notify": True}
            )

    async def unsubscribe(self, channel: Channel) -> None:
        """Switch notifications off."""
        with on_a_link(), translated(BluetoothReason.TRANSPORT):
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
            with on_a_link(), translated(BluetoothReason.LINK_LOST):
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

    async def _while_up(
        self, operation: Coroutine[Any, Any, None], limit: float | None = None
    ) -> None:
        """Run the operation, but give it up with LINK_LOST as soon as the link is over.

        Raises `TimeoutError` after `limit` seconds.
        """
        task = asyncio.ensure_future(operation)
        task.add_done_callback(_look_at)
        try:
            if not self._over.done():
                first = asyncio.FIRST_COMPLETED
                await asyncio.wait({task, self._over}, timeout=limit, return_when=first)
        finally:
            task.cancel()
            await asyncio.wait({task}, timeout=PARTING)
        if self._over.done():
            raise BluetoothError(BluetoothReason.LINK_LOST, "the link is down")
        if not task.done() or task.cancelled():
            raise TimeoutError
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


def _look_at(task: asyncio.Future[None]) -> None:
    """Nobody may be left to hear how it ended, which is not to be warned about."""
    if not task.cancelled():
        task.exception()
