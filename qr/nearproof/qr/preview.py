"""The camera's picture in a terminal: half blocks in 24 shades of grey."""

from __future__ import annotations

from typing import Final

_FIRST_GREY: Final = 232  # of the 24 greys of the 256-colour palette
_SHADES: Final = tuple(_FIRST_GREY + level * 24 // 256 for level in range(256))
_BLACK: Final = 16


def preview_lines(width: int, height: int, grey: bytes) -> list[str]:
    """Lines of `width` columns, two pixel rows each, for a thumbnail of width x height bytes.

    Raises ValueError when `grey` has another size.
    """
    if len(grey) != width * height:
        raise ValueError(f"{len(grey)} bytes are not {width} x {height} pixels")
    shades = [_SHADES[level] for level in grey]
    rows = [shades[start : start + width] for start in range(0, len(shades), width)]
    if height % 2:
        rows.append([_BLACK] * width)
    return [_line(upper, lower) for upper, lower in zip(rows[0::2], rows[1::2], strict=True)]


def fitted(width: int, height: int, grey: bytes, columns: int, rows: int) -> tuple[int, int, bytes]:
    """The thumbnail made smaller until it has at most so many pixels each way, in proportion.

    By leaving pixels out: it is for aiming a camera.
    """
    scale = max(width / max(columns, 1), height / max(rows, 1), 1.0)
    across, down = max(int(width / scale), 1), max(int(height / scale), 1)
    picked = [column * width // across for column in range(across)]
    pixels = bytearray()
    for row in range(down):
        start = (row * height // down) * width
        pixels += bytes(grey[start + column] for column in picked)
    return across, down, bytes(pixels)


def _line(upper: list[int], lower: list[int]) -> str:
    line: list[str] = []
    last = None
    for pair in zip(upper, lower, strict=True):
        line.append("▀" if pair == last else f"\x1b[38;5;{pair[0]};48;5;{pair[1]}m▀")
        last = pair
    return "".join(line) + "\x1b[0m"
