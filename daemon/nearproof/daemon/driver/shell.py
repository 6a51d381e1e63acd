"""What both drivers share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from nearproof.ble.framing import split
from nearproof.ble.ports import Channel
from nearproof.crypto.errors import LocalError
from nearproof.crypto.session import actions as do
from nearproof.crypto.session.new import NewSession
from nearproof.crypto.session.old import OldSession
from nearproof.daemon.clock import boottime

Tell = Callable[[do.Event], None]


class Shell:
    """What both drivers share: drain the session, keep its timer, run tasks, end once."""

    def __init__(self, tell: Tell) -> None:
        self._session: OldSession | NewSession | None = None
        self._tell = tell
        self.ended: do.Ended | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: asyncio.Future[do.Ended | None] = asyncio.get_running_loop().create_future()

    def _pump(self) -> None:
        """Carry out everything the session has asked for, tell, and re-arm its one timer.

        An error in here, such as a reader of the events that is gone, ends the session's run:
        it must not leave a session without a clock.
        """
        session = self._session
        if session is None:
            return
        outputs = session.outputs()
        try:
            for output in outputs:
                if isinstance(output, do.Action):
                    self._carry_out(output)
            for output in outputs:
                if not isinstance(output, do.Action):
                    self._told(output)
                    self._tell(output)
        except Exception as error:
            self._fail(error)
        self._set_timer(session)

    def _set_timer(self, session: OldSession | NewSession) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = session.deadline()
        if deadline is not None and not self._end.done():
            # At most a second ahead: the loop's clock stands still while the laptop sleeps.
            delay = min(max(deadline - boottime(), 0) / 1e6, 1.0)
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        if self._session is not None:
            self._session.tick(boottime())
            self._pump()

    def cancel(self) -> None:
        """The user gives up; nothing happens to a session that is over."""
        if self._session is not None:
            with contextlib.suppress(LocalError):
                self._session.cancel(boottime())
            self._pump()

    def _told(self, event: do.Event) -> None:
        if isinstance(event, do.Ended):
            self.ended = event
            self._finish(event)

    def _fail(self, error: BaseException) -> None:
        if not self._end.done():
            self._end.set_exception(error)

    def _finish(self, end: do.Ended | None) -> None:
        if not self._end.done():
            self._end.set_result(end)

    def _carry_out(self, action: do.Action) -> None:
        raise NotImplementedError

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)

    async def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Sender:
    """Sends what one link is given, in order: never two messages at once."""

    def __init__(
        self, send: Callable[[Channel, bytes], Coroutine[Any, Any, None]], mtu: Callable[[], int]
    ) -> None:
        self._send = send
        self._mtu = mtu
        # Bounded by the session: it has one answer a message, and one round open.
        self._queue: asyncio.Queue[tuple[Channel, bytes, Callable[[], None] | None]] = (
            asyncio.Queue()
        )

    def put(self, channel: Channel, value: bytes, sent: Callable[[], None] | None = None) -> None:
        """Queue a message (to be framed) or a round; `sent` is called when it is through."""
        self._queue.put_nowait((channel, value, sent))

    async def run(self) -> None:
        """Send until cancelled, or until the link raises (ValueError: its MTU shrank meanwhile)."""
        while True:
            channel, value, sent = await self._queue.get()
            framed = channel is Channel.MESSAGES
            for frame in split(value, self._mtu()) if framed else [value]:
                await self._send(channel, frame)
            if sent is not None:
                sent()
