"""The command line's end: what the service says is told, asked and shown here.

Where a daemon serves this home the connection goes there; otherwise the same service runs in
this process, at the other end of a socket pair.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from nearproof.config.home import Home
from nearproof.daemon.console import Front, InputNeeded
from nearproof.daemon.control import interface as io
from nearproof.daemon.control import sockets, varlink
from nearproof.daemon.control.errors import DaemonError, DaemonReason
from nearproof.daemon.control.varlink import MAX_REPLY, Call, Link, Malformed, Reply
from nearproof.daemon.outcomes import EndedElsewhere
from nearproof.daemon.views import View

T = TypeVar("T")

LAST_WORDS: Final = 15.0  # seconds for a stopped method to put radios and files back

Dial = Callable[[], Awaitable[Link]]


@contextlib.asynccontextmanager
async def service_of(home: Home, path: Path | None) -> AsyncIterator[Dial]:
    """How to reach the service of this home: its daemon's, else one of this process."""
    link = await sockets.dial(path)
    if link is None:
        async with _own_service(home) as dial:
            yield dial
        return
    await link.close()

    async def to_daemon() -> Link:
        link = await sockets.dial(path)
        if link is None:
            raise DaemonError(DaemonReason.LOST)
        return link

    yield to_daemon


@contextlib.asynccontextmanager
async def _own_service(home: Home) -> AsyncIterator[Dial]:
    from nearproof.daemon.control.laptopd import LaptopService
    from nearproof.daemon.control.serving import Connections

    service = LaptopService(home, daemon=False, changed=lambda: None)
    connections = Connections(service.methods())

    async def dial() -> Link:
        ours, theirs = socket.socketpair()
        connections.take(theirs)
        return Link(*await asyncio.open_unix_connection(sock=ours, limit=MAX_REPLY))

    try:
        yield dial
    finally:
        await connections.close()


async def call(dial: Dial, method: str, shape: type[T], takes: msgspec.Struct | None = None) -> T:
    """Call a method that answers once.

    Raises `EndedElsewhere`, `DaemonError`, and `VarlinkError` for errors of other names.
    """
    async with await dial() as link:
        link.send(Call(f"{io.INTERFACE}.{method}", varlink.raw(takes or io.Nothing())))
        return _parameters(await _reply(link), shape)


async def _reply(link: Link) -> Reply:
    """The next reply.  Raises `DaemonError`."""
    try:
        reply = await link.receive(Reply)
    except Malformed as error:
        raise DaemonError(DaemonReason.FOREIGN, str(error)) from None
    except ConnectionError:
        reply = None
    if reply is None:
        raise DaemonError(DaemonReason.LOST)
    return reply


def _parameters(reply: Reply, shape: type[T]) -> T:
    try:
        if reply.error == io.FAILED:
            raise EndedElsewhere(msgspec.json.decode(reply.parameters, type=io.Failed).failure)
        if reply.error == io.NO_SUCH_QUESTION:
            raise varlink.VarlinkError(reply.error)
        if reply.error is not None:  # of a daemon of another version, after an update
            raise DaemonError(DaemonReason.FOREIGN, reply.error)
        return msgspec.json.decode(reply.parameters, type=shape)
    except msgspec.MsgspecError as error:
        raise DaemonError(DaemonReason.FOREIGN, str(error)) from None


class Run:
    """One method that takes a person through something, and the person: `front`.

    `view` shows the QR code.  Ctrl-C stops the method, and its last words are still heard.
    """

    def __init__(self, dial: Dial, front: Front, view: View | None = None) -> None:
        self._dial = dial
        self._front = front
        self._view = view
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __call__(self, method: str, takes: msgspec.Struct) -> io.SaidReply:
        """Call it; returns its last reply.  Raises as `call`, and what the front or view does."""
        async with await self._dial() as link, contextlib.AsyncExitStack() as screen:
            call = Call(f"{io.INTERFACE}.{method}", varlink.raw(takes), more=True)
            link.send(call)
            try:
                return await self._watched(self._hear(link, screen))
            except asyncio.CancelledError:
                link.end()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WORDS):
                        return await self._hear(link, screen)
                raise
            finally:
                await self._stop_asking()

    async def _watched(self, hearing: Awaitable[io.SaidReply]) -> io.SaidReply:
        """Hear until the end, or until a question could not be asked."""
        task = asyncio.ensure_future(hearing)
        try:
            both: set[asyncio.Future[Any]] = {task, self._failed}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _hear(self, link: Link, screen: contextlib.AsyncExitStack) -> io.SaidReply:
        while True:
            reply = await _reply(link)
            last = _parameters(reply, io.SaidReply)
            if not reply.continues:
                return last
            if last.said is not None:
                await self._said(last.said, screen)

    async def _said(self, said: io.Said, screen: contextlib.AsyncExitStack) -> None:
        if said.told is not None:
            self._front.tell(said.told.event, said.told.step, **said.told.fields)
        if said.text is not None:
            self._front.show(said.text)
        if said.asked is not None:
            self._ask(said.command, said.asked)
        if said.dropped is not None and (asking := self._asking.pop(said.dropped, None)):
            asking.cancel()
            await asyncio.wait({asking})
        if said.qr is not None and self._view is not None:
            await screen.enter_async_context(self._view(said.qr))
        if said.qr_gone:
            await screen.aclose()
        if said.frame is not None:
            self._front.preview(said.frame.width, said.frame.height, said.frame.grey)

    def _ask(self, command: str, question: io.Question) -> None:
        """Ask beside the hearing: a question may be dropped."""

        async def ask() -> None:
            value: str | None
            try:
                value = await self._front.ask(
                    question.what, question.step, hidden=question.hidden, **question.fields
                )
            except InputNeeded:
                value = None
            answer = io.Answer(command, question.number, value)
            # The question may have been dropped meanwhile, or the daemon may have gone, which
            # the method's own connection tells.
            with contextlib.suppress(varlink.VarlinkError, DaemonError, ConnectionError):
                await call(self._dial, "Answer", io.Nothing, answer)

        def done(task: asyncio.Task[None]) -> None:
            self._asking.pop(question.number, None)
            if not task.cancelled() and (error := task.exception()) and not self._failed.done():
                self._failed.set_exception(error)

        task = self._asking[question.number] = asyncio.create_task(ask())
        task.add_done_callback(done)

    async def _stop_asking(self) -> None:
        asking = set(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        if self._failed.done():
            self._failed.exception()
