"""How the person in front of a demo is told: every laptop's events, the pictures, the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nearproof.daemon.console import Console, wrapped
from nearproof.daemon.demo.stage import Event
from nearproof.daemon.locale import filled, marked
from nearproof.daemon.texts import TEXTS, text

COLOURS = {
    "old": "36",
    "new": "32",
    "backend": "35",
    "attacker": "31",
    "verifier": "33",
    "demo": "1",
}

INDENT = 25  # columns of clock, name and step, before the sentences


class Audience:
    """Tells on a terminal, or with `--json` passes every event on.

    Sentences are in English, with fields to fill in: the catalogue translates them.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._start: float | None = None
        self.watching = False  # not before the stage is set

    def heading(self, wait: int) -> None:
        """What the person is about to see."""
        heading = marked(
            "nearproof demo: two laptops, a backend, an emulated radio and a lens, each of them a\n"
            "process on this machine.  The waiting time is {wait} s here, an hour by default.\n"
            "The numbers are the steps of the page that this is modelled on.\n"
        )
        self._console.show(self.words(heading, wait=wait))

    def words(self, sentence: str, **fields: Any) -> str:
        """The sentence in the language of whoever watches."""
        return filled(sentence, self._console.language, **fields)

    def watch(self, event: Event) -> None:
        """One event of one process."""
        if self._console.as_json:
            if event["event"] not in ("asked", "invited"):
                self._console.line(event)
            return
        if not self.watching:
            return
        name = event["event"]
        language = self._console.language
        said = event.get("text") or (text(name, language, **event) if name in TEXTS else "")
        if said:
            self._line(event["role"], event.get("step", ""), said, event["t"])

    def says(self, who: str, step: str, sentence: str, **fields: Any) -> None:
        """One sentence of one participant, with the source page's step number."""
        if not self._console.as_json:
            self._line(who, step, self.words(sentence, **fields))

    def _line(self, who: str, step: str, said: str, at: float | None = None) -> None:
        clock = " " * 7
        if at is not None:
            self._start = at if self._start is None else self._start
            clock = f"{at - self._start:6.2f}s"
        label = f"{who:<8}"
        if self._colour:
            label = f"\033[{COLOURS.get(who, '0')}m{label}\033[0m"
        self._console.show(f"{clock}  {label} {step:>5}  {wrapped(said, INDENT)}")

    def types(self, who: str, step: str, sentence: str, **fields: Any) -> None:
        """What the scripted person does."""
        if self._console.as_json:
            self._console.line({"event": "typed", "role": who, "step": step})
        else:
            self._line(who, step, f"» {self.words(sentence, **fields)}")

    def picture(self, title: str, path: Path, columns: int) -> None:
        """A picture, drawn with half blocks."""
        if not self._console.as_json and sys.stdout.isatty():
            from nearproof.daemon.demo.picture import draw

            self._console.show(f"\n{self.words(title)}\n{draw(path, columns)}\n")

    def result(self, event: str, sentence: str, **fields: Any) -> None:
        """The demo's own last word."""
        if self._console.as_json:
            self._console.line({"event": event, "role": "demo", "step": "", **fields})
        else:
            self._console.show(f"\n{self.words(sentence, **fields)}")
