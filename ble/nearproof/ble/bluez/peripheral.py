"""OLD's radio through BlueZ: `nearproof.ble.ports.Peripheral`.

bluetoothd may forget everything at any time: a restart, a USB reset on resume, the adapter
switched off.  So nothing is done just once.  Signals from BlueZ change what we know of it
and wake one task, `_keep`, which brings back whatever is missing.  What is away for longer
than such things take is told as `failed`, with what the preflight says of it.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import sleep
from collections.abc import Mapping
from typing import Any, Final

from dbus_next.signature import Variant

from nearproof.ble.bluez.adapter import AdapterFacts, Role, preflight
from nearproof.ble.bluez.advert import Advertiser
from nearproof.ble.bluez.att import longest_value
from nearproof.ble.bluez.gatt_server import GattServer
from nearproof.ble.bluez.guardian import Guardian
from nearproof.ble.bluez.lock import SessionLock
from nearproof.ble.bluez.names import (
    ADAPTER,
    BLUEZ,
    BUS,
    BUS_PATH,
    DEVICE,
    OBJECT_MANAGER,
    OBJECTS_RULE,
    OWNER_RULE,
    PROPERTIES,
    PROPERTIES_RULE,
)
from nearproof.ble.bluez.signals import (
    Added,
    BusMessage,
    Changed,
    OwnerChanged,
    Removed,
    Signal,
    read_signal,
)
from nearproof.ble.errors import BluetoothError, BluetoothReason
from nearproof.ble.framing import MAX_MTU, MIN_MTU
from nearproof.ble.ports import Channel, PeripheralEvents

log = logging.getLogger(__name__)

AGAIN: Final = 2.0  # seconds until a rebuild that failed is tried again, signal or none
COMEBACK: Final = 10.0  # seconds the stack may be away; bluetoothd restarts in 1 to 3


class BluezPeripheral:
    """Advertises and serves on one adapter ("hci0"), once.

    A central is named by the object path of its device.  Every failure is a `BluetoothError`:
    `open` raises those of the preflight and SESSION_BUSY, `advertise` ADVERT_REFUSED (while the
    stack is away it keeps the wish), and whatever else needs a bluetoothd that has gone raises
    STACK_LOST.
    """

    def __init__(self, adapter: str = "hci0") -> None:
        self._adapter = adapter
        self._session: _Session | None = None

    async def open(self, events: PeripheralEvents) -> None:
        """Take the adapter and register the service."""
        if self._session is not None:
            raise BluetoothError(BluetoothReason.SESSION_BUSY, "the peripheral is open already")
        facts = await preflight(self._adapter, Role.PERIPHERAL)
        session = _Session(facts, SessionLock(facts.address), events)
        try:
            await session.open()
        except BaseException:
            await session.close()
            raise
        self._session = session

    async def advertise(self, eid: bytes) -> None:
        """Advertise the 16-byte EID until told to stop."""
        if len(eid) != 16:
            raise ValueError("an EID has 16 bytes")
        await self._opened().advertise(eid)

    async def stop_advertising(self) -> None:
        """Stop; nothing happens if it was not advertising."""
        if self._session is not None:
            await self._session.advertise(None)

    def mtu(self, central: str) -> int:
        """The ATT_MTU of this central's link, as its last write told; 23 before, 517 at most."""
        return min(self._opened().links.get(central, MIN_MTU), MAX_MTU)

    async def notify(self, central: str, channel: Channel, value: bytes) -> None:
        """Send one notification, at most MTU - 3 and 512 bytes.

        BlueZ sends it to every subscriber of the channel.
        """
        session = self._opened()
        if central not in session.links:
            raise BluetoothError(BluetoothReason.LINK_LOST, "the central is gone")
        if len(value) > longest_value(self.mtu(central)):
            raise ValueError("the notification would be cut to the MTU")
        await session.server.notify(channel, value)

    async def disconnect(self, central: str) -> None:
        """End this central's link; `disconnected` follows when it is down, after 2 s or so."""
        if self._session is not None and central in self._session.links:
            # Its reply would come after the 2 s that bluetoothd takes.
            await self._session.server.tell(central, DEVICE, "Disconnect")

    async def close(self) -> None:
        """Stop everything and put the adapter back as it was found.  Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> _Session:
        if self._session is None:
            raise BluetoothError(BluetoothReason.TRANSPORT, "the peripheral is not open")
        return self._session


class _Session:
    """One D-Bus connection, and what BlueZ has told on it."""

    def __init__(self, facts: AdapterFacts, lock: SessionLock, events: PeripheralEvents) -> None:
        self._adapter = facts.path.rpartition("/")[2]
        self._path = facts.path
        self._guardian = Guardian(facts.path) if facts.discoverable else None
        self._lock = lock
        self._events = events
        self.links: dict[str, int] = {}  # central -> ATT_MTU
        self._paired: set[str] = set()  # devices
        self._present = True  # the adapter is there,
        self._powered = True  # is on,
        self._registered = False  # and has our application
        self._wake = asyncio.Event()
        self._missing: asyncio.Task[None] | None = None  # runs while the stack is away
        self._tasks: list[asyncio.Task[None]] = []
        self.server = GattServer(self._path, self._written, self._subscribed)
        self._advertiser = Advertiser(self.server, self._path, released=self._wake.set)

    async def open(self) -> None:
        await self.server.build()
        self.server.bus.add_message_handler(self._message)
        self.server.bus.add_message_handler(self._advertiser.handle)
        await self.server.follow(OWNER_RULE, OBJECTS_RULE, PROPERTIES_RULE)
        (objects,) = await self.server.call("/", OBJECT_MANAGER, "GetManagedObjects")
        for path, interfaces in objects.items():
            paired = interfaces.get(DEVICE, {}).get("Paired")
            if paired is not None and paired.value:
                self._paired.add(path)
        if self._guardian is not None:
            await self._guardian.start()
        await self._register()
        self._tasks = [
            asyncio.create_task(self._keep()),
            asyncio.create_task(self._until_the_end()),
        ]

    async def advertise(self, eid: bytes | None) -> None:
        self._advertiser.wanted = eid
        if not (self._registered and self._powered):
            return  # `_keep` does it when the adapter is back
        try:
            await self._advertiser.renew()
        except BluetoothError:
            # Whatever went away while it was asked has been told before its answer.
            if self._registered and self._powered:
                self._advertiser.wanted = None
                raise

    async def close(self) -> None:
        tasks = [*self._tasks, *([self._missing] if self._missing is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        shown = False
        try:
            for central in self.links:
                await self.server.tell(central, DEVICE, "Disconnect")
            if self._guardian is not None:
                await self._set_discoverable(True)
                shown = True
        except BluetoothError as error:
            log.warning("the adapter could not be put back as it was: %s", error)
        finally:
            if self._guardian is not None:
                await self._guardian.dismiss(needed=not shown)
            # The advert and the application go with the connection.
            await self.server.stop()
            self._lock.release()

    # -- making it so ------------------------------------------------------------

    async def _keep(self) -> None:
        """Whenever BlueZ has changed, bring back what is missing."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._present and not self._registered:
                    await self._register()
                if self._registered and self._powered:
                    await self._advertiser.renew()
            except BluetoothError as error:
                log.info("Bluetooth is not ready yet: %s", error)
                asyncio.get_running_loop().call_later(AGAIN, self._wake.set)

    async def _until_the_end(self) -> None:
        await self.server.ended()
        self._adapter_lost()
        self._found()
        reason = BluetoothReason.NO_DBUS  # a process has but one system bus in its life
        self._events.failed(BluetoothError(reason, "the system bus has ended"))

    async def _register(self) -> None:
        # While the adapter is discoverable the advert lacks "BR/EDR not supported", and a
        # central may dial classic Bluetooth.
        await self._set_discoverable(False)
        await self.server.start()
        self._registered = True

    async def _set_discoverable(self, value: bool) -> None:
        await self.server.call(
            self._path, PROPERTIES, "Set", "ssv", ADAPTER, "Discoverable", Variant("b", value)
        )

    async def _revive(self) -> None:
        """Have the bus start a bluetoothd that has crashed: not every system does by itself."""
        arguments = (BLUEZ, 0)
        try:
            await self.server.call(
                BUS_PATH, BUS, "StartServiceByName", "su", *arguments, destination=BUS
            )
        except BluetoothError as error:
            log.info("the bus does not start bluetoothd: %s", error)

    async def _miss(self, *, crashed: bool) -> None:
        """While the stack is away; when it was for too long, the preflight says what is wrong."""
        if crashed:
            await self._revive()
        await sleep(COMEBACK)
        try:
            await preflight(self._adapter, Role.PERIPHERAL)
        except BluetoothError as error:
            self._events.failed(error)

    # -- what BlueZ tells --------------------------------------------------------

    def _message(self, message: BusMessage) -> None:
        for signal in read_signal(message):
            self._signal(signal)

    def _signal(self, signal: Signal) -> None:
        match signal:
            case OwnerChanged(present):
                # When it comes back its objects follow, and with them `Added`.
                if not present:
                    # One that is stopped takes its adapter's object away before.
                    self._adapter_lost(crashed=self._present)
            case Removed(path, interface):
                if (path, interface) == (self._path, ADAPTER):
                    self._adapter_lost()
                elif interface == DEVICE:
                    self._paired.discard(path)
                    self._unlink(path)
            case Added(path, interface, properties) | Changed(path, interface, properties):
                if (path, interface) == (self._path, ADAPTER):
                    self._adapter_changed(properties)
                elif interface == DEVICE and path.startswith(self._path + "/"):
                    self._device_changed(path, properties)

    def _adapter_lost(self, *, crashed: bool = False) -> None:
        if self._present:
            self._present = self._powered = self._registered = False
            self._lost(crashed=crashed)

    def _lost(self, *, crashed: bool = False) -> None:
        self._found()
        self._missing = asyncio.create_task(self._miss(crashed=crashed))
        self._drop_links()

    def _found(self) -> None:
        if self._missing is not None:
            self._missing.cancel()
            self._missing = None

    def _adapter_changed(self, properties: Mapping[str, Any]) -> None:
        before = self._present, self._powered
        self._present = True
        self._powered = properties.get("Powered", self._powered)
        if (self._present, self._powered) == before:
            return
        self._wake.set()
        if before == (True, True):  # switched off: the links are down, the application stays
            self._lost()
        elif self._powered:
            self._found()

    def _device_changed(self, path: str, properties: Mapping[str, Any]) -> None:
        paired, connected = properties.get("Paired"), properties.get("Connected")
        if paired is True:
            self._paired.add(path)
        elif paired is False:
            self._paired.discard(path)
        # A paired device that connects is the user's own mouse or headset, not NEW, and must
        # not be disconnected for its silence.  If it is NEW after all, its write says so.
        if connected is True and path not in self._paired:
            self._link(path)
        elif connected is False:
            self._unlink(path)

    def _link(self, central: str) -> None:
        if central not in self.links:
            self.links[central] = MIN_MTU
            self._events.connected(central)

    def _unlink(self, central: str) -> None:
        if self.links.pop(central, None) is not None:
            # A connection stops the advert in the controller; only a new one brings it back.
            self._wake.set()
            self._events.disconnected(central)

    def _drop_links(self) -> None:
        for central in list(self.links):
            self._unlink(central)
        self._events.stack_lost()

    def _written(self, central: str, mtu: int, channel: Channel, value: bytes) -> None:
        self._link(central)
        self.links[central] = mtu
        self._events.written(central, channel, value)

    def _subscribed(self, channel: Channel) -> None:
        self._events.subscribed(None, channel)
