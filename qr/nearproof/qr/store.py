"""The memory that frames travel in: one anonymous file, mapped by the processes that need it.

The capturing process writes, the decoder's maps it read-only, the daemon copies previews out
of it.  One frame is under way at a time, so there is one place for it and no lock.

    0              FRAME_SIZE        PREVIEW_SIZE      PHOTO_SIZE
    | grey frame   | grey preview    | PNG of a frame  |
"""

from __future__ import annotations

import mmap
import os
from typing import Final

FRAME_SIZE: Final = 4096 * 4096  # pixels, one byte each; larger pictures are shrunk to that
PREVIEW_SIZE: Final = 16 * 1024
PHOTO_SIZE: Final = 1024 * 1024
PREVIEW_AT: Final = FRAME_SIZE
PHOTO_AT: Final = PREVIEW_AT + PREVIEW_SIZE
STORE_SIZE: Final = PHOTO_AT + PHOTO_SIZE  # only touched pages take memory


class FrameStore:
    """The daemon's end: makes the file and reads from it."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("nearproof-frames", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, STORE_SIZE)
        # Another open file description of the same memory, without the right to write.
        self.read_only_fd = os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)
        self._map = mmap.mmap(self.read_only_fd, STORE_SIZE, prot=mmap.PROT_READ)

    def preview(self, size: int) -> bytes:
        """The first `size` bytes of the preview.  Raises ValueError beyond its room."""
        return self._copy(PREVIEW_AT, size, PREVIEW_SIZE)

    def photo(self, size: int) -> bytes:
        """The first `size` bytes of the photograph.  Raises ValueError beyond its room."""
        return self._copy(PHOTO_AT, size, PHOTO_SIZE)

    def _copy(self, start: int, size: int, room: int) -> bytes:
        if not 0 <= size <= room:
            raise ValueError(f"{size} bytes of {room}")
        return self._map[start : start + size]

    def close(self) -> None:
        """Give the memory back (the children's mappings keep it while they live)."""
        self._map.close()
        os.close(self.read_only_fd)
        os.close(self.fd)


def map_for_writing(fd: int) -> mmap.mmap:
    """The capturing process's view of the store."""
    return mmap.mmap(fd, STORE_SIZE)


def map_for_reading(fd: int) -> mmap.mmap:
    """The decoder's view of the store."""
    return mmap.mmap(fd, STORE_SIZE, prot=mmap.PROT_READ)
