"""One message in frames that fit the link, and back (crypto/SPEC.md, section 11).

A frame is one header byte and a piece of the message.  The header's high bit marks the last
frame; its low seven bits count the frames of this message from 0.  A frame fits one write or
one notification: at most ATT_MTU - 3 bytes (Core Spec Vol 3 Part F 3.4.5.1, 3.4.7.1), and at
most 512, the longest attribute value (3.2.9).
"""

from __future__ import annotations

from typing import Final

from nearproof.ble.errors import FrameError

MIN_MTU: Final = 23
MAX_MTU: Final = 517
MAX_MESSAGE: Final = 2048  # bytes; 108 frames at the smallest MTU, so seven bits suffice

_ATT_HEADER: Final = 3
_MAX_VALUE: Final = 512
_LAST: Final = 0x80
_SEQUENCE: Final = 0x7F


def split(message: bytes, mtu: int) -> list[bytes]:
    """Cut one message into frames for a link of this ATT_MTU; an empty one makes one frame.

    Raises `ValueError` for an MTU outside 23..517 or a message over 2,048 bytes: both are
    this program's own mistakes.
    """
    if not MIN_MTU <= mtu <= MAX_MTU:
        raise ValueError(f"ATT_MTU {mtu} is outside {MIN_MTU}..{MAX_MTU}")
    if len(message) > MAX_MESSAGE:
        raise ValueError(f"message of {len(message)} bytes, at most {MAX_MESSAGE}")
    room = min(mtu - _ATT_HEADER, _MAX_VALUE) - 1
    pieces = [message[at : at + room] for at in range(0, len(message), room)] or [b""]
    last = len(pieces) - 1
    return [
        bytes([sequence | (_LAST if sequence == last else 0)]) + piece
        for sequence, piece in enumerate(pieces)
    ]


class Reassembler:
    """Joins the frames of one direction of one link.  A new link gets a new one.

    `limit` is the longest message accepted, in bytes.  With `drop_duplicates` a frame that
    repeats the previous one byte for byte is ignored: a central's stack may deliver a
    notification twice (BlueZ does), a write with response is never repeated.
    """

    def __init__(self, limit: int = MAX_MESSAGE, *, drop_duplicates: bool = False) -> None:
        self._limit = limit
        self._drop_duplicates = drop_duplicates
        self._previous: bytes | None = None
        self._partial = bytearray()
        self._expected = 0

    def feed(self, frame: bytes) -> bytes | None:
        """Take one frame; returns the whole message if this frame was its last, else None.

        Sequence 0 drops what was there before and starts a message.  Raises `FrameError` for
        an empty frame, a gap and an overlong message; the partial message is then gone.
        """
        if self._drop_duplicates and frame == self._previous:
            return None
        self._previous = bytes(frame)
        if not frame:
            self._restart()
            raise FrameError("empty frame")
        sequence = frame[0] & _SEQUENCE
        if sequence == 0:
            self._restart()
        if sequence != self._expected:
            expected = self._expected
            self._restart()
            raise FrameError(f"frame {sequence} where {expected} was due")
        if len(self._partial) + len(frame) - 1 > self._limit:
            self._restart()
            raise FrameError(f"message over {self._limit} bytes")
        self._partial += frame[1:]
        self._expected += 1
        if not frame[0] & _LAST:
            return None
        message = bytes(self._partial)
        self._restart()
        return message

    def _restart(self) -> None:
        self._partial.clear()
        self._expected = 0
