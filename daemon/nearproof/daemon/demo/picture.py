"""Draws a picture of the demo in a terminal, two pixels a character."""

from __future__ import annotations

from pathlib import Path

import cv2

from nearproof.qr.preview import preview_lines


def draw(path: Path, columns: int) -> str:
    """The picture in grey, `columns` characters wide."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        return f"(no picture at {path.name})"
    height, width = image.shape
    small = cv2.resize(
        image, (columns, round(columns * height / width)), interpolation=cv2.INTER_AREA
    )
    if len(small) % 2:
        small = cv2.copyMakeBorder(small, 0, 1, 0, 0, cv2.BORDER_REPLICATE)
    return "\n".join(preview_lines(columns, len(small), small.tobytes()))
