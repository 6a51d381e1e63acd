"""A person in front of a live view."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from nearproof.daemon.console import (
    PINS,
    QR_COLUMNS,
    QR_ROWS,
    Console,
    InputNeeded,
    wrapped,
)
from nearproof.daemon.live.plan import ALOUD
from nearproof.daemon.live.scene import Scene
from nearproof.daemon.live.screen import Screen
from nearproof.daemon.live.typing import Typing, keys_of
from nearproof.daemon.texts import text

TICK: Final = 1.0  # seconds between two looks at the countdown
FRAME: Final = 0.15  # seconds between two pictures of the camera, at least


class LiveConsole(Console):
    """A `Console` whose events become a view that stays in place."""

    def __init__(self, *, plan: str, **options: Any) -> None:
        """`plan` is one of `plan.PLANS`; the rest is `Console`'s."""
        super().__init__(**options)
        self._screen = Screen(self._err)
        self._scene = Scene(plan, self.language)
        self._ticking: asyncio.TimerHandle | None = None
        self._framed = 0.0
        self._closed = False
        self._stderr, sys.stderr = sys.stderr, _Above(self)
        self._keyboard = contextlib.ExitStack()
        self._keyboard.enter_context(keys_of(self._lines.descriptor))

    # -- Front --------------------------------------------------------------------------------

    def tell(self, event: str, step: str = "", **fields: Any) -> None:
        """Put it into the view; what is long or to be copied is said above it."""
        sentence = text(event, self.language, **fields)
        if event in ALOUD and sentence:
            self.say_above(f"{step:>5}  {wrapped(sentence, 7)}" if step else wrapped(sentence, 0))
            sentence = ""
        self._scene.hear(event, sentence, fields, time.monotonic())
        self._paint()
        self._keep_ticking()

    def failed(self, sentence: str, **fields: Any) -> None:
        """The view stays as it was when it failed; the reason stands below it."""
        self._scene.fail()
        self.close()
        super().failed(sentence, **fields)

    def show(self, content: str) -> None:
        """A result, above the view."""
        self.say_above(content)

    async def ask(self, what: str, step: str = "", *, hidden: bool = False, **fields: Any) -> str:
        """Ask on the line below the view, which goes on counting."""
        if self._pin is not None and what in PINS:
            return await self._pin.answer(what, step)
        self._paint()
        prompt = f"{text(f'ask_{what}', self.language, **fields)} "
        try:
            answer = await self._typed(prompt, hidden=hidden)
        finally:
            self._screen.answered()
            self._paint()
        if answer is None:
            raise InputNeeded(what)
        return answer.strip()

    async def _typed(self, prompt: str, *, hidden: bool) -> str | None:
        """The line typed behind the prompt, its end in sight; None at the end of input."""
        typing = Typing()
        while not typing.done:
            shown = "" if hidden else typing.text
            room = max(self._screen.size()[0] - len(prompt) - 1, 1)
            self._screen.ask(prompt + (shown if len(shown) <= room else f"…{shown[1 - room :]}"))
            keys = await self._lines.some()
            self._lines.put_back(typing.feed(keys))
            if typing.ended or not keys:
                return None
        return typing.text

    @contextlib.contextmanager
    def show_qr(self, text: str) -> Iterator[None]:
        """The QR code in the view; it is gone from the screen when the context is."""
        from nearproof.qr import render

        columns, rows = self._screen.size()
        if columns < QR_COLUMNS or rows + 1 < QR_ROWS:
            self.tell("terminal_too_small", columns=QR_COLUMNS, rows=QR_ROWS)
        self._scene.show_qr(text, render.terminal(text).splitlines())
        self._paint()
        try:
            yield
        finally:
            self._scene.hide_qr()
            self._paint()

    @property
    def watches(self) -> bool:
        """The camera's frames are shown."""
        return True

    def preview(self, width: int, height: int, grey: bytes) -> None:
        """The camera's newest frame; more than a terminal can follow are left out."""
        now = time.monotonic()
        if now - self._framed >= FRAME:
            self._framed = now
            self._scene.see(width, height, grey)
            self._paint()

    def close(self) -> None:
        """Leave the view on the terminal as it stands; once."""
        if self._closed:
            return
        self._closed = True
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        self._paint()
        self._screen.leave()
        self._keyboard.close()
        sys.stderr = self._stderr

    # -- how -----------------------------------------------------------------------------------

    def say_above(self, said: str) -> None:
        """Lines that stay."""
        self._screen.above(said)

    def _paint(self) -> None:
        columns, rows = self._screen.size()
        self._screen.draw(self._scene.lines(columns, rows, time.monotonic()))

    def _keep_ticking(self) -> None:
        if self._ticking is None:
            with contextlib.suppress(RuntimeError):  # told outside of a loop: nothing runs down
                self._ticking = asyncio.get_running_loop().call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._ticking = None
        self._paint()
        self._keep_ticking()


class _Above(io.TextIOBase):
    """Standard error while a view stands: logs and warnings are said above it."""

    def __init__(self, console: LiveConsole) -> None:
        self._console = console
        self._begun = ""

    def write(self, said: str) -> int:
        *whole, self._begun = (self._begun + said).split("\n")
        for line in whole:
            self._console.say_above(line)
        return len(said)

    def isatty(self) -> bool:
        return True
