"""SPEC section 11: messages in frames."""

from __future__ import annotations

from vectors.pxp1.refused import Refused

MAX_MESSAGE = 2048
MAX_VALUE = 512  # Core Spec Vol 3 Part F 3.2.9: an attribute value is no longer


def cut(message: bytes, mtu: int) -> list[bytes]:
    room = min(mtu - 3, MAX_VALUE) - 1
    pieces = [message[at : at + room] for at in range(0, len(message), room)]
    return [
        bytes([number | (0x80 if number == len(pieces) - 1 else 0)]) + piece
        for number, piece in enumerate(pieces)
    ]


class Joiner:
    """One direction of one connection."""

    def __init__(self, *, limit: int = MAX_MESSAGE) -> None:
        self.limit = limit
        self.drop()

    def drop(self) -> None:
        self.partial = b""
        self.due = 0

    def feed(self, frame: bytes) -> bytes | None:
        """The message that this frame completes, if it does; a bad frame drops the partial one."""
        number = frame[0] & 0x7F if frame else -1
        if number == 0:
            self.drop()
        if number != self.due or len(self.partial) + len(frame) - 1 > self.limit:
            self.drop()
            raise Refused("frames", "0x81")
        self.partial += frame[1:]
        self.due += 1
        if not frame[0] & 0x80:
            return None
        message = self.partial
        self.drop()
        return message
