"""Questions and answers between the daemon and its two camera processes.

One JSON object a packet over a SOCK_SEQPACKET pair: packets keep their bounds, and one that is
too long or of another shape counts as the death of its sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

import msgspec

Heard = TypeVar("Heard")
Question = TypeVar("Question")

MAX_PACKET: Final = 64 * 1024
_LAST_WORDS: Final = 300  # bytes


class ChildLost(Exception):
    """A camera process died, hung or answered nonsense; it has to be started anew."""


class Asker:
    """The daemon's end: one process, started, asked and killed."""

    def __init__(self, module: str) -> None:
        """`module` is what `python -m` runs."""
        self._module = module
        self._socket: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stderr: int | None = None

    @property
    def pid(self) -> int | None:
        """The process's id, while there is one."""
        return self._process.pid if self._process else None

    async def start(self, *fds: int) -> None:
        """Start the process; it inherits `fds` and gets their numbers as arguments.

        It says a first word when it is ready: `hear` that before asking.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._socket = ours
        self._stderr = os.memfd_create("nearproof-stderr", os.MFD_CLOEXEC)
        with theirs:
            passed = (theirs.fileno(), *fds)
            self._process = await asyncio.create_subprocess_exec(
                *_command(self._module, passed),
                pass_fds=passed,
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=self._stderr,  # the libraries print freely: not on the user's terminal
            )

    async def hear(self, expected: msgspec.json.Decoder[Heard], seconds: float) -> Heard:
        """The next answer, of the kind `expected`.  Raises ChildLost after `seconds` without."""
        if self._socket is None:
            raise ChildLost("not running")
        try:
            async with asyncio.timeout(seconds):
                packet = await asyncio.get_running_loop().sock_recv(self._socket, MAX_PACKET)
            return expected.decode(packet)
        except TimeoutError:
            raise ChildLost("no answer") from None
        except OSError:
            raise ChildLost("died") from None
        except (msgspec.MsgspecError, RecursionError):
            raise ChildLost("nonsense" if packet else "died") from None

    async def ask(
        self, question: msgspec.Struct, expected: msgspec.json.Decoder[Heard], seconds: float
    ) -> Heard:
        """Its answer to `question`.  Raises ChildLost, as `hear` does."""
        if self._socket is None:
            raise ChildLost("not running")
        try:
            await asyncio.get_running_loop().sock_sendall(
                self._socket, msgspec.json.encode(question)
            )
        except OSError:
            raise ChildLost("died") from None
        return await self.hear(expected, seconds)

    def last_words(self) -> str:
        """The last line it wrote to its standard error: why it could not start, if it could not."""
        if self._stderr is None:
            return ""
        end = os.fstat(self._stderr).st_size
        tail = os.pread(self._stderr, _LAST_WORDS, max(0, end - _LAST_WORDS))
        return tail.decode(errors="replace").strip().rpartition("\n")[2]

    def kill(self) -> None:
        """Kill the process; the kernel releases all that it held.  Harmless twice."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not its kill(), which may reap a child that is just ending, unseen by asyncio.
                os.kill(self._process.pid, signal.SIGKILL)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def stop(self) -> None:
        """Kill the process and wait for its end.  Harmless twice."""
        self.kill()
        process, self._process = self._process, None
        if process is not None:
            await process.wait()
        if self._stderr is not None:
            os.close(self._stderr)
            self._stderr = None


class Answerer(Generic[Question]):
    """The process's end: blocking, one question at a time."""

    def __init__(self, fd: int, questions: msgspec.json.Decoder[Question]) -> None:
        self._fd = fd
        self._questions = questions

    def question(self) -> Question | None:
        """The next question, or None once the daemon is gone."""
        packet = os.read(self._fd, MAX_PACKET)
        return self._questions.decode(packet) if packet else None

    def say(self, answer: msgspec.Struct) -> None:
        """Send one answer.  Raises OSError once the daemon is gone."""
        os.write(self._fd, msgspec.json.encode(answer))


def _command(module: str, fds: Sequence[int]) -> list[str]:
    # -P: a module of the working directory must not take the place of ours.
    # -B: no bytecode files: a confined child could leave one half written, broken for everybody.
    return [sys.executable, "-P", "-B", "-m", module, *map(str, fds)]


def _environment() -> dict[str, str]:
    """The daemon's, with what the native libraries read from it when they are loaded."""
    return os.environ | {
        "OPENBLAS_NUM_THREADS": "1",  # no threads that the decoder's filter would have to allow
        "OPENCV_LOG_LEVEL": "OFF",
        "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "2",  # seconds; 10 would look like a hang
        "OPENCV_IO_MAX_IMAGE_PIXELS": str(64 * 1024 * 1024),  # a decompression bomb is larger
        "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file",  # a playlist must not dial
    }
