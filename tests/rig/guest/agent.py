"""Runs commands in a laptop for the rig: many at once, over one serial line.

Started by `init` as `python -m rig.guest.agent TTY`; ends when the line hangs up.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import sys
import termios
import tty
from asyncio.subprocess import PIPE, Process
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from rig.frames import Frame, Kind, read_frame

CHUNK = 65536


class Agent:
    """Serves the frames of one line; each channel is a task and its process."""

    def __init__(self, line: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._line = line
        self._reader = asyncio.StreamReader()  # what was read from the line
        self._writer = writer
        self._channels: dict[int, Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Serve until the line ends."""
        await self.send(Frame(0, Kind.READY))
        self._keep(self._read())
        with suppress(asyncio.IncompleteReadError):
            while True:
                await self._take(await read_frame(self._reader))

    async def _read(self) -> None:
        """Empty the line as fast as it fills, and give credit for what was read."""
        while data := await self._line.read(CHUNK):
            self._reader.feed_data(data)
            await self.send(Frame(0, Kind.CREDIT, json.dumps(len(data)).encode()))
        self._reader.feed_eof()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(self, frame: Frame) -> None:
        """Send one frame; waits while the line is full, which slows the process behind it."""
        self._writer.write(frame.encode())
        await self._writer.drain()

    async def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.SPAWN:
            await self._spawn(frame)
        elif channel := self._channels.get(frame.channel):  # else it has just ended
            channel.take(frame)

    async def _spawn(self, frame: Frame) -> None:
        channel = Channel(self, frame.channel)
        try:
            await channel.start(**json.loads(frame.payload))
        except OSError as error:
            await self.send(Frame(frame.channel, Kind.FAILED, str(error).encode()))
            return
        self._channels[frame.channel] = channel
        self._keep(self._run(frame.channel, channel))

    async def _run(self, number: int, channel: Channel) -> None:
        code = await channel.run()
        del self._channels[number]
        await self.send(Frame(number, Kind.EXIT, json.dumps(code).encode()))


class Channel:
    """One process: its input from the line, its output to it."""

    def __init__(self, agent: Agent, number: int) -> None:
        self._agent = agent
        self._number = number
        self._process: Process
        self._terminal: int | None = None

    async def start(
        self,
        argv: list[str],
        env: dict[str, str],
        cwd: str | None,
        tty: tuple[int, int] | None,
    ) -> None:
        """Start the process, in a session of its own.  Raises OSError."""
        options: dict[str, Any] = {
            "env": {**os.environ, **env},
            "cwd": cwd,
            "start_new_session": True,
        }
        if tty is None:
            self._process = await asyncio.create_subprocess_exec(
                *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, **options
            )
            return
        master, slave = pty.openpty()
        try:
            _set_size(master, tty)
            self._process = await asyncio.create_subprocess_exec(
                *argv, stdin=slave, stdout=slave, stderr=slave, preexec_fn=_take_terminal, **options
            )
        except OSError:
            os.close(master)
            raise
        finally:
            os.close(slave)
        self._terminal = master

    def take(self, frame: Frame) -> None:
        """Act on one frame of the rig."""
        if frame.kind is Kind.SIGNAL:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.Signals(json.loads(frame.payload)))
        elif frame.kind is Kind.RESIZE and self._terminal is not None:
            _set_size(self._terminal, json.loads(frame.payload))
        elif frame.kind is Kind.STDIN:
            self._input(frame.payload)

    def _input(self, data: bytes) -> None:
        if self._terminal is not None:
            with suppress(OSError):
                os.write(self._terminal, data or b"\x04")
        elif stdin := self._process.stdin:
            if data:
                stdin.write(data)
            else:
                stdin.close()

    async def run(self) -> int:
        """Pass all output on; returns the return code when both have ended."""
        if self._terminal is not None:
            await self._pump_terminal(self._terminal)
        else:
            assert self._process.stdout is not None
            assert self._process.stderr is not None
            await asyncio.gather(
                self._pump(self._process.stdout, Kind.STDOUT),
                self._pump(self._process.stderr, Kind.STDERR),
            )
        return await self._process.wait()

    async def _pump_terminal(self, master: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(master, "rb", 0)
        )
        try:
            with suppress(OSError):  # EIO: the last process closed the terminal
                await self._pump(reader, Kind.STDOUT)
        finally:
            self._terminal = None
            transport.close()

    async def _pump(self, reader: asyncio.StreamReader, kind: Kind) -> None:
        while data := await reader.read(CHUNK):
            await self._agent.send(Frame(self._number, kind, data))


def _set_size(terminal: int, size: tuple[int, int]) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def main(device: str) -> None:
    """Serve the line of `device`."""
    line = os.open(device, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(line, "rb", 0)
    )
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(os.dup(line), "wb", 0)
    )
    await Agent(reader, asyncio.StreamWriter(transport, protocol, None, loop)).serve()


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)  # was for this module, not for what it starts
    asyncio.run(main(sys.argv[1]))
