"""Where OLD shows its QR code: the terminal, a window, or a file for another screen.

A picture of the QR holds its secret: a file is private, and it goes when the QR does.  What
draws is imported when there is something to draw: a laptop that waits is spared it.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from nearproof.config import files
from nearproof.daemon.console import Console

COLUMNS, ROWS = 45, 24  # the QR in half blocks, and a line to type on

View = Callable[[str], AbstractAsyncContextManager[object]]
"""Shows the QR of a text for as long as the context is open."""


class UnknownView(ValueError):
    """A `--show` that names no view."""


def view_named(spec: str, console: Console) -> View:
    """The view of this name.

    Raises `UnknownView`, and `WindowError` or `OSError` where it could show nothing: before a
    grant is spent on it.
    """
    kind, _, rest = spec.partition(":")
    match kind:
        case "terminal" if not rest:
            return lambda text: _on_terminal(text, console)
        case "window" if not rest:
            from nearproof.qr.window import QrWindow, check_display

            check_display()
            return QrWindow
        case "png" | "svg" if rest:
            files.probe(Path(rest))
            return lambda text: _in_file(text, Path(rest), kind)
    raise UnknownView(spec)


@contextlib.asynccontextmanager
async def _on_terminal(text: str, console: Console) -> AsyncIterator[None]:
    from nearproof.qr import render

    size = shutil.get_terminal_size()
    if sys.stdout.isatty() and (size.columns < COLUMNS or size.lines < ROWS):
        console.tell("terminal_too_small", columns=COLUMNS, rows=ROWS)
    # The text goes first: the code must stay on a screen of 24 lines.
    console.show(f"{text}\n{render.terminal(text).rstrip()}")
    yield


@contextlib.asynccontextmanager
async def _in_file(text: str, path: Path, kind: str) -> AsyncIterator[None]:
    from nearproof.qr import render

    files.write_bytes(path, render.png(text) if kind == "png" else render.svg(text))
    try:
        yield
    finally:
        files.remove(path)
