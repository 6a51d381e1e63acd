"""What a live view shows: events in, lines for a terminal out."""

from __future__ import annotations

import io
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console as Painter
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nearproof.daemon.live.plan import COUNTDOWNS, INSTEAD, PINNED, PLANS
from nearproof.daemon.locale import Language, filled, marked
from nearproof.qr.preview import fitted, preview_lines
from nearproof.qr.render import SIDE

GAP: Final = 2  # columns between picture and words
NARROWEST: Final = 26  # columns for words beside a picture
NOTES: Final = 5  # sentences kept
GROUP: Final = 4  # characters of the QR's text between spaces

MARKS: Final = {"done": ("✓", "green"), "now": ("▶", "bold"), "failed": ("✗", "red")}


@dataclass(frozen=True, slots=True)
class Countdown:
    """What runs down, and when it is over (seconds of the view's clock)."""

    english: str
    end: float
    whole: float


class Scene:
    """One command's view; `now` is given in seconds of any clock that goes on."""

    def __init__(self, plan: str, language: Language, *, colours: str | None) -> None:
        """`colours` is what rich calls the terminal's colour system, None for none."""
        self._steps = PLANS[plan]
        self._language = language
        self._colours = colours
        self._done = 0
        self._failed = False
        self._countdown: Countdown | None = None
        self._pinned = ""
        self._notes: deque[str] = deque(maxlen=NOTES)
        self._qr: list[str] = []
        self._qr_text = ""
        self._frame: tuple[int, int, bytes] | None = None
        self._advice = ""

    def hear(self, event: str, sentence: str, fields: dict[str, Any], now: float) -> None:
        """One event that was told, and its sentence ("" for none)."""
        for index, step in enumerate(self._steps):
            if event in step.done_by and index >= self._done:
                self._advance(index + 1)
        if event in COUNTDOWNS and (seconds := fields.get("seconds")):
            self._countdown = Countdown(COUNTDOWNS[event], now + seconds, seconds)
        if event == "advice":
            self._advice = sentence
        elif event in INSTEAD:
            self._pinned = filled(INSTEAD[event], self._language)
        elif event in PINNED:
            self._pinned = sentence
        elif sentence:
            self._notes.append(sentence)

    def _advance(self, done: int) -> None:
        self._done = done
        self._countdown, self._pinned, self._advice, self._frame = None, "", "", None
        self._qr_text = ""  # a QR that is bound is of no use to another one

    def fail(self) -> None:
        """The step under way has failed."""
        self._failed = True
        self._countdown, self._pinned, self._frame = None, "", None

    def show_qr(self, text: str, lines: list[str]) -> None:
        """Lines of the QR code, each of `SIDE` columns, as they shall reach the terminal."""
        self._qr_text, self._qr = text, lines

    def hide_qr(self) -> None:
        """It counts no more."""
        self._qr_text, self._qr = "", []

    def see(self, width: int, height: int, grey: bytes) -> None:
        """The camera's newest frame."""
        self._frame = (width, height, grey)

    # -- lines ------------------------------------------------------------------------------

    def lines(self, columns: int, rows: int, now: float) -> list[str]:
        """At most `rows` lines of at most `columns` columns, with their colours."""
        beside = columns - GAP - NARROWEST
        if self._qr:
            picture, width = self._qr, SIDE
        elif self._frame is not None:
            picture = self._camera(min(beside, columns), rows)
            width = fitted(*self._frame, min(beside, columns), 2 * (rows - 2))[0]
        else:
            return self._words(columns, rows, now)
        if width > beside:  # no room beside it: the picture counts most
            words = self._words(columns, max(rows - len(picture), 0), now)
            return [*words, *picture[:rows]]
        words = self._words(columns - width - GAP, rows, now)
        height = min(max(len(picture), len(words)), rows)
        blank = " " * width
        padded = [*picture, *[blank] * height][:height]
        return [
            f"{left}{' ' * GAP}{right}"
            for left, right in zip(padded, [*words, *[""] * height][:height], strict=True)
        ]

    def _camera(self, columns: int, rows: int) -> list[str]:
        assert self._frame is not None  # noqa: S101 - asked for where there is one
        return preview_lines(*fitted(*self._frame, columns, 2 * (rows - 2)))

    def _words(self, columns: int, rows: int, now: float) -> list[str]:
        """Steps, countdown, what must be seen, and as many of the last notes as fit."""
        lines: list[str] = []
        for kept in range(len(self._notes), -1, -1):
            notes = list(self._notes)[len(self._notes) - kept :]
            lines = self._painted(self._parts(notes, now), columns)
            if len(lines) <= rows:
                break
        return lines[:rows]

    def _parts(self, notes: list[str], now: float) -> Group:
        parts: list[RenderableType] = [self._step_table()]
        if self._countdown is not None:
            parts += ["", self._left(self._countdown, now)]
        if self._advice:
            parts += ["", Text(self._advice, "yellow")]
        if self._pinned:
            parts += ["", Text(self._pinned, "bold")]
        if self._qr_text:
            typed = filled(marked("Without a camera, type there:"), self._language)
            parts += ["", Text(f"{typed} {_grouped(self._qr_text)}", "dim")]
        elif notes:
            parts += ["", *(Text(note, "dim") for note in notes)]
        return Group(*parts)

    def _step_table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(justify="right", width=5)
        table.add_column()
        for index, step in enumerate(self._steps):
            mark, style = MARKS.get(self._state(index), ("·", "dim"))
            table.add_row(mark, step.number, step.name(self._language), style=style)
        return table

    def _state(self, index: int) -> str:
        if index < self._done:
            return "done"
        if index > self._done:
            return "to come"
        return "failed" if self._failed else "now"

    def _left(self, countdown: Countdown, now: float) -> Text:
        seconds = max(round(countdown.end - now), 0)
        hours, rest = divmod(seconds, 3600)
        clock = (
            f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
        )
        urgent = seconds < min(30, countdown.whole / 4)
        return Text.assemble(
            (f"{filled(countdown.english, self._language)}  ", ""),
            (clock, "bold red" if urgent else "bold"),
        )

    def _painted(self, words: RenderableType, columns: int) -> list[str]:
        out = io.StringIO()
        painter = Painter(
            file=out,
            force_terminal=self._colours is not None,
            color_system=self._colours,  # type: ignore[arg-type]
            width=columns,
            highlight=False,
            markup=False,
            emoji=False,
        )
        painter.print(words)
        return [line.rstrip() for line in out.getvalue().splitlines()]


def _grouped(text: str) -> str:
    """In groups of four, which `from_text` takes as well."""
    head, colon, tail = text.partition(":")
    groups = [tail[at : at + GROUP] for at in range(0, len(tail), GROUP)]
    return " ".join([f"{head}{colon}", *groups])
