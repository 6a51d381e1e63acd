"""The QR in a window of its own.

OpenCV's window is Qt on X11; on a Wayland desktop that takes XWayland.  Qt ends its process
when it finds no display and keeps its own event loop, so it lives in a child process.  The
picture goes there by a pipe: a file or an argument would be there for others to read.
"""

from __future__ import annotations

import asyncio
import os
import sys
from types import TracebackType
from typing import Final, Self

from nearproof.qr.errors import WindowError
from nearproof.qr.render import png

_START_TIMEOUT: Final = 10.0  # seconds
_SHOWN: Final = b"shown\n"


def check_display() -> None:
    """Raise WindowError if there is no display to open a window on."""
    if not os.environ.get("DISPLAY"):
        raise _no_window()


def _no_window() -> WindowError:
    return WindowError("it needs an X display: on Wayland install and enable XWayland")


class QrWindow:
    """`async with QrWindow(text) as window:` shows the QR until the block ends."""

    def __init__(self, text: str, *, title: str = "nearproof", scale: int = 14) -> None:
        """`scale` is pixels a module.  Raises WrongCapacity, as `render.png` does."""
        self._png = png(text, scale)
        self._title = title
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Returns when the window is on the screen.  Raises WindowError."""
        check_display()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "nearproof.qr.window_child", self._title),
            env=os.environ | {"QT_QPA_PLATFORM": "xcb", "OPENCV_LOG_LEVEL": "OFF"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await self._show(self._process)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def closed(self) -> None:
        """Returns when somebody closes the window."""
        if self._process is not None:
            await self._process.wait()

    async def _show(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise WindowError("no pipe to it")
        try:
            process.stdin.write(self._png)
            process.stdin.write_eof()
            async with asyncio.timeout(_START_TIMEOUT):
                word = await process.stdout.readline()
        except (TimeoutError, OSError):
            word = b""
        if word != _SHOWN:
            raise _no_window()

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()
