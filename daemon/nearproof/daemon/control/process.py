"""The daemon: one process that serves the socket, hears for the account, and stays.

A role loads what derives keys, draws, scans and advertises, and Python gives none of it back.
So a process that has run one starts its program over once nobody is connected: the socket goes
on to listen, everything else is read from the home.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Final

from nearproof.config.home import Home
from nearproof.daemon.console import Console
from nearproof.daemon.control import systemd
from nearproof.daemon.control.errors import DaemonError, DaemonReason
from nearproof.daemon.control.laptopd import LaptopService
from nearproof.daemon.control.notices import CANCEL, COPY, Notices
from nearproof.daemon.control.serving import Connections
from nearproof.daemon.control.sockets import hand_over, listening
from nearproof.daemon.control.watch import Watch
from nearproof.daemon.desktop.notify import Event, Notifier, Pressed, Unshown
from nearproof.daemon.logs import log
from nearproof.daemon.memory import give_back

ROLES: Final = ("nearproof.daemon.old", "nearproof.daemon.new")  # loaded by the first that runs
QUIET: Final = 10.0  # seconds without a client before the program is started over
DESKTOP_PATIENCE: Final = 5.0  # seconds for the notifier to take a notice away


async def serve(home: Home, path: Path | None, console: Console) -> None:
    """Serve this home until cancelled, which is a good end.  Raises `DaemonError`, `OSError`."""
    with listening(home.path, path) as listener:
        if not listener.renewed:
            console.tell("daemon_ready", socket=str(listener.socket.getsockname()))
        try:
            await _Daemon(home, console).run(listener.socket)
        except asyncio.CancelledError:
            return
        hand_over(listener)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - this very program


class _Daemon:
    def __init__(self, home: Home, console: Console) -> None:
        self._desk = Notifier(self._desktop_says)
        notices = Notices(self._desk, console.language)
        self._watch = Watch(home, notices, _goes)
        service = LaptopService(home, daemon=True, changed=self._watch.changed)
        self._connections = Connections(service.methods(), self._idle)
        self._quiet = asyncio.Event()
        self._rest: asyncio.TimerHandle | None = None
        self._cancelling: set[asyncio.Task[None]] = set()

    async def run(self, listener: socket.socket) -> None:
        """Until it is time to start over, or cancelled: then clients are told."""
        loop = asyncio.get_running_loop()
        loop.add_reader(listener, self._accept, listener)
        beside = [
            asyncio.create_task(work)
            for work in (self._watch.run(), _signs_of_life(), self._grown())
        ]
        systemd.notify("READY=1")
        over = False
        try:
            done, _ = await asyncio.wait(beside, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            over = True
        finally:
            loop.remove_reader(listener)
            if not over:
                systemd.notify("STOPPING=1")
            for task in (*beside, *self._cancelling):
                task.cancel()
            await asyncio.gather(*beside, *self._cancelling, return_exceptions=True)
            await self._connections.close(DaemonError(DaemonReason.STOPPED))
            await self._desk.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            self._connections.take(connection)

    def _idle(self) -> None:
        """The last client is gone: what an earlier one had begun to count begins anew."""
        if self._rest is not None:
            self._rest.cancel()
        if any(name in sys.modules for name in ROLES):
            self._rest = asyncio.get_running_loop().call_later(QUIET, self._quiet.set)

    async def _grown(self) -> None:
        """Returns when this process is large, and nobody is connected nor was a moment ago."""
        while True:
            await self._quiet.wait()
            self._quiet.clear()
            if self._connections.open or self._cancelling:
                continue
            # Its button would be dead; the next program shows it again if it still holds.
            self._desk.withdraw(COPY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DESKTOP_PATIENCE):
                    await self._desk.settled()
            if not (self._connections.open or self._cancelling):
                return
            self._watch.changed()

    def _desktop_says(self, event: Event) -> None:
        if isinstance(event, Pressed) and event.action == CANCEL:
            task = asyncio.create_task(self._watch.cancel())
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)
        elif isinstance(event, Unshown):
            log.warning("nothing can be shown on the desktop", problem=event.detail)


def _goes(how: str) -> None:
    """A turn of the watch is over: rest, and tell the manager how it goes."""
    give_back()
    systemd.notify(f"STATUS={how}")


async def _signs_of_life() -> None:
    """Tell the manager's watchdog, from the loop that does all the work."""
    interval = systemd.watchdog_interval()
    while True:
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval or 3600.0)
