"""The person or program in front of this laptop: what it is told, and what it is asked.

A role knows them as a `Front`.  `Console` is the one of a terminal or a pipe, told in one of two
ways: text (progress on standard error, results on standard output), or with `--json` one event a
line on standard output.  Every text stands in `texts.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import termios
import textwrap
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TextIO

from nearproof.daemon.locale import Language
from nearproof.daemon.texts import text

QR_COLUMNS, QR_ROWS = 45, 24  # the QR in half blocks, and a line to type on


class InputNeeded(Exception):
    """Something must be typed, but there is nobody to type it (`--no-input`, or no terminal)."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


class Front(Protocol):
    """Who is in front of a laptop, as its roles see them.

    What crosses here are names, texts, numbers and bytes, so that it can travel to another
    process.  Nothing here may block.
    """

    @property
    def language(self) -> Language:
        """The language of whoever reads."""

    @property
    def watches(self) -> bool:
        """Whether anybody looks at the frames given to `preview`: they cost work."""

    def tell(self, event: str, step: str = "", **fields: Any) -> None:
        """Tell of one event; `step` is the step's number on the source page."""

    def failed(self, sentence: str, **fields: Any) -> None:
        """The last word of a command that did not end well."""

    def show(self, content: str) -> None:
        """A result for the screen."""

    async def ask(self, what: str, step: str = "", *, hidden: bool = False, **fields: Any) -> str:
        """Ask for one line, `hidden` without echo.  Raises `InputNeeded` where nobody answers."""

    def show_qr(self, text: str) -> AbstractContextManager[None]:
        """Show the QR code of this text on the screen for as long as the context is open."""

    def preview(self, width: int, height: int, grey: bytes) -> None:
        """What the camera sees: one byte a pixel, row by row."""


PINS: Final = frozenset({"pin", "new_pin", "new_pin_again"})


