"""The rig's end of the line to the agent in a laptop: start commands there, many at once."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import signal
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import Self

from rig.errors import GuestError
from rig.frames import Frame, Kind, read_frame

LINE_LIMIT = 1 << 20  # of one line of output read by `readline`, bytes
PARTING = 20.0  # seconds for a process that was killed to be gone

Argument = str | PurePath
Sink = Callable[[Frame], None]
Size = tuple[int, int]  # of a terminal: rows, columns


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended: return code (negative for a signal) and its output."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without white space around it."""
        return self.stdout.decode().strip()


class GuestProcess:
    """A process in a laptop, with the streams of `asyncio.subprocess`.

    A process on a terminal writes everything to `stdout`.
    """

    def __init__(self, shell: Shell, argv: tuple[str, ...]) -> None:
        self.argv = argv
        self.stdout = StreamReader(LINE_LIMIT)
        self.stderr = StreamReader(LINE_LIMIT)
        self._shell = shell
        self._channel = 0
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def start(self, channel: int, order: bytes) -> None:
        """Ask the agent to start it, on a channel that brings its frames to `take`."""
        self._channel = channel
        self._send(Kind.SPAWN, order)

    def take(self, frame: Frame) -> None:
        """Act on one frame of the agent."""
        if frame.kind is Kind.STDOUT:
            self.stdout.feed_data(frame.payload)
        elif frame.kind is Kind.STDERR:
            self.stderr.feed_data(frame.payload)
        else:
            self.stdout.feed_eof()
            self.stderr.feed_eof()
            if frame.kind is Kind.EXIT:
                self._ended.set_result(json.loads(frame.payload))
            else:
                self._ended.set_exception(GuestError(f"{self.argv[0]}: {frame.payload.decode()}"))
                self._ended.exception()  # nobody need wait for it

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.done()

    def write(self, data: bytes) -> None:
        """Send to its standard input."""
        if data:
            self._send(Kind.STDIN, data)

    def close_stdin(self) -> None:
        """End its standard input."""
        self._send(Kind.STDIN)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and its children; nothing happens if it has ended."""
        self._send(Kind.SIGNAL, json.dumps(number).encode())

    def resize(self, size: Size) -> None:
        """Give its terminal another size."""
        self._send(Kind.RESIZE, json.dumps(size).encode())

    def _send(self, kind: Kind, payload: bytes = b"") -> None:
        self._shell.send(Frame(self._channel, kind, payload))

    async def wait(self) -> int:
        """Its return code, negative for a signal, once it and its output have ended.

        Raises `GuestError` if it could not be started or the laptop went away.
        """
        return await asyncio.shield(self._ended)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Kill it if it still runs, and wait for its end, unless the laptop hangs."""
        if self.running:
            self.signal(signal.SIGKILL)
            with suppress(GuestError, TimeoutError):
                async with asyncio.timeout(PARTING):
                    await self.wait()


class Shell:
    """The line itself.  `serve` runs for as long as the laptop does."""

    def __init__(
        self, reader: StreamReader, writer: StreamWriter, credit: int = sys.maxsize
    ) -> None:
        """`credit` is how many bytes may be on the way (`rig.frames`)."""
        self._reader = reader
        self._writer = writer
        self._credit = credit
        self._waiting = bytearray()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._numbers = itertools.count(1)
        self._sinks: dict[int, Sink] = {}  # of the channels in use

    async def ready(self) -> None:
        """Wait until the agent serves.  Raises `ConnectionError` if it never did."""
        await asyncio.shield(self._ready)

    async def serve(self) -> None:
        """Take the agent's frames until the line ends; every process ends with it."""
        try:
            while True:
                self._take(await read_frame(self._reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writer.close()
            if not self._ready.done():
                self._ready.set_exception(ConnectionResetError("the laptop went away"))
                self._ready.exception()  # nobody need wait for it
            for number in list(self._sinks):
                self._take(Frame(number, Kind.FAILED, b"the laptop went away"))

    def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.READY:
            self._ready.set_result(None)
        elif frame.kind is Kind.CREDIT:
            self._credit += json.loads(frame.payload)
            self._flush()
        elif frame.kind in (Kind.EXIT, Kind.FAILED):
            self._sinks.pop(frame.channel)(frame)
        else:
            self._sinks[frame.channel](frame)

    def _open(self, sink: Sink) -> int:
        """A new channel, whose frames go to `sink`."""
        number = next(self._numbers)
        self._sinks[number] = sink
        return number

    def send(self, frame: Frame) -> None:
        """Send one frame; a laptop that went away answers that it did."""
        if not self._writer.is_closing():
            self._waiting += frame.encode()
            self._flush()
        elif frame.kind is Kind.SPAWN:
            self._take(Frame(frame.channel, Kind.FAILED, b"the laptop went away"))

    def _flush(self) -> None:
        ready = self._waiting[: self._credit]
        if ready:
            del self._waiting[: len(ready)]
            self._credit -= len(ready)
            self._writer.write(ready)

    def spawn(
        self,
        *argv: Argument,
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
        terminal: Size | None = None,
    ) -> GuestProcess:
        """Start a command; use the result as a context, which kills it in the end.

        `env` is added to the laptop's; `terminal` runs it on one of that size.
        """
        process = GuestProcess(self, tuple(str(word) for word in argv))
        order = {
            "argv": process.argv,
            "env": dict(env or {}),
            "cwd": None if cwd is None else str(cwd),
            "tty": terminal,
        }
        process.start(self._open(process.take), json.dumps(order).encode())
        return process

    async def relay(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve a client as the agent would, until it goes; its processes end with it."""
        channels: dict[int, int] = {}  # the client's number of each to ours
        try:
            while True:
                frame = await read_frame(reader)
                if frame.kind is Kind.SPAWN:
                    sink = functools.partial(_forward, writer, frame.channel)
                    channels[frame.channel] = self._open(sink)
                self.send(Frame(channels[frame.channel], frame.kind, frame.payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for number in channels.values():
                self.send(Frame(number, Kind.SIGNAL, json.dumps(signal.SIGKILL).encode()))

    async def run(
        self,
        *argv: Argument,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: Argument | None = None,
        check: bool = True,
    ) -> Completed:
        """Run a command to its end and collect its output.

        Raises `GuestError`, if `check` also when the return code is not 0.
        """
        async with self.spawn(*argv, env=env, cwd=cwd) as process:
            process.write(stdin)
            process.close_stdin()
            stdout, stderr = await asyncio.gather(process.stdout.read(), process.stderr.read())
            result = Completed(process.argv, await process.wait(), stdout, stderr)
        if check and result.code:
            raise GuestError(_failure(result))
        return result


def _failure(result: Completed) -> str:
    said = b"\n".join(text for text in (result.stdout, result.stderr) if text)
    return f"{' '.join(result.argv)} ended with {result.code}:\n{said.decode(errors='replace')}"


def _forward(writer: StreamWriter, channel: int, frame: Frame) -> None:
    if not writer.is_closing():
        writer.write(Frame(channel, frame.kind, frame.payload).encode())
