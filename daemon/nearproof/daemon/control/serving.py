"""One connection to the service: call after call, in order, as Varlink wants it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from nearproof.daemon.control import varlink
from nearproof.daemon.control.interface import FAILED, INTERFACE, Failed, Nothing, description
from nearproof.daemon.control.sockets import same_user
from nearproof.daemon.control.varlink import SERVICE, Call, Link, Malformed, Reply, VarlinkError
from nearproof.daemon.logs import log
from nearproof.daemon.outcomes import failure_of

WAITING_CALLS: Final = 16  # that a client may send ahead

SERVICE_DESCRIPTION: Final = """\
# What every Varlink service tells of itself.
interface org.varlink.service

method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
"""

Say = Callable[[msgspec.Struct], None]


@dataclass(frozen=True, slots=True)
class Method:
    """A method: its parameters' type, and what runs it and returns the last reply's parameters.

    A `streams` method is called with `more`, and may say something before; it is cancelled
    when its client is gone.
    """

    takes: type[msgspec.Struct]
    run: Callable[[Any, Say, Link], Awaitable[msgspec.Struct]]
    streams: bool = False


class Connections:
    """Every connection of one service, until `close`; `idle` is called when the last is gone."""

    def __init__(
        self, methods: Mapping[str, Method], idle: Callable[[], None] = lambda: None
    ) -> None:
        self._idle = idle
        self._methods = {f"{INTERFACE}.{name}": method for name, method in methods.items()}
        self._methods[f"{SERVICE}.GetInfo"] = Method(Nothing, _info)
        self._methods[f"{SERVICE}.GetInterfaceDescription"] = Method(_Described, _describe)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: BaseException | None = None

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._tasks)

    def take(self, connection: socket.socket) -> None:
        """Serve this one, if it is the same user's."""
        if not same_user(connection):
            log.warning("another user's process was turned away")
            connection.close()
            return
        task = asyncio.create_task(self._converse(connection))
        self._tasks.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("bug", exc_info=error)
        if not self._tasks:
            self._idle()

    async def close(self, reason: BaseException | None = None) -> None:
        """End them all: a running method is cancelled and fails with `reason`, or as cancelled."""
        self._ending = reason
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _converse(self, connection: socket.socket) -> None:
        streams = await asyncio.open_unix_connection(sock=connection, limit=varlink.MAX_CALL)
        async with Link(*streams) as link:
            calls: asyncio.Queue[Call | None] = asyncio.Queue()
            reading = asyncio.create_task(_read(link, calls))
            try:
                while (call := await calls.get()) is not None:
                    await self._answer(link, call, reading)
                if not reading.result():
                    refusal = varlink.invalid_parameter("message")
                    link.send(Reply(varlink.raw(refusal.parameters), error=refusal.name))
            except ConnectionError:
                pass  # the client is gone
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _answer(self, link: Link, call: Call, reading: asyncio.Task[bool]) -> None:
        """Run one method and send its last reply."""
        try:
            method = self._method(call)
            takes = varlink.read_parameters(call, method.takes)
            result = await self._run(method, takes, link, reading)
            reply = Reply(varlink.raw(result))
        except VarlinkError as refusal:
            reply = Reply(varlink.raw(refusal.parameters), error=refusal.name)
        except ConnectionError:
            raise
        except Exception as error:
            reply = _failed(error)
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionError):
                link.send(_failed(self._ending or KeyboardInterrupt()))
            raise
        if not call.oneway:
            link.send(reply)

    def _method(self, call: Call) -> Method:
        method = self._methods.get(call.method)
        if method is None:
            interface, _, _ = call.method.rpartition(".")
            if interface not in (INTERFACE, SERVICE):
                raise varlink.interface_not_found(interface)
            raise varlink.method_not_found(call.method)
        if method.streams and not call.more:
            raise varlink.expected_more()
        return method

    async def _run(
        self, method: Method, takes: Any, link: Link, reading: asyncio.Task[bool]
    ) -> msgspec.Struct:
        """A streaming method ends with its client; what that leaves undone is its own affair."""

        def say(parameters: msgspec.Struct) -> None:
            link.send(Reply(varlink.raw(parameters), continues=True))

        running = asyncio.ensure_future(method.run(takes, say, link))
        if not method.streams:
            return await running
        try:
            await asyncio.wait({running, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            running.cancel()
            await asyncio.wait({running})
        if running.cancelled():
            raise Stopped
        return running.result()


class Stopped(Exception):
    """The client has closed its end while a method was running."""


def _failed(error: BaseException) -> Reply:
    if isinstance(error, Stopped):
        error = KeyboardInterrupt()
    return Reply(varlink.raw(Failed(failure_of(error))), error=FAILED)


async def _read(link: Link, calls: asyncio.Queue[Call | None]) -> bool:
    """Queue the calls as they come, then the end; False if garbage was the end."""
    try:
        while (call := await link.receive(Call)) is not None:
            if calls.qsize() >= WAITING_CALLS:
                raise Malformed("too many calls at once")
            calls.put_nowait(call)
    except Malformed as error:
        log.info("garbage on the socket", why=str(error))
        return False
    except ConnectionError:
        pass
    finally:
        calls.put_nowait(None)
    return True


class _Described(msgspec.Struct, forbid_unknown_fields=True):
    interface: str


class _Description(msgspec.Struct):
    description: str


class _Info(msgspec.Struct):
    vendor: str
    product: str
    version: str
    url: str
    interfaces: tuple[str, ...]


async def _info(_takes: Nothing, _say: Say, _link: Link) -> _Info:
    from importlib import metadata

    version = metadata.version("nearproof")
    return _Info("nearproof", "nearproof", version, "", (SERVICE, INTERFACE))


async def _describe(takes: _Described, _say: Say, _link: Link) -> _Description:
    texts = {SERVICE: SERVICE_DESCRIPTION, INTERFACE: None}
    if takes.interface not in texts:
        raise varlink.interface_not_found(takes.interface)
    return _Description(texts[takes.interface] or description())
