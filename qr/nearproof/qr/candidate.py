"""Where in a frame a QR code would be, if there is one: by texture, in about a millisecond.

A code is the place where a picture changes most in *both* directions over a whole area;
edges of furniture change in one direction, and text changes less.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike

SIDE = 480  # pixels of the square that the slow decoder gets to see
_SHRINK = 4  # the search runs on a quarter of the size
_WINDOW = 15  # pixels there: a code of 37 modules of 1.6 pixels still fills it
_STEP_CAP = 24  # grey levels: one hard edge must not outweigh many soft ones


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels of the frame."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """The most code-like place of a frame."""

    box: Box
    texture: float  # mean grey step between neighbours at a quarter of the size, 0..24


def locate(grey: MatLike) -> Candidate | None:
    """The most textured place of a grey uint8 frame, or None where nothing has texture."""
    height, width = grey.shape[0] // _SHRINK, grey.shape[1] // _SHRINK
    if min(height, width) <= _WINDOW:
        return None
    small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (3, 3), 0)
    density = cv2.min(
        _mean_step(small[:-1, :-1], small[:-1, 1:]), _mean_step(small[:-1, :-1], small[1:, :-1])
    )
    _, texture, _, (x, y) = cv2.minMaxLoc(density)
    if texture < 1.0:
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        (density > texture / 2).astype(np.uint8), connectivity=4
    )
    left, top, across, down = (int(n) * _SHRINK for n in stats[labels[y, x]][:4])
    return Candidate(Box(left, top, across, down), float(texture))


def crop(grey: MatLike, box: Box) -> MatLike:
    """The square around `box`, at most SIDE pixels wide: a larger one is shrunk to that.

    Near an edge the square is moved inside the frame.
    """
    side = min(max(SIDE, round(max(box.width, box.height) * 1.2)), *grey.shape[:2])
    left = _inside(box.x + box.width // 2, side, grey.shape[1])
    top = _inside(box.y + box.height // 2, side, grey.shape[0])
    square = grey[top : top + side, left : left + side]
    if side > SIDE:
        return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(square)


def _mean_step(one: MatLike, other: MatLike) -> MatLike:
    """How much two shifted views differ, averaged over the window: float32."""
    steps = np.minimum(cv2.absdiff(one, other), np.uint8(_STEP_CAP))
    return cv2.boxFilter(steps, cv2.CV_32F, (_WINDOW, _WINDOW))


def _inside(centre: int, side: int, limit: int) -> int:
    return min(max(0, centre - side // 2), limit - side)
