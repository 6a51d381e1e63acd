"""Lines that stay in place on a terminal, above the line that a person types on.

Control sequences of ECMA-48, and DECSC/DECRC, which every terminal of today has.  Only lines that
have changed are written, so that a QR code does not flicker under a camera.
"""

from __future__ import annotations

import shutil
from typing import Final, TextIO

UP: Final = "\x1b[{}A"
ERASE_LINE: Final = "\x1b[K"
ERASE_BELOW: Final = "\x1b[J"
CLEAR: Final = "\x1b[2J\x1b[H"
SAVE, RESTORE = "\x1b7", "\x1b8"


class Screen:
    """The last lines of a terminal.  The cursor stands below them, on the line for typing."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lines: list[str] = []
        self._prompt: str | None = None
        self._size = self.size()

    def size(self) -> tuple[int, int]:
        """Columns, and rows but the one for typing."""
        size = shutil.get_terminal_size()
        return size.columns, max(size.lines - 1, 1)

    def draw(self, lines: list[str]) -> None:
        """Show these lines in place of those before; while a question stands, as many as then."""
        if self.size() != self._size:
            self._size = self.size()
            self._write(CLEAR + "".join(f"{line}\n" for line in lines) + (self._prompt or ""))
            self._lines = lines
        elif self._prompt is None:
            self._redraw(lines)
        else:
            count = len(self._lines)
            self._amend([*lines, *[""] * count][:count])

    def _redraw(self, lines: list[str]) -> None:
        parts = [self._home()]
        for index, line in enumerate(lines):
            same = index < len(self._lines) and self._lines[index] == line
            parts.append("\n" if same else f"{line}{ERASE_LINE}\n")
        if len(lines) < len(self._lines):
            parts.append(ERASE_BELOW)
        if lines != self._lines:
            self._write("".join(parts))
        self._lines = lines

    def _amend(self, lines: list[str]) -> None:
        """Change lines around a half-typed answer."""
        count = len(lines)
        changed = [index for index in range(count) if lines[index] != self._lines[index]]
        if changed:
            moves = [
                f"{UP.format(count - index)}\r{lines[index]}{ERASE_LINE}{RESTORE}"
                for index in changed
            ]
            self._write(SAVE + "".join(moves))
        self._lines = lines

    def above(self, said: str) -> None:
        """Say something that stays, above the lines."""
        prompt, lines = self._prompt or "", self._lines
        frame = "".join(f"{line}\n" for line in lines)
        self._write(f"{self._home()}{ERASE_BELOW}{said}\n{frame}{prompt}")

    def ask(self, prompt: str) -> None:
        """Put a question on the line for typing."""
        self._prompt = prompt
        self._write(f"\r{prompt}{ERASE_LINE}")

    def answered(self) -> None:
        """The question is over."""
        self._prompt = None
        self._write(f"\r{ERASE_LINE}")

    def leave(self) -> None:
        """What stands there stays; whatever comes next is written below it."""
        self._lines = []

    def _home(self) -> str:
        up = UP.format(len(self._lines)) if self._lines else ""
        return f"{up}\r"

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
