"""One line typed key by key: the view draws it, so that no echo can move the cursor."""

from __future__ import annotations

import codecs
import contextlib
import os
import termios
from collections.abc import Iterator
from typing import Final

LIMIT: Final = 4096  # characters
ERASE: Final = ("\x7f", "\b")
KILL, END, ESCAPE = "\x15", "\x04", "\x1b"


class Typing:
    """What is typed so far; `done` after Enter, `ended` after Ctrl-D on an empty line."""

    def __init__(self) -> None:
        self.text = ""
        self.done = False
        self.ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._sequence = False  # within an arrow key's or its like (ECMA-48, 5.4)

    def feed(self, keys: bytes) -> bytes:
        """Take keys until the line is done; returns those typed ahead."""
        for index in range(len(keys)):
            for key in self._decoder.decode(keys[index : index + 1]):
                self._press(key)
            if self.done or self.ended:
                return keys[index + 1 :]
        return b""

    def _press(self, key: str) -> None:
        if self._sequence:
            self._sequence = not (key.isalpha() or key == "~")
        elif key == ESCAPE:
            self._sequence = True
        elif key in "\r\n":
            self.done = True
        elif key == END:
            self.ended = not self.text
        elif key in ERASE:
            self.text = self.text[:-1]
        elif key == KILL:
            self.text = ""
        elif key.isprintable() and len(self.text) < LIMIT:
            self.text += key


@contextlib.contextmanager
def keys_of(descriptor: int) -> Iterator[None]:
    """Have the terminal hand over each key unseen; nothing to do where it is none."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    raw = [*before]
    raw[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, raw)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
