"""The window: it is shown from a process of its own, and says what is missing if it cannot be."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nearproof.qr.errors import WindowError, WrongCapacity
from nearproof.qr.window import QrWindow
from qr.samples import TEXT


async def show() -> None:
    async with QrWindow(TEXT):
        pass


@asynccontextmanager
async def x_server() -> AsyncIterator[str]:
    """An X server without a screen, and the name of its display."""
    reader, writer = os.pipe()
    server = await asyncio.create_subprocess_exec(
        *("Xvfb", "-displayfd", str(writer), "-screen", "0", "1024x768x24", "-nolisten", "tcp"),
        pass_fds=[writer],
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with open(reader) as display:  # noqa: ASYNC230 (a pipe: the line is the readiness)
            yield ":" + (await asyncio.to_thread(display.readline)).strip()
    finally:
        server.kill()
        await server.wait()


async def test_without_a_display_the_user_is_told_about_xwayland(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Qt would end the process without a word."""
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(WindowError, match="XWayland"):
        await show()


async def test_a_display_that_does_not_answer_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qt aborts in its own process, not in this one."""
    monkeypatch.setenv("DISPLAY", ":65000")
    with pytest.raises(WindowError, match="XWayland"):
        await show()


def test_a_text_that_does_not_fit_is_refused_before_anything_is_shown() -> None:
    """As for every other rendering."""
    with pytest.raises(WrongCapacity):
        QrWindow("lower case")


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
async def test_the_window_shows_until_the_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on the screen when the block begins, and nobody has closed it."""
    async with x_server() as display:
        monkeypatch.setenv("DISPLAY", display)
        async with QrWindow(TEXT) as window:
            closed = asyncio.create_task(window.closed())
            done, _ = await asyncio.wait([closed], timeout=0.3)
            assert not done
        await closed
