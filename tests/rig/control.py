"""The way into a rig that is up: other processes of the same user run commands in its laptops.

The address is an abstract Unix socket, which ends with the rig; the kernel says whose process
is at the other end.  A client sends the laptop's number as a line, then speaks to it as
`rig.shell.Shell` does to the agent.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from rig.errors import RigError
from rig.laptop import Laptop
from rig.shell import Shell


def _address() -> str:
    return f"\0nearproof-rig-{os.getuid()}"


@contextmanager
def listen() -> Iterator[socket.socket]:
    """Take the address; clients wait until they are served.  Raises `RigError` if it is taken."""
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(_address())
        except OSError as error:
            raise RigError("a rig of yours is up already; use `scripts/rig run`") from error
        listener.listen()
        yield listener


@asynccontextmanager
async def serve(listener: socket.socket, laptops: Sequence[Laptop]) -> AsyncIterator[None]:
    """Let others into the laptops for as long as the context is open."""

    async def on_connect(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            if _user_of(writer) == os.getuid():
                number = int(await reader.readline())
                await laptops[number - 1].shell.relay(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async with await asyncio.start_unix_server(on_connect, sock=listener):
        yield


def _user_of(writer: StreamWriter) -> int:
    peer = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    _, user, _ = struct.unpack("3i", peer)
    return int(user)


@asynccontextmanager
async def connect(number: int) -> AsyncIterator[Shell | None]:
    """The way to laptop `number` (1 or 2) of the rig that is up; None if there is none."""
    try:
        reader, writer = await asyncio.open_unix_connection(_address())
    except ConnectionRefusedError:
        yield None
        return
    writer.write(f"{number}\n".encode())
    shell = Shell(reader, writer)
    serving = asyncio.create_task(shell.serve())
    try:
        yield shell
    finally:
        writer.close()
        await serving
