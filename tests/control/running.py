"""Daemons as processes of their own, and a manager that they tell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

PATIENCE = 60.0  # seconds; a busy machine is slow


class Manager:
    """The service manager's end of NOTIFY_SOCKET: what it has been told, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str] = []
        self._news = asyncio.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def _hear(self) -> None:
        self.told += self._socket.recv(4096).decode().split("\n")
        self._news.set()

    async def until(self, *words: str, count: int = 1) -> None:
        """Lines that begin with these words have been told, each after the one before."""
        await self.after(0, *words, count=count)

    async def after(self, start: int, *words: str, count: int = 1) -> None:
        """The same among what was told after the first `start` lines."""
        async with asyncio.timeout(PATIENCE):
            for word in words:
                for _ in range(count):
                    start = await self._next(start, word) + 1

    async def _next(self, start: int, word: str) -> int:
        while True:
            for index in range(start, len(self.told)):
                if self.told[index].startswith(word):
                    return index
            self._news.clear()
            await self._news.wait()

    def close(self) -> None:
        """Idempotent."""
        if self._socket.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


class Daemon:
    """`nearproof daemon` of one home."""

    def __init__(self, process: asyncio.subprocess.Process, manager: Manager) -> None:
        self.process = process
        self.manager = manager

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self._gone()

    async def kill(self) -> None:
        """As a power cut does."""
        self.process.kill()
        await self._gone()

    async def _gone(self) -> int:
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
        self.manager.close()
        return code

    def resident(self) -> float:
        """MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


@contextlib.asynccontextmanager
async def daemon(
    home: Path, runtime: Path, *flags: str, **environment: str
) -> AsyncIterator[Daemon]:
    """A daemon that has told its manager that it is ready."""
    manager = Manager(runtime / f"notify.{os.urandom(4).hex()}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nearproof.daemon", *flags, "--home", str(home), "daemon"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env=os.environ | {"NOTIFY_SOCKET": str(manager.path)} | environment,
    )
    running = Daemon(process, manager)
    try:
        await manager.until("READY=1")
        yield running
    finally:
        await running.stop()
