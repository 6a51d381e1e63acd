"""What to tell somebody whose QR is not being read.

Pure: measures and a clock in, advice out.  Advice is given when it has held for a while, at
most once a second, and only when it differs from what was said last.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from nearproof.qr.errors import CameraReason
from nearproof.qr.wire import Measure

HOLD: Final = 0.8  # seconds a cause has to last before it is named
PAUSE: Final = 1.0  # seconds between two pieces of advice

_DARK: Final = 60.0  # grey levels: even the brightest hundredth is darker, no screen is in view
_CODE_LIKE: Final = 11.0  # texture from which a place may be a code; furniture stays below
_SMALL: Final = 3 * 45  # pixels: three for each module of the code and its border
_SOFT: Final = 8.0  # pixels an edge is wide: modules at that distance flow together


class AdviceReason(StrEnum):
    """What stands in the way of reading the QR."""

    NO_CAMERA = "no_camera"
    BUSY = "busy"
    PERMISSION = "permission"
    GONE = "gone"
    DARK = "dark"
    BLURRED = "blurred"
    TOO_SMALL = "too_small"
    FOREIGN = "foreign"  # a QR was read, but it is not ours
    CLEAR = "clear"  # what was said last no longer holds
    WORKER_RESTARTED = "worker_restarted"  # the decoder died or hung; it costs that frame
    UNCONFINED = "unconfined"  # the decoder runs without seccomp (libseccomp2 missing)
    NO_ZBAR = "no_zbar"  # the decoder runs without zbar (libzbar0 missing)


FROM_CAMERA: Final = {
    CameraReason.NO_CAMERA: AdviceReason.NO_CAMERA,
    CameraReason.BUSY: AdviceReason.BUSY,
    CameraReason.PERMISSION: AdviceReason.PERMISSION,
    CameraReason.GONE: AdviceReason.GONE,
}


def objection(measure: Measure) -> AdviceReason:
    """What is wrong with one frame in which nothing was read; CLEAR if nothing obvious."""
    if measure.light < _DARK:
        return AdviceReason.DARK
    if measure.texture < _CODE_LIKE:
        return AdviceReason.CLEAR
    if measure.extent < _SMALL:
        return AdviceReason.TOO_SMALL
    if measure.edge > _SOFT:
        return AdviceReason.BLURRED
    return AdviceReason.CLEAR


class Adviser:
    """Turns what is wrong with each frame into advice somebody can follow."""

    def __init__(self) -> None:
        self._said = AdviceReason.CLEAR
        self._said_at = float("-inf")
        self._pending = AdviceReason.CLEAR
        self._since = float("-inf")

    def hear(self, reason: AdviceReason, now: float) -> AdviceReason | None:
        """The advice to give at `now` (seconds), when a frame had `reason` against it."""
        if reason is not self._pending:
            self._pending, self._since = reason, now
        hold = 0.0 if reason is AdviceReason.FOREIGN else HOLD  # one reading is certain
        if reason is self._said or now - self._since < hold or now - self._said_at < PAUSE:
            return None
        return self.say(reason, now)

    def say(self, reason: AdviceReason, now: float) -> AdviceReason | None:
        """Give `reason` at once, unless it was the last thing said."""
        if reason is self._said:
            return None
        self._said, self._said_at = reason, now
        return reason
