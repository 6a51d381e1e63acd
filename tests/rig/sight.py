"""What one laptop's camera sees of the other's screen.

The "screen" is the file /run/rig/screen.png of the laptop that is looked at, photographed
through the lens model as if it were held up by hand.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from nearproof.qr.lens import handheld, photograph
from rig.laptop import Laptop

SCREEN = "screen.png"

# inotify(7); the data of a file of the laptop may arrive here after its name.
MODIFY, MOVED_TO, CREATE, DELETE = 0x2, 0x80, 0x100, 0x200
EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows


@asynccontextmanager
async def looking(camera: Laptop, screen: Laptop, seed: int = 0) -> AsyncIterator[None]:
    """Let `camera` see the screen of `screen` while the context is open.

    Every picture is photographed anew, under conditions drawn from `seed`.
    """
    await camera.camera.prepare()
    task = asyncio.create_task(_look(camera, screen.machine.share, np.random.default_rng(seed)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await camera.camera.cover()
    if not task.cancelled():
        task.result()  # it ends by itself only if something went wrong


async def _look(laptop: Laptop, directory: Path, rng: np.random.Generator) -> None:
    async for _ in _changes(directory, SCREEN):
        picture = _picture(directory / SCREEN)
        if picture is None:
            await laptop.camera.cover()
        else:
            frame = await asyncio.to_thread(photograph, picture, handheld(rng), rng)
            await laptop.camera.show(frame)


def _picture(path: Path) -> MatLike | None:
    """The picture in the file, grey; None if it is gone, or not all there yet."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError:
        return None
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None


async def _changes(directory: Path, name: str) -> AsyncIterator[None]:
    """Yield whenever the file of that name has changed; changes in quick succession are one."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def read() -> None:
        if name in _names(os.read(descriptor, 65536)):
            changed.set()

    try:
        mask = MODIFY | MOVED_TO | CREATE | DELETE
        if libc.inotify_add_watch(descriptor, os.fsencode(directory), mask) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
        loop.add_reader(descriptor, read)
        while True:
            await changed.wait()
            changed.clear()
            yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _names(events: bytes) -> set[str]:
    names, offset = set(), 0
    while offset < len(events):
        *_, length = EVENT.unpack_from(events, offset)
        offset += EVENT.size
        names.add(os.fsdecode(events[offset : offset + length].rstrip(b"\0")))
        offset += length
    return names
