"""What a live view shows: events in, lines for a terminal out."""

from __future__ import annotations

import textwrap
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from nearproof.daemon.console import QR_COLUMNS
from nearproof.daemon.live.plan import COUNTDOWNS, INSTEAD, PINNED, PLANS
from nearproof.daemon.locale import Language, filled, marked
from nearproof.qr.preview import fitted, preview_lines

GAP: Final = 2  # columns between picture and words
NARROWEST: Final = 33  # columns for words beside a picture: 80 less QR and gap
SMALLEST: Final = 20  # columns of a camera's picture that has words beside it
ADVICE: Final = 2  # lines below the camera's picture
NOTES: Final = 5  # sentences kept
GROUP: Final = 4  # characters of the QR's text between spaces

BOLD, DIM, GREEN, RED, WARNING, URGENT = "1", "2", "32", "31", "1;33", "1;31"  # SGR
MARKS: Final = {
    "done": ("✓", GREEN),
    "now": ("▶", BOLD),
    "failed": ("✗", RED),
    "to come": ("·", DIM),
}


@dataclass(frozen=True, slots=True)
class Countdown:
    """What runs down, and when it is over (seconds of the view's clock)."""

    english: str
    end: float
    whole: float


class Scene:
    """One command's view; `now` is given in seconds of any clock that goes on."""

    def __init__(self, plan: str, language: Language) -> None:
        self._steps = PLANS[plan]
        self._language = language
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
        """Lines of the QR code, each of `QR_COLUMNS` columns, as they shall reach the terminal."""
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
        room = columns - GAP - NARROWEST
        beside = room >= SMALLEST
        width, picture = self._picture(*((room, rows) if beside else (columns, rows // 2)))
        if not picture:
            return self._words(columns, rows, now)
        if width > room:  # no room for words beside it: the picture counts most
            words = self._words(columns, max(rows - len(picture), 0), now)
            return [*words, *picture[:rows]]
        words = self._words(columns - width - GAP, rows, now)
        height = min(max(len(picture), len(words)), rows)
        left = [*picture, *[" " * width] * height][:height]
        right = [*words, *[""] * height][:height]
        return [f"{a}{' ' * GAP}{b}" for a, b in zip(left, right, strict=True)]

    def _picture(self, room: int, rows: int) -> tuple[int, list[str]]:
        """Width and lines of what is on the left: the QR code, or the camera and advice."""
        if self._qr:
            return QR_COLUMNS, self._qr
        if self._frame is None:
            return 0, []
        small = fitted(*self._frame, room, 2 * max(rows - ADVICE, 1))
        return small[0], [*preview_lines(*small), *self._advice_lines(small[0])]

    def _advice_lines(self, width: int) -> list[str]:
        lines = textwrap.wrap(self._advice, width)[:ADVICE]
        return [f"{self._styled(line, WARNING)}{' ' * (width - len(line))}" for line in lines]

    def _words(self, columns: int, rows: int, now: float) -> list[str]:
        """Steps, countdown, what must be seen, and as many of the last notes as fit."""
        lines = self._step_lines(columns)
        if self._countdown is not None:
            lines += ["", *self._left(self._countdown, columns, now)]
        if self._pinned:
            lines += ["", *self._wrapped(self._pinned, columns, BOLD)]
        if self._qr_text:
            typed = filled(marked("Without a camera, type there:"), self._language)
            lines += ["", *self._wrapped(f"{typed} {_grouped(self._qr_text)}", columns, DIM)]
        else:
            lines += self._note_lines(columns, rows - len(lines) - 1)
        return lines[:rows]

    def _note_lines(self, columns: int, room: int) -> list[str]:
        """The newest notes that fit, oldest first."""
        lines: list[str] = []
        for note in reversed(self._notes):
            wrapped = self._wrapped(note, columns, DIM)
            if len(lines) + len(wrapped) > room:
                break
            lines = [*wrapped, *lines]
        return ["", *lines] if lines else []

    def _step_lines(self, columns: int) -> list[str]:
        lines = []
        for index, step in enumerate(self._steps):
            mark, style = MARKS[self._state(index)]
            head = f"{mark} {step.number:>5} "
            name = textwrap.wrap(step.name(self._language), max(columns - len(head), 1))
            lines += [
                self._styled(f"{lead}{part}", style)
                for lead, part in zip(
                    [head, *[" " * len(head)] * (len(name) - 1)], name, strict=True
                )
            ]
        return lines

    def _state(self, index: int) -> str:
        if index < self._done:
            return "done"
        if index > self._done:
            return "to come"
        return "failed" if self._failed else "now"

    def _left(self, countdown: Countdown, columns: int, now: float) -> list[str]:
        seconds = max(round(countdown.end - now), 0)
        hours, rest = divmod(seconds, 3600)
        clock = f"{rest // 60}:{rest % 60:02}"
        if hours:
            clock = f"{hours}:{rest // 60:02}:{rest % 60:02}"
        urgent = seconds < min(30, countdown.whole / 4)
        words = filled(countdown.english, self._language)
        shown = self._styled(clock, URGENT if urgent else BOLD)
        if len(words) + 2 + len(clock) <= columns:
            return [f"{words}  {shown}"]
        return [*textwrap.wrap(words, columns), shown]

    def _wrapped(self, sentence: str, columns: int, style: str) -> list[str]:
        return [self._styled(line, style) for line in textwrap.wrap(sentence, columns)]

    def _styled(self, line: str, style: str) -> str:
        return f"\x1b[{style}m{line}\x1b[0m" if style else line


def _grouped(text: str) -> str:
    """In groups of four, which `from_text` takes as well."""
    head, colon, tail = text.partition(":")
    groups = [tail[at : at + GROUP] for at in range(0, len(tail), GROUP)]
    return " ".join([f"{head}{colon}", *groups])
