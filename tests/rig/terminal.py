"""Joins this process's standard streams to a command in a laptop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence

from rig.shell import GuestProcess, Shell, Size

CHUNK = 65536


async def attach(shell: Shell, argv: Sequence[str]) -> int:
    """Run `argv`, on a terminal if this process is on one; returns the exit status for a shell.

    Raises `GuestError` if it cannot be started.
    """
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    environment = {"TERM": os.environ.get("TERM", "linux")} if interactive else {}
    size = _size() if interactive else None
    async with shell.spawn(*argv, env=environment, terminal=size) as process:
        with contextlib.ExitStack() as stack:
            if interactive:
                stack.enter_context(_raw_terminal())
            stack.enter_context(_signals(process, interactive))
            stack.enter_context(_stdin(process))
            await asyncio.gather(
                _copy(process.stdout, sys.stdout.fileno()),
                _copy(process.stderr, sys.stderr.fileno()),
            )
            code = await process.wait()
    return code if code >= 0 else 128 - code


def _size() -> Size:
    columns, rows = shutil.get_terminal_size()
    return rows, columns


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    saved = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin, termios.TCSADRAIN)  # keeps what was typed ahead
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)


@contextlib.contextmanager
def _signals(process: GuestProcess, interactive: bool) -> Iterator[None]:
    """Pass on the signals that end a command, and the terminal's new size."""
    loop = asyncio.get_running_loop()
    handled = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    for number in handled:
        loop.add_signal_handler(number, process.signal, number)
    if interactive:
        loop.add_signal_handler(signal.SIGWINCH, lambda: process.resize(_size()))
        handled.append(signal.SIGWINCH)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _stdin(process: GuestProcess) -> Iterator[None]:
    """Pass standard input on."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def pass_on() -> bool:
        data = os.read(descriptor, CHUNK)
        if data:
            process.write(data)
        else:
            process.close_stdin()
            loop.remove_reader(descriptor)
        return bool(data)

    try:
        loop.add_reader(descriptor, pass_on)
    except PermissionError:  # a plain file, which can be read at any time
        while pass_on():
            pass
    try:
        yield
    finally:
        loop.remove_reader(descriptor)


async def _copy(reader: asyncio.StreamReader, descriptor: int) -> None:
    while data := await reader.read(CHUNK):
        while data:
            data = data[os.write(descriptor, data) :]
