"""One radio: an HCI transport, a Bumble device on it, and one way to wait for either."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

from bumble import core, hci
from bumble.att import ATT_Error
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.transport import open_transport
from bumble.transport.common import Transport

from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.virtual.att import AttHost, StrictServer

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_OPEN_SECONDS: Final = 10.0  # a dongle may want its firmware first
_CLOSE_SECONDS: Final = 1.0


class Radio:
    """An open controller.  `lost` is done when its transport has gone away."""

    def __init__(self, transport: Transport, mtu: int) -> None:
        self.host = AttHost(transport.source, transport.sink, self._on_flood)
        # A fresh static random address: the adapter's own would follow its owner around.
        self.device = Device(
            config=DeviceConfiguration(
                name="", address=hci.Address.generate_static_address(), gatt_service_enabled=False
            ),
            host=self.host,
        )
        self.server = StrictServer.take_over(self.device, mtu)
        # Bumble keeps the last advert of every address it ever heard; nobody here asks.
        self.host.remove_listener("advertising_report", self.device.on_advertising_report)
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport = transport
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leaving: dict[Connection, asyncio.Task[None]] = {}
        transport.source.terminated.add_done_callback(self._on_terminated)

    @classmethod
    async def open(cls, spec: str, mtu: int) -> Radio:
        """Open a transport and start the controller behind it.

        `spec` is "air:HOST:PORT", "air:PATH" or any transport name Bumble knows ("usb:0",
        "hci-socket:0").  Raises `BluetoothError`: TRANSPORT if there is no such transport,
        NO_ADAPTER if nothing answers on it.
        """
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                transport = await open_transport(_bumble_name(spec))
        except Exception as error:  # each transport's library raises its own
            raise BluetoothError(BluetoothReason.TRANSPORT, f"{spec}: {error}") from error
        radio = cls(transport, mtu)
        try:
            await radio.run(
                radio.device.power_on(), reason=BluetoothReason.NO_ADAPTER, seconds=_OPEN_SECONDS
            )
        except BaseException:
            await radio.close()
            raise
        return radio

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something to its end in the background; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    async def run(
        self,
        work: Coroutine[Any, Any, T] | asyncio.Task[T],
        *,
        lost: asyncio.Future[None] | None = None,
        reason: BluetoothReason = BluetoothReason.TRANSPORT,
        seconds: float | None = None,
    ) -> T:
        """Await Bumble's `work`, but only while the link (`lost`; else the radio) lives.

        `work` itself is never cancelled, or Bumble would take the answer to this HCI command
        for that of the next one.  Raises `AttError` if the peer refused, `BluetoothError`
        with LINK_LOST or STACK_LOST, or with `reason` for all else.
        """
        gone = self.lost if lost is None else lost
        if gone.done():
            work.close() if isinstance(work, Coroutine) else work.cancel()
            raise self._lost_error(gone)
        task = work if isinstance(work, asyncio.Task) else self.spawn(work)
        either: set[asyncio.Future[Any]] = {task, gone}
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() and not gone.done():
            raise BluetoothError(reason, f"no answer in time: {seconds} s")
        # Bumble cancels what waits for an answer when the link or the transport goes.
        if not task.done() or task.cancelled():
            raise self._lost_error(gone)
        try:
            return task.result()
        except ATT_Error as error:
            raise AttError(error.error_code) from error
        except (core.BaseBumbleError, OSError, struct.error) as error:
            raise BluetoothError(reason, str(error)) from error

    def _lost_error(self, gone: asyncio.Future[None]) -> BluetoothError:
        stack = gone is self.lost or self.lost.done()
        return BluetoothError(BluetoothReason.STACK_LOST if stack else BluetoothReason.LINK_LOST)

    def is_up(self, connection: Connection) -> bool:
        """Whether this link still exists."""
        return self.device.connections.get(connection.handle) is connection

    def drop(self, connection: Connection) -> None:
        """End a link without waiting for the controller; nothing happens if it is gone."""
        if self.is_up(connection) and connection not in self._leaving and not self.lost.done():
            task = self._leaving[connection] = self.spawn(connection.disconnect())
            task.add_done_callback(lambda _: self._leaving.pop(connection, None))

    async def until_free(self, address: hci.Address) -> None:
        """Wait until a link to this peer that is being ended is down."""
        for connection, task in list(self._leaving.items()):
            if connection.peer_address == address:
                await asyncio.wait({task})

    async def close(self) -> None:
        """End all links, reset the controller and let go of it."""
        if not self.lost.done():
            for connection in list(self.device.connections.values()):
                self.drop(connection)
            await self._finish_tasks()
            with contextlib.suppress(BluetoothError):
                reset = self.host.send_sync_command(hci.HCI_Reset_Command())
                await self.run(reset, seconds=_CLOSE_SECONDS)
        with contextlib.suppress(OSError):
            await self._transport.close()
        self.host.on_transport_lost()
        await self._finish_tasks()
        if isinstance(self._transport.source, asyncio.Protocol):  # a socket closes a turn later
            await asyncio.wait({self._transport.source.terminated}, timeout=_CLOSE_SECONDS)

    async def _finish_tasks(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.debug("radio: %r", error)

    def _on_terminated(self, terminated: asyncio.Future[None]) -> None:
        if not terminated.cancelled() and (error := terminated.exception()) is not None:
            logger.info("the transport failed: %r", error)
        if not self.lost.done():
            self.lost.set_result(None)
        self.host.on_transport_lost()

    def _on_flood(self, handle: int) -> None:
        if (connection := self.device.connections.get(handle)) is not None:
            logger.info("%s asks without listening: disconnected", connection.peer_address)
            self.drop(connection)


def tell(event: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call the application.  Its failure is logged here: Bumble would take it for the peer's."""
    try:
        event(*args, **kwargs)
    except Exception:
        logger.exception("the application failed on an event")


def _bumble_name(spec: str) -> str:
    """Bumble's name of a transport: the air is a TCP or a unix socket."""
    scheme, _, where = spec.partition(":")
    if scheme != "air":
        return spec
    host, _, port = where.rpartition(":")
    return f"tcp-client:{where}" if host and port.isdecimal() else f"unix:{where}"
