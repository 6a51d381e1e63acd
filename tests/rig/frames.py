"""The frames on the serial line between the rig and the agent in a laptop, the same both ways.

    channel u32 | kind u8 | length u32 | payload        (big-endian)

A channel is one process in the laptop; the rig numbers them from 1.  Channel 0 is the agent.

User Mode Linux loses bytes on a serial line whose reader falls behind (its throttling does not
work).  So the rig never has more than `WINDOW` bytes on the way, and the agent gives credit for
those that it has read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

HEADER = struct.Struct("!IBI")
WINDOW = 2048  # bytes; the terminal's buffer in the laptop's kernel has 4,096


class Kind(IntEnum):
    """What a frame says; the upper half comes from the rig, the lower from the agent."""

    SPAWN = 1  # JSON: argv, env, cwd, tty ([rows, columns] or null)
    STDIN = 2  # bytes; none at all closes it
    SIGNAL = 3  # JSON: number; goes to the process's whole group
    RESIZE = 4  # JSON: [rows, columns]

    READY = 16  # the agent serves
    CREDIT = 17  # JSON: how many bytes were read
    STDOUT = 18  # bytes
    STDERR = 19  # bytes
    EXIT = 20  # JSON: return code, negative for a signal; the last frame of its channel
    FAILED = 21  # text: why the process could not be started; likewise the last


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    channel: int
    kind: Kind
    payload: bytes = b""

    def encode(self) -> bytes:
        """The frame as it goes over the line."""
        return HEADER.pack(self.channel, self.kind, len(self.payload)) + self.payload


class Reader(Protocol):
    """As much of `asyncio.StreamReader` as is needed."""

    async def readexactly(self, n: int, /) -> bytes:
        """Exactly `n` bytes."""


async def read_frame(reader: Reader) -> Frame:
    """The next frame.  Raises `asyncio.IncompleteReadError` at the end of the line."""
    channel, kind, length = HEADER.unpack(await reader.readexactly(HEADER.size))
    return Frame(channel, Kind(kind), await reader.readexactly(length))