class Console:
    """The `Front` of this process.

    `typed` is the descriptor that answers come from, if any; `pin` one whose first line is the
    answer to every question for a PIN.
    """

    def __init__(
        self,
        *,
        role: str,
        language: Language = "en",
        as_json: bool = False,
        no_input: bool = False,
        typed: int | None = None,
        pin: int | None = None,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.role = role
        self.language = language
        self.as_json = as_json
        self._no_input = no_input
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._lines = Lines(typed)
        self._pin = None if pin is None else HandedPin(pin)

    def tell(self, event: str, step: str = "", **fields: Any) -> None:
        """Tell of one event; `step` is the step's number on the source page.

        In JSON every field is given; in text those that the event's text names.
        """
        if self.as_json:
            self.line({"event": event, "role": self.role, "step": step, **fields})
            return
        sentence = text(event, self.language, **fields)
        if sentence:
            margin = f"{step:>5}  " if step else ""
            self._say(margin, sentence)

    def answer(self, event: str, **fields: Any) -> None:
        """What was asked for, on standard output; in JSON as any event."""
        if self.as_json:
            self.tell(event, **fields)
        else:
            sentence = text(event, self.language, **fields)
            self.show(wrapped(sentence, 0) if self._out.isatty() else sentence)

    def failed(self, sentence: str, **fields: Any) -> None:
        """The last word of a command that did not end well."""
        if self.as_json:
            self.line({"role": self.role, "text": sentence, **fields})
        else:
            self._say("", f"nearproof: {sentence}")

    def _say(self, margin: str, sentence: str) -> None:
        if self._err.isatty():
            sentence = wrapped(sentence, len(margin))
        print(margin + sentence, file=self._err, flush=True)

    def line(self, record: dict[str, Any]) -> None:
        """One JSON line, stamped with CLOCK_MONOTONIC seconds (one machine, one clock)."""
        record = {"t": round(time.monotonic(), 6), **record}
        print(json.dumps(record, ensure_ascii=False), file=self._out, flush=True)

    def show(self, content: str) -> None:
        """A result or a picture for the screen; silent in JSON."""
        if not self.as_json:
            print(content, file=self._out, flush=True)

    @contextlib.contextmanager
    def show_qr(self, text: str) -> Iterator[None]:
        """Print the QR code; it stays on the terminal, where it is worthless once it has ended."""
        from nearproof.qr import render

        size = shutil.get_terminal_size()
        if self._out.isatty() and (size.columns < QR_COLUMNS or size.lines < QR_ROWS):
            self.tell("terminal_too_small", columns=QR_COLUMNS, rows=QR_ROWS)
        # The text goes first: the code must stay on a screen of 24 lines.
        self.show(f"{text}\n{render.terminal(text).rstrip()}")
        yield

    def close(self) -> None:
        """Nothing more will be told."""

    @property
    def watches(self) -> bool:
        """Lines show no pictures."""
        return False

    def preview(self, width: int, height: int, grey: bytes) -> None:
        """Nobody looks."""

    async def ask(self, what: str, step: str = "", *, hidden: bool = False, **fields: Any) -> str:
        """Ask for one line, `hidden` without echo.  Raises `InputNeeded` where nobody answers."""
        if self._pin is not None and what in PINS:
            return await self._pin.answer(what, step)
        if self._no_input:
            raise InputNeeded(what)
        with unechoed(self._lines.descriptor) if hidden else contextlib.nullcontext():
            if self.as_json:
                self.line(
                    {"event": "asked", "role": self.role, "step": step, "what": what, **fields}
                )
            else:
                question = text(f"ask_{what}", self.language, **fields)
                print(question, end=" ", file=self._err, flush=True)
            answer = await self._lines.next()
        if answer is None:
            if not self.as_json:
                print(file=self._err)  # nobody's Enter has ended the line of the question
            raise InputNeeded(what)
        return answer.strip()


@contextlib.contextmanager
def unechoed(descriptor: int) -> Iterator[None]:
    """Do not show what is typed there; nothing to do where it is no terminal."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    silent = [*before]
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def wrapped(sentence: str, indent: int) -> str:
    """The sentence in the width of the terminal, every line but the first indented."""
    width = max(shutil.get_terminal_size().columns - indent, 40)
    return f"\n{' ' * indent}".join(textwrap.wrap(sentence, width))


class HandedPin:
    """A PIN that a program hands over on a descriptor (`--pin-fd`): the first line of it.

    It answers each question once: where one is asked again the PIN was refused, and a script that
    went on trying would lock it.
    """

    def __init__(self, descriptor: int) -> None:
        self._lines = Lines(descriptor)
        self._line: str | None = None
        self._answered: set[tuple[str, str]] = set()

    async def answer(self, what: str, step: str) -> str:
        """The PIN.  Raises `InputNeeded` if there is none, or for a question asked before."""
        if self._line is None:
            self._line = await self._lines.next()
        if self._line is None or (what, step) in self._answered:
            raise InputNeeded(what)
        self._answered.add((what, step))
        return self._line.strip()


class Lines:
    """Lines of a descriptor, read without a thread so that a pending question can be dropped."""

    LIMIT = 4096

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = -1 if descriptor is None else descriptor
        self._buffer = b""
        self._ended = descriptor is None

    async def next(self) -> str | None:
        """The next line without its end, or None at the end of input."""
        while b"\n" not in self._buffer and not self._ended:
            await self._more()
        line, found, rest = self._buffer.partition(b"\n")
        self._buffer = rest
        if not found and not line:
            return None
        return line.decode(errors="replace")

    async def some(self) -> bytes:
        """Whatever was typed, at least one byte; b"" at the end of input."""
        if not self._buffer and not self._ended:
            await self._more()
        typed, self._buffer = self._buffer, b""
        return typed

    def put_back(self, typed: bytes) -> None:
        """What belongs to the next line."""
        self._buffer = typed + self._buffer

    async def _more(self) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        try:
            loop.add_reader(self.descriptor, readable.set)
        except PermissionError:
            pass  # a plain file: always readable, epoll does not take it
        else:
            try:
                await readable.wait()
            finally:
                loop.remove_reader(self.descriptor)
        chunk = os.read(self.descriptor, self.LIMIT)
        self._ended = not chunk or len(self._buffer) > self.LIMIT
        self._buffer += chunk
