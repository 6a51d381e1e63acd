"""A radio between two processes of one machine, without Bluetooth: what the ports promise.

Adverts are datagrams to whoever scans, a link is a socket: it ends with its process.  Everything
above (drivers, framing, sessions) is the product's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.ports import Advert, Channel, LinkEvents, PeripheralEvents

INTERVAL: Final = 0.02  # seconds between adverts
MTU: Final = 185
PACKET: Final = 1024
CHANNELS: Final = tuple(Channel)

_links = count(1)


def _address(air: str, who: str) -> str:
    return f"\0nearproof-crashes-{air}-{who}"  # abstract: it goes with its process


def _socket(kind: int) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, kind)
    made.setblocking(False)
    return made


class SocketPeripheral:
    """OLD's radio."""

    def __init__(self, air: str) -> None:
        self._air = air
        self._links: dict[str, socket.socket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._advertising: asyncio.Task[None] | None = None

    async def open(self, events: PeripheralEvents) -> None:
        """Listen for links."""
        self._events = events
        self._listener = _socket(socket.SOCK_SEQPACKET)
        self._listener.bind(_address(self._air, "old"))
        self._listener.listen()
        self._spawn(self._accept())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self) -> None:
        while True:
            link, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            link.setblocking(False)
            self._spawn(self._serve(f"central-{next(_links)}", link))

    async def _serve(self, central: str, link: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._links[central] = link
        self._events.connected(central)
        try:
            with contextlib.suppress(OSError):
                while packet := await loop.sock_recv(link, PACKET):
                    channel, code = CHANNELS[packet[1]], 0
                    if packet[0:1] == b"S":
                        self._events.subscribed(central, channel)
                    else:
                        try:
                            self._events.written(central, channel, packet[2:])
                        except AttError as error:
                            code = error.code
                    await loop.sock_sendall(link, b"R" + bytes([code]))
        finally:
            self._links.pop(central, None)
            link.close()
            self._events.disconnected(central)

    async def advertise(self, eid: bytes) -> None:
        """Until told to stop."""
        await self.stop_advertising()
        self._advertising = self._spawn(self._advertise(eid))

    async def _advertise(self, eid: bytes) -> None:
        with _socket(socket.SOCK_DGRAM) as air:
            while True:
                with contextlib.suppress(OSError):
                    air.sendto(eid, _address(self._air, "new"))
                await asyncio.sleep(INTERVAL)

    async def stop_advertising(self) -> None:
        """Nothing happens if it was not."""
        if self._advertising is not None:
            self._advertising.cancel()
            self._advertising = None

    def mtu(self, central: str) -> int:
        """The same for every link."""
        return MTU

    async def notify(self, central: str, channel: Channel, value: bytes) -> None:
        """One packet."""
        try:
            packet = b"N" + bytes([CHANNELS.index(channel)]) + value
            await asyncio.get_running_loop().sock_sendall(self._links[central], packet)
        except (KeyError, OSError):
            raise BluetoothError(BluetoothReason.LINK_LOST) from None

    async def disconnect(self, central: str) -> None:
        """End the link."""
        if link := self._links.get(central):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """Let everything go."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()


class SocketLink:
    """NEW's end of a link."""

    mtu = MTU

    def __init__(self, link: socket.socket, events: LinkEvents) -> None:
        self._link = link
        self._events = events
        self._turn = asyncio.Lock()
        self._answers: asyncio.Queue[int | None] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(OSError):
            while packet := await asyncio.get_running_loop().sock_recv(self._link, PACKET):
                if packet[0:1] == b"R":
                    self._answers.put_nowait(packet[1])
                else:
                    self._events.notified(CHANNELS[packet[1]], packet[2:])
        self._answers.put_nowait(None)
        self._events.lost()

    async def _ask(self, packet: bytes) -> None:
        async with self._turn:
            try:
                await asyncio.get_running_loop().sock_sendall(self._link, packet)
            except OSError:
                raise BluetoothError(BluetoothReason.LINK_LOST) from None
            code = await self._answers.get()
        if code is None:
            self._answers.put_nowait(None)
            raise BluetoothError(BluetoothReason.LINK_LOST)
        if code:
            raise AttError(code)

    async def subscribe(self, channel: Channel) -> None:
        """Switch notifications on."""
        await self._ask(b"S" + bytes([CHANNELS.index(channel)]))

    async def unsubscribe(self, channel: Channel) -> None:
        """They stay on."""

    async def write(self, channel: Channel, value: bytes) -> None:
        """Write, and wait for the answer."""
        await self._ask(b"W" + bytes([CHANNELS.index(channel)]) + value)

    async def disconnect(self) -> None:
        """End it."""
        self._reading.cancel()
        self._link.close()


class SocketCentral:
    """NEW's radio."""

    def __init__(self, air: str) -> None:
        self._air = air

    async def open(self) -> None:
        """Nothing to take."""

    @asynccontextmanager
    async def scan(self) -> AsyncIterator[AsyncIterator[Advert]]:
        """What is heard while the context is open."""
        with _socket(socket.SOCK_DGRAM) as heard:
            heard.bind(_address(self._air, "new"))

            async def adverts() -> AsyncIterator[Advert]:
                while True:
                    eid = await asyncio.get_running_loop().sock_recv(heard, PACKET)
                    yield Advert((eid,), -50, "old")

            yield adverts()

    async def connect(self, advert: Advert, events: LinkEvents) -> SocketLink:
        """A link to OLD, if it is there."""
        link = _socket(socket.SOCK_SEQPACKET)
        try:
            await asyncio.get_running_loop().sock_connect(link, _address(self._air, "old"))
        except OSError:
            link.close()
            raise BluetoothError(BluetoothReason.CONNECT_FAILED) from None
        return SocketLink(link, events)

    async def close(self) -> None:
        """Nothing to put back."""
