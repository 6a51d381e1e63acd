"""How the person in front of a demo is told: every laptop's events, the pictures, the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from nearproof.daemon.account import Status, sentences
from nearproof.daemon.console import PINS, Console, InputNeeded, Lines, unechoed, wrapped
from nearproof.daemon.demo.stage import Event
from nearproof.daemon.locale import filled, marked
from nearproof.daemon.texts import TEXTS, text

COLOURS = {
    "old": "36",
    "new": "32",
    "backend": "35",
    "phone": "34",
    "attacker": "31",
    "verifier": "33",
    "demo": "1",
}

MASK = "••••••"  # in place of a PIN
INDENT = 25  # columns of clock, name and step, before the sentences
FOR_PROGRAMS = {"asked", "invited"}  # of no use to whoever reads what a demo tells


class Audience:
    """Tells on a terminal, or with `--json` passes every event on.

    Sentences are in English, with fields to fill in: the catalogue translates them.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._start: float | None = None
        self._held: dict[str, list[Event]] = {}
        self._keyboard = Lines(0)
        self._asking = asyncio.Lock()
        self._standing = ""  # the question that the person has not answered yet
        self.watching = False  # not before the stage is set

    def heading(self, wait: int, *, interactive: bool) -> None:
        """What the person is about to see."""
        heading = marked(
            "nearproof demo: two laptops, a backend, an emulated radio and a lens, each of them a\n"
            "process on this machine.  The waiting time is {wait} s here, an hour by default.\n"
            "The numbers are the steps of the page that this is modelled on.\n"
        )
        self._console.show(self.words(heading, wait=wait))
        if interactive:
            self._console.show(self.words(marked("You are the person at both laptops.\n")))

    def words(self, sentence: str, **fields: Any) -> str:
        """The sentence in the language of whoever watches."""
        return filled(sentence, self._console.language, **fields)

    def hold(self, who: str) -> None:
        """Keep back what this participant says, until it is its turn."""
        self._held[who] = []

    def release(self, who: str) -> None:
        """Tell what was kept back."""
        for event in self._held.pop(who):
            self.watch(event)

    def watch(self, event: Event) -> None:
        """One event of one process."""
        if event["role"] in self._held:
            self._held[event["role"]].append(event)
        elif self._console.as_json:
            if event["event"] not in FOR_PROGRAMS:
                self._console.line(event | ({"typed": MASK} if event.get("what") in PINS else {}))
        elif not self.watching:
            pass
        elif event["event"] == "typed":
            self._typed(event)
        elif said := event.get("text") or self._said(event):
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
        line = f"{clock}  {self._label(who)} {step:>5}  {wrapped(said, INDENT)}"
        if self._standing:  # above the question, which is asked again below
            print(f"\r\033[K{line}\n{self._standing}", end="", flush=True)
        else:
            self._console.show(line)

    def _label(self, who: str) -> str:
        return f"\033[{COLOURS.get(who, '0')}m{who:<8}\033[0m" if self._colour else f"{who:<8}"

    def types(self, who: str, step: str, what: str, line: str) -> None:
        """What the story itself types."""
        self.watch({"event": "typed", "role": who, "step": step, "what": what, "typed": line})

    def _typed(self, event: Event) -> None:
        """What the scripted person has typed; a real one has seen it."""
        if event.get("by_hand"):
            return
        line = MASK if event["what"] in PINS else event["typed"]
        self._line(event["role"], event.get("step", ""), f"» {self._question(event)} {line}")

    def _question(self, event: Event) -> str:
        return text(f"ask_{event['what']}", self._console.language, **_fields(event))

    def _said(self, event: Event) -> str:
        """The sentence of an event; "" for those that are for programs."""
        if event["event"] not in TEXTS:
            return ""
        fields = _fields(event)
        if event.get("camera", "").startswith("lens:"):
            fields["camera"] = self.words(marked("a modelled lens"))
        return text(event["event"], self._console.language, **fields)

    async def ask(self, asked: Event) -> str | None:
        """Have the real person type what a laptop asks for.  Raises `InputNeeded` if they left."""
        async with self._asking:
            lead = f"{'':9}{self._label(asked['role'])} {asked.get('step', ''):>5}"
            self._standing = f"{lead}  » {self._question(asked)} "
            hidden = asked["what"] in PINS
            try:  # unseen before it is asked for: a program types at once
                with unechoed(self._keyboard.descriptor) if hidden else contextlib.nullcontext():
                    print(self._standing, end="", flush=True)
                    line = await self._keyboard.next()
            finally:
                self._standing = ""
            if hidden:
                print()
            if line is None:
                raise InputNeeded(asked["what"])
            asked["by_hand"] = True
            return line.strip()

    def picture(self, title: str, path: Path, columns: int) -> None:
        """A picture, drawn with half blocks."""
        if not self._console.as_json and sys.stdout.isatty():
            from nearproof.daemon.demo.picture import draw

            self._console.show(f"\n{self.words(title)}\n{draw(path, columns)}\n")

    def status(self, who: str, step: str, standing: Status) -> None:
        """What `nearproof status` prints on a laptop."""
        if self._console.as_json:
            said = {"event": "status", "role": who, "step": step}
            self._console.line(said | msgspec.to_builtins(standing))
            return
        self._line(who, step, "$ nearproof status")
        for sentence, fields in sentences(standing):
            self._line(who, step, text(sentence, self._console.language, **fields))

    def result(self, event: str, sentence: str, **fields: Any) -> None:
        """The demo's own last word."""
        if self._console.as_json:
            self._console.line({"event": event, "role": "demo", "step": "", **fields})
        else:
            self._console.show(f"\n{self.words(sentence, **fields)}")


def _fields(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "language"}
