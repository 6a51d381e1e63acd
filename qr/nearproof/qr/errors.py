"""What can go wrong with a camera, a picture or a window, each with a reason to act on."""

from __future__ import annotations

from enum import StrEnum


class CameraReason(StrEnum):
    """Why no frames come."""

    NO_CAMERA = "no_camera"  # no such device, or none at all
    BUSY = "busy"  # another program uses it
    PERMISSION = "permission"  # the user may not open it
    GONE = "gone"  # unplugged, or its driver stopped delivering
    NO_FILE = "no_file"  # the picture, video or folder does not exist
    UNREADABLE = "unreadable"  # it exists, but is no picture that can be read within bounds
    BAD_SOURCE = "bad_source"  # the words that name a source make no sense
    NO_DECODER = "no_decoder"  # a process of the scan does not start


class CameraError(Exception):
    """Frames cannot be had from the chosen source.

    `reason` is for programs, the text for people and logs; neither holds what a picture shows.
    """

    def __init__(self, reason: CameraReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


class WindowError(Exception):
    """The QR cannot be shown in a window: no X display, or the window system refused."""


class WrongCapacity(ValueError):
    """A text that does not fit the one QR version this protocol uses (5-M)."""
