"""Where frames come from: camera, picture, folder of pictures, video, lens model.

Runs in the capturing process only.  Files are hostile: their size is bounded before they are
read, their dimensions before they are decoded.
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from cv2.typing import MatLike

from nearproof.qr.camera import Camera
from nearproof.qr.devices import first_camera
from nearproof.qr.errors import CameraError, CameraReason
from nearproof.qr.lens import desk, handheld, photograph
from nearproof.qr.source_spec import SourceKind, SourceSpec
from nearproof.qr.store import FRAME_SIZE

MAX_FILE: Final = 64 * 1024 * 1024  # bytes of a picture
MAX_SIDE: Final = 32_766  # pixels: beyond it OpenCV's own arithmetic overflows
_PICTURES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".pgm", ".ppm", ".tiff"})
_LENS_PERIOD: Final = 1 / 30  # seconds between two photographs
_LENS_LOOK: Final = 0.01  # seconds between two looks whether the picture is there


class Source(Protocol):
    """Frames, one after the other."""

    name: str
    still: bool  # one picture that gets no second frame: worth every effort

    def read(self) -> MatLike | None:
        """The next frame, BGR or grey uint8, or None after the last.  Raises CameraError."""

    def close(self) -> None:
        """Give up what is held open."""


def open_source(spec: SourceSpec) -> Source:
    """The source that `spec` names, opened.  Raises CameraError with the reason."""
    if spec.kind is SourceKind.CAMERA or spec.path is None:
        return Camera(spec.path or first_camera().path)
    match spec.kind:
        case SourceKind.IMAGE:
            return Pictures(spec.path, [spec.path], still=True)
        case SourceKind.FRAMES:
            return Pictures(spec.path, _pictures_in(spec.path), still=False)
        case SourceKind.VIDEO:
            return Video(spec.path)
        case SourceKind.LENS:
            return Lens(spec.path, spec.seed)


class Pictures:
    """Pictures from files, each once.  A broken one among several costs one frame."""

    def __init__(self, path: Path, files: list[Path], *, still: bool) -> None:
        self.name = str(path)
        self.still = still
        self._files = iter(files)
        self._fatal = len(files) == 1

    def read(self) -> MatLike | None:
        """The next picture, grey."""
        for file in self._files:
            try:
                return read_picture(file)
            except CameraError:
                if self._fatal:
                    raise
        return None

    def close(self) -> None:
        """Nothing is held open."""


class Video:
    """The frames of a video file, as fast as they are asked for."""

    still = False

    def __init__(self, path: Path) -> None:
        _require_file(path)
        self.name = str(path)
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise CameraError(CameraReason.UNREADABLE, f"{path}: no video")

    def read(self) -> MatLike | None:
        """The next frame, BGR."""
        good, frame = self._capture.read()
        return fitted(frame) if good else None

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


class Lens:
    """The lens model before a screen that shows a picture file, now or later.

    Photographs the newest version of the file; an empty desk while there is none.  The n-th
    photograph depends on the seed, n and the picture alone.
    """

    still = False

    def __init__(self, path: Path, seed: int) -> None:
        self.name = f"lens:{path}"
        self._path = path
        self._seed = seed
        self._taken = 0
        rng = np.random.default_rng(seed)
        self._desk = desk(rng)
        self._empty = photograph(None, handheld(rng), rng, scene=self._desk)
        self._version: tuple[int, int, int] | None = None
        self._picture: MatLike | None = None
        self._due = 0.0

    def read(self) -> MatLike:
        """The next photograph, BGR; at most 30 a second, but a new picture is taken at once."""
        while not self._renewed() and (wait := self._due - time.monotonic()) > 0:
            time.sleep(min(wait, _LENS_LOOK))
        self._due = time.monotonic() + _LENS_PERIOD
        if self._picture is None:
            return self._empty
        rng = np.random.default_rng((self._seed, self._taken))
        self._taken += 1
        return photograph(self._picture, handheld(rng), rng, scene=self._desk)

    def close(self) -> None:
        """Nothing is held open."""

    def _renewed(self) -> bool:
        """Whether the file is another one than at the last look; reads it if so."""
        try:
            now = self._path.stat()
        except OSError:
            self._version, self._picture = None, None
            return False
        version = (now.st_mtime_ns, now.st_ino, now.st_size)
        if version == self._version:
            return False
        try:
            self._picture = read_picture(self._path)
        except CameraError:  # half written: look again
            self._picture = None
            return False
        self._version = version
        return True


def read_picture(path: Path) -> MatLike:
    """A picture file as grey uint8, at most FRAME_SIZE pixels.

    Raises CameraError: NO_FILE, PERMISSION, or UNREADABLE for what is no picture, no regular
    file, longer than MAX_FILE or of more pixels than OpenCV was told to accept.
    """
    data = _read_file(path)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (cv2.error, MemoryError):
        picture = None
    if picture is None or max(picture.shape) > MAX_SIDE:
        raise CameraError(CameraReason.UNREADABLE, f"{path}: no picture, or too large a one")
    return fitted(picture)


def fitted(frame: MatLike) -> MatLike:
    """The frame, shrunk if it has more pixels than the store has room for."""
    height, width = frame.shape[:2]
    if height * width <= FRAME_SIZE:
        return frame
    factor = (FRAME_SIZE / (height * width)) ** 0.5
    size = (max(1, int(width * factor)), max(1, int(height * factor)))  # MAX_SIDE * 1 fits
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _read_file(path: Path) -> bytes:
    try:
        # O_NONBLOCK: opening a named pipe must not wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode) or not 0 < about.st_size <= MAX_FILE:
                raise CameraError(
                    CameraReason.UNREADABLE, f"{path}: empty, too large, or no file at all"
                )
            return file.read(MAX_FILE)
    except FileNotFoundError:
        raise CameraError(CameraReason.NO_FILE, str(path)) from None
    except PermissionError:
        raise CameraError(CameraReason.PERMISSION, str(path)) from None
    except OSError as error:
        raise CameraError(CameraReason.UNREADABLE, f"{path}: {error.strerror}") from None


def _require_file(path: Path) -> None:
    if not path.exists():
        raise CameraError(CameraReason.NO_FILE, str(path))
    if not path.is_file():
        raise CameraError(CameraReason.UNREADABLE, f"{path}: empty, too large, or no file at all")


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CameraError(CameraReason.NO_FILE, f"{folder}: no folder")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in _PICTURES)
    if not files:
        raise CameraError(CameraReason.NO_FILE, f"{folder}: no pictures in it")
    return files
