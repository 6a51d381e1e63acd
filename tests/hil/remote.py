"""A real laptop: this one, or one that a command such as ssh reaches."""

from __future__ import annotations

import asyncio
import shlex
from asyncio import StreamReader
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from signal import SIGKILL, Signals
from typing import Final, Self

LINE_LIMIT: Final = 1 << 20  # bytes of one line of output
PARTING: Final = 10.0  # seconds for a command that was killed to be gone

# Says its process id first, by which it can be sent signals: ssh passes none on.
TELL_PID: Final = 'echo $$; exec "$0" "$@"'


class RemoteError(Exception):
    """A command on a laptop failed."""


class Unreachable(RemoteError):
    """A laptop cannot be reached."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The output of a command that ended well."""

    stdout: bytes


class Computer:
    """Runs commands on this machine, or through `reach`, which ends like ("ssh", "user@host").

    `reach` gets one more word, a line for a POSIX shell.
    """

    def __init__(self, reach: Sequence[str] = ()) -> None:
        self._reach = tuple(reach)

    def command(self, *argv: str) -> list[str]:
        """What has to be executed here for `argv` to be executed there."""
        return [*self._reach, shlex.join(argv)] if self._reach else list(argv)

    def spawn(self, *argv: str) -> RemoteProcess:
        """A command that starts when it is entered as a context."""
        return RemoteProcess(self, argv)

    async def run(self, *argv: str, stdin: bytes = b"") -> Completed:
        """Run a command to its end.  Raises `RemoteError` with what it said if it ends badly."""
        async with self.spawn(*argv) as process:
            process.write(stdin)
            process.close_stdin()
            stdout, stderr = await asyncio.gather(process.stdout.read(), process.stderr.read())
            code = await process.wait()
        if code:
            said = (stdout + stderr).decode(errors="replace").strip()
            raise RemoteError(f"{shlex.join(argv)} ended with {code}:\n{said}")
        return Completed(stdout)


class RemoteProcess:
    """One command; as a context, it is killed in the end."""

    def __init__(self, computer: Computer, argv: Sequence[str]) -> None:
        self.argv = tuple(argv)
        self._computer = computer
        self._process: Process
        self._pid: int
        self._signals: set[asyncio.Task[None]] = set()
        self.stdout: StreamReader
        self.stderr: StreamReader

    async def __aenter__(self) -> Self:
        """Start it.  Raises `Unreachable`."""
        command = self._computer.command("sh", "-c", TELL_PID, *self.argv)
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=LINE_LIMIT
            )
        except OSError as error:
            raise Unreachable(f"{command[0]} does not start: {error.strerror}") from None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdout, self.stderr = process.stdout, process.stderr
        first = (await self.stdout.readline()).strip()
        if not first.isdigit():
            self.close_stdin()
            said = (first + b"\n" + await self.stderr.read()).decode(errors="replace").strip()
            await process.wait()
            raise Unreachable(f"it cannot be reached:\n{said}")
        self._pid = int(first)
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._process.returncode is None:
            await self._kill(SIGKILL)
            try:
                async with asyncio.timeout(PARTING):
                    await self.wait()
            except TimeoutError:  # what reaches the laptop hangs
                self._process.kill()
        self.close_stdin()
        await self.wait()
        await asyncio.gather(*self._signals)

    def write(self, data: bytes) -> None:
        """Send to its standard input; nothing happens if it has ended."""
        assert self._process.stdin is not None
        if data:
            self._process.stdin.write(data)

    def close_stdin(self) -> None:
        """End its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def signal(self, number: Signals) -> None:
        """Send it a signal; nothing happens if it has ended."""
        task = asyncio.create_task(self._kill(number))
        self._signals.add(task)
        task.add_done_callback(self._signals.discard)

    async def _kill(self, number: Signals) -> None:
        killer = await asyncio.create_subprocess_exec(
            *self._computer.command("kill", f"-{number.value}", str(self._pid)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await killer.wait()

    async def wait(self) -> int:
        """Its exit code, as the command that reaches the laptop passes it on."""
        return await self._process.wait()
