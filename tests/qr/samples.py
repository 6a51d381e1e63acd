"""QR texts and pictures for the tests of this room."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from nearproof.crypto.messages import QrPayload
from nearproof.qr.lens import Shot, photograph
from nearproof.qr.payload import to_text
from nearproof.qr.render import png

PAYLOAD = QrPayload(
    secret=bytes(range(16)),
    # The base point of X25519 (RFC 7748, 4.1): a key that no check can refuse.
    q_public=bytes([9]) + bytes(31),
    txn=bytes(range(16, 32)),
    iat=1_700_000_000,
)
TEXT = to_text(PAYLOAD)
OTHER_TEXT = to_text(QrPayload(bytes(16), PAYLOAD.q_public, bytes(16), 1))


def picture(text: str = TEXT, scale: int = 8) -> MatLike:
    """The QR's PNG as a picture, grey."""
    return read_png(png(text, scale))


def write_png(path: Path, text: str) -> None:
    """Put the QR's PNG at `path` in one step, as OLD does."""
    draft = path.with_suffix(".draft")
    draft.write_bytes(png(text))
    draft.replace(path)


def read_png(data: bytes) -> MatLike:
    """A PNG as a grey picture."""
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return decoded


def photo(shot: Shot, text: str | None = TEXT, seed: int = 0) -> MatLike:
    """A grey photograph of the QR, or of the desk alone."""
    shown = None if text is None else picture(text)
    frame = photograph(shown, shot, np.random.default_rng(seed))
    return cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, and whose pixels are a million compressed zeros."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000_000), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


_COLOURS = re.compile(r"\x1b\[38;5;(\d+);48;5;(\d+)m|\x1b\[0m|(.)", re.DOTALL)
_GREYS = {16: 0, 231: 255}


def rasterise(screen: str, ground: int, cell: int = 8) -> MatLike:
    """What a terminal whose background is `ground` (grey) makes of our escapes.

    Columns are `cell` pixels wide, lines twice as high.
    """
    lines: list[list[tuple[int, int]]] = [[]]
    fore, back = 255 - ground, ground
    for colour, on, glyph in _COLOURS.findall(screen):
        if colour:
            fore, back = _GREYS[int(colour)], _GREYS[int(on)]
        elif glyph == "\n":
            lines.append([])
        elif glyph:
            lines[-1].append({" ": (back, back), "▀": (fore, back), "▄": (back, fore)}[glyph])
        else:
            fore, back = 255 - ground, ground
    width = max(map(len, lines)) + 8
    pixels = np.full((2 * len(lines) + 8, width), ground, np.uint8)
    for row, line in enumerate(lines):
        for column, (upper, lower) in enumerate(line):
            pixels[2 * row + 4, column + 4] = upper
            pixels[2 * row + 5, column + 4] = lower
    return np.kron(pixels, np.ones((cell, cell), np.uint8))
