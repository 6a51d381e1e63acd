"""A V4L2 camera through OpenCV.  Runs in the capturing process only.

One thread opens, reads and releases.  What OpenCV hides is watched for here: an unplugged
camera goes on delivering its last frame, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from cv2.typing import MatLike

from nearproof.qr.devices import check
from nearproof.qr.errors import CameraError, CameraReason

WIDTH: Final = 1280
HEIGHT: Final = 720
RATE: Final = 30
_WARM_UP: Final = 4  # frames: exposure is not settled, some cameras send garbage first
_TOO_MANY: Final = 3  # bad or byte-identical frames in a row: the camera is gone


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def isOpened(self) -> bool:
        """Whether the device is open."""

    def set(self, prop: int, value: float, /) -> bool:
        """Ask for a setting; the driver may choose another."""

    def get(self, prop: int, /) -> float:
        """What the driver chose."""

    def read(self) -> tuple[bool, MatLike | None]:
        """Whether there was a frame, and the frame."""

    def release(self) -> None:
        """Close the device."""


def open_capture(path: Path) -> Capture:
    """OpenCV's V4L2 capture of a device node; its other backends stall or guess."""
    return cv2.VideoCapture(str(path), cv2.CAP_V4L2)


class Camera:
    """Frames of a camera as they come: BGR uint8."""

    still = False

    def __init__(
        self,
        path: Path,
        opener: Callable[[Path], Capture] = open_capture,
        checker: Callable[[Path], None] = check,
    ) -> None:
        """Open and set up the device.  Raises CameraError with the reason, as `check` does."""
        self.name = str(path)
        self._path = path
        self._checker = checker
        self._bad = 0
        self._last: MatLike | None = None
        checker(path)
        self._capture = opener(path)
        if not self._capture.isOpened():
            self.close()
            checker(path)  # somebody was faster, or it was pulled just now
            raise CameraError(CameraReason.BUSY, f"{path}: cannot be set up")
        self.mode = self._set_up()
        for _ in range(_WARM_UP):
            self._capture.read()

    def read(self) -> MatLike:
        """The next frame.  Raises CameraError(GONE) when the camera has stopped delivering."""
        while True:
            good, frame = self._capture.read()
            if good and frame is not None and frame.size and not self._is_repeated(frame):
                self._bad = 0
                self._last = frame
                return frame
            self._bad += 1
            if self._bad >= _TOO_MANY:
                self.close()
                self._checker(self._path)  # says why, if the kernel knows
                raise CameraError(CameraReason.GONE, f"{self._path}: no more pictures")

    def close(self) -> None:
        """Release the device, so that its light goes out."""
        self._capture.release()

    def _set_up(self) -> str:
        """Ask for 720p MJPG without a queue; what the driver made of it, in words."""
        for prop, value in (
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, WIDTH),
            (cv2.CAP_PROP_FRAME_HEIGHT, HEIGHT),
            (cv2.CAP_PROP_FPS, RATE),
            (cv2.CAP_PROP_BUFFERSIZE, 1),  # an older frame shows where the QR was
        ):
            self._capture.set(prop, value)
        width, height, rate, fourcc = (
            int(self._capture.get(prop))
            for prop in (
                cv2.CAP_PROP_FRAME_WIDTH,
                cv2.CAP_PROP_FRAME_HEIGHT,
                cv2.CAP_PROP_FPS,
                cv2.CAP_PROP_FOURCC,
            )
        )
        form = fourcc.to_bytes(4, "little", signed=False).decode("ascii", "replace")
        return f"{width}x{height} {form} {rate}/s"

    def _is_repeated(self, frame: MatLike) -> bool:
        """Sensor noise makes no two frames equal; a dead stream repeats its last one."""
        return self._last is not None and np.array_equal(frame, self._last)
