"""Ears of the central: what becomes of bluetoothd and of devices.

bleak notices neither a bluetoothd that dies (no disconnect callback in 40 s, tried) nor a
device that is removed while connected, hence a D-Bus connection of our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dbus_fast import Message
from dbus_fast.aio import MessageBus

from nearproof.ble.bluez import systembus
from nearproof.ble.bluez.names import (
    ADAPTER,
    BUS,
    BUS_PATH,
    DEVICE,
    OBJECTS_RULE,
    OWNER_RULE,
)
from nearproof.ble.bluez.signals import OwnerChanged, Removed, read_signal
from nearproof.ble.errors import BluetoothError, BluetoothReason

Gone = Callable[[], None]


class StackWatch:
    """Tells who asked when the bus, bluetoothd, the adapter or one device is gone."""

    def __init__(self, adapter_path: str) -> None:
        self._adapter_path = adapter_path
        self._waiting: dict[Gone, str] = {}
        self._bus: MessageBus | None = None
        self._listener: asyncio.Task[None] | None = None

    @property
    def bus(self) -> MessageBus:
        """The connection, for calls.  Raises `BluetoothError` (TRANSPORT) if it is not open."""
        if self._bus is None:
            raise BluetoothError(BluetoothReason.TRANSPORT, "the radio is not open")
        return self._bus

    @property
    def loss(self) -> BluetoothReason:
        """What a loss just told was that of: NO_DBUS for the bus itself, else STACK_LOST."""
        alive = self._bus is not None and self._bus.connected
        return BluetoothReason.STACK_LOST if alive else BluetoothReason.NO_DBUS

    async def open(self) -> None:
        """Start to listen.  Raises `BluetoothError`."""
        self._bus = await systembus.connect()
        self._bus.add_message_handler(self._message)
        await systembus.add_match(self._bus, OWNER_RULE)
        await systembus.add_match(self._bus, OBJECTS_RULE)
        self._listener = asyncio.create_task(self._until_the_end(self._bus))

    async def close(self) -> None:
        """Stop listening.  Idempotent."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.wait([listener])
        bus, self._bus = self._bus, None
        if bus is not None:
            await systembus.disconnect(bus)

    async def settle(self) -> None:
        """Return when all that happened on the bus before this call has been told.

        The bus delivers in order: its answer comes behind every signal sent before.
        Raises `BluetoothError`: NO_DBUS if the bus is gone.
        """
        # Not Peer.Ping: the system bus refuses it.
        await systembus.call(self.bus, BUS_PATH, BUS, "GetId", destination=BUS)

    @contextmanager
    def telling(self, gone: Gone) -> Iterator[None]:
        """While the block runs, call `gone` if bluetoothd or the adapter goes."""
        self.add(gone, self._adapter_path)
        try:
            yield
        finally:
            self.remove(gone)

    def add(self, gone: Gone, path: str) -> None:
        """Call `gone` when bluetoothd, the adapter or the object `path` goes."""
        self._waiting[gone] = path

    def remove(self, gone: Gone) -> None:
        """Do not call it any more; nothing happens if it was not to be called."""
        self._waiting.pop(gone, None)

    async def _until_the_end(self, bus: MessageBus) -> None:
        await systembus.ended(bus)
        self._tell(None)

    def _message(self, message: Message) -> None:
        for signal in read_signal(message):
            match signal:
                case OwnerChanged(present=False):
                    self._tell(None)
                case Removed(path, interface) if interface in (ADAPTER, DEVICE):
                    self._tell(None if path == self._adapter_path else path)

    def _tell(self, path: str | None) -> None:
        for gone, of in list(self._waiting.items()):
            if path is None or of == path:
                gone()
