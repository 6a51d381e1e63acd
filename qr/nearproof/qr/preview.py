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


def _line(upper: list[int], lower: list[int]) -> str:
    line: list[str] = []
    last = None
    for pair in zip(upper, lower, strict=True):
        line.append("▀" if pair == last else f"\x1b[38;5;{pair[0]};48;5;{pair[1]}m▀")
        last = pair
    return "".join(line) + "\x1b[0m"
