"""As much of a terminal as a live view uses; anything else it is sent is a mistake."""

from __future__ import annotations

import io
import re

SEQUENCE = re.compile(r"\x1b(?:\[([\d;]*)([A-Za-z])|([78]))")


class Glass(io.StringIO):
    """A screen of `rows` x `columns` characters without their colours; `bytes` is what came."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__()
        self.columns, self.rows = columns, rows
        self.lines = [""]
        self.scrolled: list[str] = []
        self.row = self.column = 0
        self.saved = (0, 0)
        self.sent = ""

    def write(self, text: str) -> int:
        self.sent += text
        at = 0
        for found in SEQUENCE.finditer(text):
            self._print(text[at : found.start()])
            self._obey(found)
            at = found.end()
        self._print(text[at:])
        return len(text)

    def _print(self, text: str) -> None:
        for character in text:
            if character == "\n":
                self.row, self.column = self.row + 1, 0
                self._scroll()
            elif character == "\r":
                self.column = 0
            else:
                assert character.isprintable(), f"{character!r} is for no terminal"
                assert self.column < self.columns, f"too long: {self.lines[self.row]!r}"
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
                self.column += 1

    def _scroll(self) -> None:
        while len(self.lines) <= self.row:
            self.lines.append("")
        while len(self.lines) > self.rows:
            self.scrolled.append(self.lines.pop(0))
            self.row -= 1

    def _obey(self, sequence: re.Match[str]) -> None:
        number, what, cursor = sequence.groups()
        match what or cursor:
            case "7":
                self.saved = (self.row, self.column)
            case "8":
                self.row, self.column = self.saved
            case "A":
                self.row = max(self.row - int(number), 0)
            case "K":
                self.lines[self.row] = self.lines[self.row][: self.column]
            case "J" if not number:
                self.lines[self.row] = self.lines[self.row][: self.column]
                del self.lines[self.row + 1 :]
            case "J" | "H":
                if what == "J":
                    self.lines = [""]
                self.row = self.column = 0
            case "m":
                pass
            case _:
                raise AssertionError(f"not a sequence of ours: {sequence[0]!r}")

    @property
    def shown(self) -> list[str]:
        """The lines on the screen, without what is empty at their ends."""
        return [line.rstrip() for line in self.lines]
