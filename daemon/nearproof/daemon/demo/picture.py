"""Draws a grey picture in a terminal, two pixels a character."""

from __future__ import annotations

from pathlib import Path

import cv2


def draw(path: Path, columns: int) -> str:
    """The picture `columns` characters wide, in half blocks of the terminal's 24 greys."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        return f"(no picture at {path.name})"
    height, width = image.shape
    small = cv2.resize(
        image, (columns, round(columns * height / width)), interpolation=cv2.INTER_AREA
    )
    if len(small) % 2:
        small = cv2.copyMakeBorder(small, 0, 1, 0, 0, cv2.BORDER_REPLICATE)
    lines = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        pairs = zip(upper, lower, strict=True)
        cells = (f"\033[38;5;{_grey(top)};48;5;{_grey(low)}m▀" for top, low in pairs)
        lines.append("".join(cells) + "\033[0m")
    return "\n".join(lines)


def _grey(value: int) -> int:
    """The nearest of the 24 greys of the 256-colour palette, with true black and white."""
    if value < 8:
        return 16
    return 231 if value > 246 else 232 + min((int(value) - 8) // 10, 23)
