"""NEW's radio through BlueZ: `nearproof.ble.ports.Central`."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final
from uuid import UUID

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from nearproof.ble.bluez.adapter import Role, preflight
from nearproof.ble.bluez.bleakfaults import connect_fault, translated
from nearproof.ble.bluez.devices import forget_device, forget_leftovers
from nearproof.ble.bluez.faults import AWAY, on_a_link
from nearproof.ble.bluez.link import BluezLink
from nearproof.ble.bluez.lock import SessionLock
from nearproof.ble.bluez.names import adapter_path
from nearproof.ble.bluez.retry import SCAN_WINDOW, Clockwork, retrying
from nearproof.ble.bluez.watch import StackWatch
from nearproof.ble.errors import BluetoothError, BluetoothReason
from nearproof.ble.ports import Advert, Link, LinkEvents

log = logging.getLogger(__name__)

# 16- and 32-bit UUIDs written out (Core Spec Vol 3 Part B 2.5.1): never an EID.
BASE_UUID_TAIL: Final = "-0000-1000-8000-00805f9b34fb"
NO_RSSI: Final = -127  # bleak's, for a device whose RSSI BlueZ does not know
BACKLOG: Final = 256  # adverts heard and not yet looked at; beyond that the oldest go
SCAN_TIMEOUT: Final = 5.0  # seconds to start or stop a scan; it takes milliseconds
CLOSING_TIME: Final = 3.0  # seconds; bluetoothd takes 2 to 2.7 to disconnect
COMEBACK_PAUSE: Final = 0.25  # seconds between tries to start a scan
COMEBACK_TRIES: Final = 40  # 10 s: bluetoothd restarts in 1 to 3, a person's switch takes longer
SETTLING_TIME: Final = 0.25  # seconds; a link that was lost is closed in 0.02

CLOCKWORK: Final = Clockwork(
    now=time.monotonic,
    sleep=asyncio.sleep,
    uniform=random.uniform,
)


class BluezCentral:
    """Scans and connects with one adapter ("hci0"), once.

    Every failure is a `BluetoothError`; `open` raises those of the preflight and
    SESSION_BUSY.  bleak keeps a D-Bus connection of its own for each event loop; it stays
    open after `close` and ends with the loop.
    """

    def __init__(self, adapter: str = "hci0", *, clockwork: Clockwork = CLOCKWORK) -> None:
        self._adapter = adapter
        self._path = adapter_path(adapter)
        self._clockwork = clockwork
        self._lock: SessionLock | None = None
        self._watch = StackWatch(self._path)
        self._links: set[BluezLink] = set()
        self._met: set[str] = set()  # paths of the devices that were dialled
        self._closing: dict[str, asyncio.Task[None]] = {}  # by the device's path

    async def open(self) -> None:
        """Take the adapter."""
        facts = await preflight(self._adapter, Role.CENTRAL)
        self._lock = SessionLock(facts.address)
        try:
            await self._watch.open()
            await forget_leftovers(self._watch.bus, self._path)
        except BaseException:
            await self.close()
            raise

    @asynccontextmanager
    async def scan(self) -> AsyncIterator[AsyncIterator[Advert]]:
        """Scan while the context is open, in windows of 8 s, each started afresh.

        BlueZ reports an unchanging advert once a scan, so that only a fresh one repeats it.
        Iterating raises `BluetoothError`: STACK_LOST, after which the next scan waits up to
        10 s for the stack to come back; POWERED_OFF, NO_ADAPTER, ... if it did not; NO_DBUS
        where the system bus itself is gone, which no wait brings back.
        """
        if self._closing:
            # What is still connected cannot be forgotten, and what is not forgotten not heard.
            await asyncio.wait(self._closing.values(), timeout=SETTLING_TIME)
        queue: asyncio.Queue[Advert | BluetoothReason] = asyncio.Queue()
        with self._watch.telling(lambda: queue.put_nowait(self._watch.loss)):
            async with aclosing(self._windows(queue)) as adverts:
                yield adverts

    async def connect(self, advert: Advert, events: LinkEvents) -> Link:
        """Connect to the advertiser and discover the PXP1 service.

        Tries again by the rules of `nearproof.ble.bluez.retry`; what it then raises calls for
        a fresh scan: CONNECT_FAILED, LINK_LOST, NOT_OUR_SERVICE.
        """
        device = advert.handle
        if not isinstance(device, BLEDevice):
            raise TypeError("the advert is another driver's")
        self._met.add(device.details["path"])
        with on_a_link():
            link = await retrying(lambda: self._try(device), connect_fault, self._clockwork)
        link.listen(events)
        return link

    async def close(self) -> None:
        """Stop everything and put the adapter back as it was found.  Idempotent."""
        for link in list(self._links):
            link.end()
        closing = set(self._closing.values())
        if closing:
            _, late = await asyncio.wait(closing, timeout=CLOSING_TIME)
            for task in late:
                task.cancel()
            await asyncio.wait(closing)
        await self._forget_met()
        self._met.clear()
        await self._watch.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    # -- scanning ----------------------------------------------------------------

    async def _windows(
        self, queue: asyncio.Queue[Advert | BluetoothReason]
    ) -> AsyncGenerator[Advert]:
        def heard(device: BLEDevice, data: AdvertisementData) -> None:
            advert = _advert(device, data)
            if advert is None:
                return
            if queue.qsize() >= BACKLOG:
                queue.get_nowait()
            queue.put_nowait(advert)

        while True:
            scanner = await self._start_scan(heard, queue)
            try:
                end = asyncio.get_running_loop().time() + SCAN_WINDOW
                while (advert := await _next(queue, end)) is not None:
                    yield advert
            finally:
                await _stop(scanner)

    async def _start_scan(
        self,
        heard: Callable[[BLEDevice, AdvertisementData], None],
        queue: asyncio.Queue[Advert | BluetoothReason],
    ) -> BleakScanner:
        """Start a scan; if the adapter is away, as while bluetoothd restarts, wait for it."""
        for last in [False] * COMEBACK_TRIES + [True]:
            # No service_uuids: BlueZ 5.87 crashes when a UUID filter matches.
            scanner = BleakScanner(heard, bluez={"adapter": self._adapter})
            await self._forget_met()
            try:
                await self._watch.settle()
                _forget_losses(queue)
                # bluetoothd forgets a call that it has in hand when the adapter is pulled out.
                with translated(BluetoothReason.STACK_LOST):
                    async with asyncio.timeout(SCAN_TIMEOUT):
                        await scanner.start()
            except BluetoothError as error:
                if error.reason not in AWAY:
                    raise
                if last:
                    await preflight(self._adapter, Role.CENTRAL)  # knows what is wrong
                    raise
                log.info("Bluetooth is away: %s", error)
                await self._clockwork.sleep(COMEBACK_PAUSE)
            else:
                break
        return scanner

    # -- connecting --------------------------------------------------------------

    async def _try(self, device: BLEDevice) -> BluezLink:
        path = device.details["path"]
        before = self._closing.get(path)
        if before is not None:
            # While bluetoothd disconnects, the device still counts as connected, and bleak
            # would take the dying connection for the new one.
            await asyncio.wait([before])

        def let_go() -> None:
            self._links.discard(link)
            self._watch.remove(link.end)
            task = asyncio.create_task(link.finish())
            self._closing[path] = task
            task.add_done_callback(lambda _: self._closing.pop(path))

        link = BluezLink(device, self._adapter, let_go)
        self._links.add(link)
        self._watch.add(link.end, path)
        await link.open()
        return link

    async def _forget_met(self) -> None:
        """Have BlueZ forget the laptops that were dialled and are not linked any more.

        Each time anew: it refuses while the adapter is off, and a bluetoothd that restarts
        reads them back from its disk.
        """
        for path in self._met - self._closing.keys():
            await forget_device(self._watch.bus, path)


async def _next(queue: asyncio.Queue[Advert | BluetoothReason], end: float) -> Advert | None:
    """The next advert heard, or None at the loop's time `end`."""
    try:
        async with asyncio.timeout_at(end):
            advert = await queue.get()
    except TimeoutError:
        return None
    if isinstance(advert, BluetoothReason):
        raise BluetoothError(advert, "Bluetooth went away during the scan")
    return advert


def _forget_losses(queue: asyncio.Queue[Advert | BluetoothReason]) -> None:
    """A stack that went before the scan started did not end that scan."""
    for _ in range(queue.qsize()):
        advert = queue.get_nowait()
        if isinstance(advert, Advert):
            queue.put_nowait(advert)


async def _stop(scanner: BleakScanner) -> None:
    try:
        async with asyncio.timeout(SCAN_TIMEOUT):
            await scanner.stop()
    except (BleakError, OSError, EOFError) as error:
        log.debug("the scan was over already: %s", error)


def _advert(device: BLEDevice, data: AdvertisementData) -> Advert | None:
    uuids = [uuid for uuid in data.service_uuids if not uuid.endswith(BASE_UUID_TAIL)]
    if not uuids:
        return None
    return Advert(
        service_uuids=tuple(UUID(uuid).bytes for uuid in uuids),
        rssi=None if data.rssi == NO_RSSI else data.rssi,
        peer=device.address,
        handle=device,
    )
