"""Where OLD shows its QR code: the terminal, a window, or a file for another screen.

A picture of the QR holds its secret: a file is private, and it goes when the QR does.  What
draws is imported when there is something to draw: a laptop that waits is spared it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from nearproof.config import files
from nearproof.daemon.console import Front

View = Callable[[str], AbstractAsyncContextManager[object]]
"""Shows the QR of a text for as long as the context is open."""


class UnknownView(ValueError):
    """A `--show` that names no view."""


def view_named(spec: str, front: Front) -> View:
    """The view of this name.

    Raises `UnknownView`, and `WindowError` or `OSError` where it could show nothing: before a
    grant is spent on it.
    """
    kind, _, rest = spec.partition(":")
    match kind:
        case "terminal" if not rest:
            return lambda text: _on_terminal(text, front)
        case "window" if not rest:
            from nearproof.qr.window import QrWindow, check_display

            check_display()
            return QrWindow
        case "png" | "svg" if rest:
            files.probe(Path(rest))
            return lambda text: _in_file(text, Path(rest), kind)
    raise UnknownView(spec)


@contextlib.asynccontextmanager
async def _on_terminal(text: str, front: Front) -> AsyncIterator[None]:
    with front.show_qr(text):
        yield


@contextlib.asynccontextmanager
async def _in_file(text: str, path: Path, kind: str) -> AsyncIterator[None]:
    from nearproof.qr import render

    files.write_bytes(path, render.png(text) if kind == "png" else render.svg(text))
    try:
        yield
    finally:
        files.remove(path)
