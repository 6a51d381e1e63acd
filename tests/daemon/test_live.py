"""The live view: what it shows, that it stays in place, and that it leaves the QR code alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.glass import Glass
from nearproof.crypto.messages import QrPayload
from nearproof.daemon.cli.options import Options
from nearproof.daemon.console import Console, InputNeeded
from nearproof.daemon.live.console import LiveConsole
from nearproof.daemon.live.plan import PLANS
from nearproof.daemon.live.scene import Scene
from nearproof.daemon.live.screen import Screen
from nearproof.daemon.live.typing import Typing
from nearproof.daemon.locale import Language
from nearproof.daemon.texts import TEXTS, text
from nearproof.qr import render
from nearproof.qr.payload import from_text, to_text
from nearproof.qr.preview import fitted

QR = to_text(
    QrPayload(secret=bytes(range(16)), q_public=bytes(range(32)), txn=bytes(range(16)), iat=1)
)
COLOURS = re.compile(r"\x1b\[[\d;]*m")


def told(scene: Scene, event: str, now: float = 0, **fields: object) -> None:
    scene.hear(event, text(event, "en", **fields), dict(fields), now)


def words(lines: list[str]) -> str:
    return " ".join(" ".join(COLOURS.sub("", line) for line in lines).split())


# -- scene ------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", PLANS)
def test_every_event_of_a_plan_has_a_text(plan: str) -> None:
    """A step that waits for an event which nobody tells would never be done."""
    assert {event for step in PLANS[plan] for event in step.done_by} <= set(TEXTS)


def test_an_event_ends_its_step_and_those_before_it() -> None:
    """A command that goes on where it stood shows what was done before, too."""
    scene = Scene("old", "en")
    assert words(scene.lines(80, 23, 0)).startswith("▶ a-c Check this laptop · 1-6")
    told(scene, "copy_ordered", grants_left=3)
    shown = words(scene.lines(80, 23, 0))
    assert "✓ a-c Check this laptop ✓ 1-6 Order the copy ▶ 7 Waiting time · 8-9" in shown


def test_a_countdown_runs_until_its_step_is_done() -> None:
    """From the seconds that were told; in red at its end; never below zero."""
    scene = Scene("old", "en")
    told(scene, "copy_ordered", grants_left=3)
    told(scene, "waiting", 100, seconds=3725)
    assert "Waiting time left 1:02:05" in words(scene.lines(80, 23, 100))
    assert "Waiting time left 0:20" in words(scene.lines(80, 23, 3805))
    assert "\x1b[1;31m0:20" in "".join(scene.lines(80, 23, 3805))
    assert "Waiting time left 0:00" in words(scene.lines(80, 23, 9999))
    told(scene, "wait_over")
    assert "Waiting time left" not in words(scene.lines(80, 23, 3805))


def test_a_failure_marks_the_step_under_way() -> None:
    """The person sees how far it came."""
    scene = Scene("new", "en")
    told(scene, "bluetooth_ready")
    scene.fail()
    assert "✓ 17-18 Bluetooth and camera ✗ 19 Scan the QR code" in words(scene.lines(80, 23, 0))


def test_the_code_stays_in_sight_whatever_else_is_told() -> None:
    """Ten other events do not push it away; the one that says it is over does."""
    scene = Scene("new", "en")
    told(scene, "old_answered")
    told(scene, "code", code="123456", seconds=120)
    for _ in range(10):
        told(scene, "refused", reason="bad_m2")
    assert "123 456" in words(scene.lines(80, 23, 0))
    told(scene, "code_hidden")
    assert "123 456" not in words(scene.lines(80, 23, 0))


@pytest.mark.parametrize(("columns", "rows"), [(80, 23), (120, 39), (100, 23)])
def test_the_qr_code_reaches_the_terminal_as_it_was_drawn(columns: int, rows: int) -> None:
    """Cell by cell, with its colours: beside it there may be words, in it nothing."""
    scene = Scene("old", "en")
    told(scene, "bluetooth_ready")
    told(scene, "qr_next", seconds=180)
    told(scene, "qr_shown", seconds=180)
    drawn = render.terminal(QR).splitlines()
    scene.show_qr(QR, drawn)
    lines = scene.lines(columns, rows, 0)
    assert len(lines) <= rows
    assert all(line.startswith(cells) for line, cells in zip(lines, drawn, strict=False))
    assert "QR code valid for 3:00" in words(lines)
    scene.hide_qr()
    assert not any("▀" in line for line in scene.lines(columns, rows, 0))


def test_the_text_beside_the_qr_code_can_be_typed() -> None:
    """All of it is there on 80 x 24, in groups, and the typed way takes them."""
    scene = Scene("old", "en")
    told(scene, "bluetooth_ready")
    told(scene, "qr_next", seconds=180)
    told(scene, "qr_shown", seconds=180)
    scene.show_qr(QR, render.terminal(QR).splitlines())
    beside = [COLOURS.sub("", line)[47:] for line in scene.lines(80, 23, 0)]
    typed = " ".join(beside).partition("there:")[2]
    assert from_text(typed) == from_text(QR)


def test_a_narrow_terminal_shows_the_qr_code_first() -> None:
    """60 columns have no room for words beside it."""
    scene = Scene("old", "en")
    drawn = render.terminal(QR).splitlines()
    scene.show_qr(QR, drawn)
    assert scene.lines(60, 30, 0)[-len(drawn) :] == drawn


@pytest.mark.parametrize(("columns", "rows"), [(80, 23), (120, 39), (40, 10)])
def test_the_camera_fits_with_its_advice_below(columns: int, rows: int) -> None:
    """As large as there is room, never larger than the terminal."""
    scene = Scene("new", "en")
    told(scene, "bluetooth_ready")
    scene.see(96, 54, bytes(range(96)) * 54)
    told(scene, "advice", reason="dark")
    lines = scene.lines(columns, rows, 0)
    assert len(lines) <= rows
    assert all(len(COLOURS.sub("", line)) <= columns for line in lines)
    assert "Too dark" in words(lines)
    told(scene, "qr_scanned", frame=1, decode_ms=1)
    assert "Too dark" not in words(scene.lines(columns, rows, 0))


def test_a_thumbnail_keeps_its_shape() -> None:
    """96 x 54 in a room of 45 columns becomes 45 x 25; a smaller one stays as it is."""
    assert fitted(96, 54, bytes(96 * 54), 45, 60)[:2] == (45, 25)
    assert fitted(4, 2, b"abcdefgh", 45, 60) == (4, 2, b"abcdefgh")
    assert fitted(4, 2, b"abcdefgh", 2, 60) == (2, 1, b"ac")


def test_what_does_not_fit_are_the_oldest_notes() -> None:
    """Steps, countdown and what is pinned come first."""
    scene = Scene("old", "en")
    for reason in ("first", "second", "third"):
        told(scene, "refused", reason=reason)
    assert "first" in words(scene.lines(80, 23, 0))
    shown = words(scene.lines(80, 11, 0))
    assert "first" not in shown and "third" in shown and "Hand over" in shown


@pytest.mark.parametrize("language", ["en", "da"])
@pytest.mark.parametrize(("columns", "rows"), [(80, 23), (60, 30), (40, 12), (20, 8)])
@pytest.mark.parametrize("plan", PLANS)
def test_nothing_is_wider_or_higher_than_the_terminal(
    plan: str, columns: int, rows: int, language: Language
) -> None:
    """A line too long would wrap, and every line below would be in the wrong place."""
    scene = Scene(plan, language)
    events: dict[str, dict[str, Any]] = {
        "waiting": {"seconds": 3600},
        "qr_next": {"seconds": 180},
        "qr_shown": {"seconds": 180},
        "code_wanted": {"seconds": 120, "label": "a laptop with a long name"},
        "code": {"seconds": 120, "code": "123456"},
        "sms_sent": {"seconds": 600},
        "refused": {"reason": "bad_m1"},
    }
    for event, fields in events.items():
        scene.hear(event, text(event, language, **fields), fields, 0)
        lines = scene.lines(columns, rows, 0)
        assert len(lines) <= rows
        assert max(len(COLOURS.sub("", line)) for line in lines) <= columns, event


# -- screen -----------------------------------------------------------------------------------


@pytest.fixture
def glass(monkeypatch: pytest.MonkeyPatch) -> Glass:
    glass = Glass(80, 24)
    monkeypatch.setattr(
        "shutil.get_terminal_size", lambda: os.terminal_size((glass.columns, glass.rows))
    )
    return glass


def test_lines_stay_in_place(glass: Glass) -> None:
    """More, fewer and other lines: the screen shows the newest, and nothing of those before."""
    glass.write("$ nearproof\n")
    screen = Screen(glass)
    for lines in (["a", "b"], ["a", "c", "d"], ["x"], [], ["y", "z"]):
        screen.draw(lines)
        assert glass.shown == ["$ nearproof", *lines, ""]


def test_only_what_has_changed_is_written(glass: Glass) -> None:
    """A camera in front of the QR code sees no flicker."""
    screen = Screen(glass)
    screen.draw(["steady", "2:59"])
    glass.sent = ""
    screen.draw(["steady", "2:58"])
    assert "steady" not in glass.sent and "2:58" in glass.sent
    glass.sent = ""
    screen.draw(["steady", "2:58"])
    assert glass.sent == ""


def test_a_full_screen_scrolls_nothing_away(glass: Glass) -> None:
    """23 lines and a question on a terminal of 24, however often they change."""
    screen = Screen(glass)
    for count in range(5):
        lines = [f"{count} {line}" for line in range(23)]
        screen.draw(lines)
        screen.ask("PIN: ")
        screen.draw([f"{count}! {line}" for line in range(23)])
        assert glass.shown == [*[f"{count}! {line}" for line in range(23)], "PIN:"]
        screen.answered()
    assert glass.scrolled == []


def test_a_question_survives_what_happens_above_it(glass: Glass) -> None:
    """The half-typed line and the cursor stay; more lines than there were have to wait."""
    screen = Screen(glass)
    screen.draw(["one", "two"])
    screen.ask("Code: 12")
    screen.draw(["one", "TWO", "three"])
    glass.write("3")
    assert glass.shown == ["one", "TWO", "Code: 123"]
    screen.above("said")
    assert glass.shown == ["said", "one", "TWO", "Code: 12"]
    screen.answered()
    screen.draw(["one", "TWO", "three"])
    assert glass.shown == ["said", "one", "TWO", "three", ""]


def test_another_size_draws_everything_anew(glass: Glass) -> None:
    """Whatever the terminal made of the lines when it was resized is wiped."""
    screen = Screen(glass)
    screen.draw(["one"])
    screen.ask("Code: 1")
    glass.columns = 100
    screen.draw(["one"])
    assert glass.shown == ["one", "Code: 1"]


# -- typing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "line", "ahead"),
    [
        (b"123 456\n", "123 456", b""),
        (b"12x\x7f3\r", "123", b""),
        (b"wrong\x15right\n", "right", b""),
        (b"\x7f\x7fa\x1b[D\x1b[3~b\n", "ab", b""),
        ("bærbar\n".encode(), "bærbar", b""),
        (b"yes\n839274\n", "yes", b"839274\n"),
        (b"a\x04b\x07\n", "ab", b""),
    ],
)
def test_a_line_is_edited_as_on_any_terminal(keys: bytes, line: str, ahead: bytes) -> None:
    """Erase, kill, arrows, two bytes of one letter, and what is typed ahead."""
    typing = Typing()
    assert typing.feed(keys) == ahead
    assert (typing.text, typing.done, typing.ended) == (line, True, False)


def test_control_d_on_an_empty_line_is_the_end() -> None:
    """As for every program that reads a terminal."""
    typing = Typing()
    typing.feed(b"\x04")
    assert typing.ended and not typing.done


# -- console ----------------------------------------------------------------------------------


@pytest.fixture
def seat(glass: Glass) -> Iterator[tuple[LiveConsole, int]]:
    """A live console, and the keyboard of its terminal."""
    keyboard, terminal = pty.openpty()
    console = LiveConsole(plan="old", role="old", typed=terminal, err=glass, out=glass)
    yield console, keyboard
    console.close()
    for descriptor in (keyboard, terminal):
        os.close(descriptor)


async def asked(console: LiveConsole, keyboard: int, what: str, keys: bytes, **how: bool) -> str:
    answer = asyncio.create_task(console.ask(what, "9", **how))
    await asyncio.sleep(0)
    os.write(keyboard, keys)
    async with asyncio.timeout(10):
        return await answer


async def test_questions_and_events_take_turns(seat: tuple[LiveConsole, int], glass: Glass) -> None:
    """Ask, tell while it is asked, answer, go on: one view, and no remains of the question."""
    console, keyboard = seat
    console.tell("fit", "a-c", active=1, devices=3)
    answer = asyncio.create_task(console.ask("start", "4"))
    await asyncio.sleep(0)
    assert glass.shown[-1] == "Get started? (yes/no):"
    console.tell("refused", "19", reason="bad_m1")
    os.write(keyboard, b"yes\n")
    assert await answer == "yes"
    console.tell("copy_ordered", "6", grants_left=3)
    screen = " ".join(glass.shown)
    assert screen.count("Order the copy") == 1 and "Get started" not in screen
    assert "✓   1-6 Order the copy" in glass.shown


async def test_a_hidden_answer_is_nowhere_on_the_screen(
    seat: tuple[LiveConsole, int], glass: Glass
) -> None:
    """Neither while it is typed nor typed ahead, when nothing is asked yet."""
    console, keyboard = seat
    os.write(keyboard, b"839274\n")
    console.tell("wait_over", "8")
    assert await asked(console, keyboard, "pin", b"", hidden=True) == "839274"
    assert await asked(console, keyboard, "pin", b"271828\n", hidden=True) == "271828"
    assert "8" not in re.sub(r"\x1b\S*?[A-Za-z78]|8-9", "", glass.sent.replace("18", ""))


async def test_a_dropped_question_leaves_no_trace(
    seat: tuple[LiveConsole, int], glass: Glass
) -> None:
    """The QR code has expired while the code was asked for."""
    console, _ = seat
    console.tell("bound", "19")
    answer = asyncio.create_task(console.ask("code", "19", label="new"))
    await asyncio.sleep(0)
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)
    console.failed("It is over.", event="failed")
    assert "Code from" not in " ".join(glass.shown)
    assert "nearproof: It is over." in glass.shown
    assert "✗    19 Code of the new laptop" in glass.shown


async def test_the_end_of_input_is_nobody(seat: tuple[LiveConsole, int]) -> None:
    """Ctrl-D."""
    console, keyboard = seat
    with pytest.raises(InputNeeded):
        await asked(console, keyboard, "code", b"\x04")


async def test_what_is_to_be_copied_stays_above(glass: Glass) -> None:
    """A fix line must not be drawn over; neither must what a library warns of."""
    console = LiveConsole(plan="old", role="old", err=glass, out=glass)
    console.tell("unfit", "c", check="bt.powered", problem="off", fix="bluetoothctl power on")
    print("a library's warning", file=sys.stderr)
    console.tell("fit", "a-c", active=1, devices=3)
    console.close()
    assert "bluetoothctl power on" in glass.shown[0]
    assert glass.shown[1] == "a library's warning"


async def test_the_qr_code_is_gone_when_it_has_ended(
    seat: tuple[LiveConsole, int], glass: Glass
) -> None:
    """It is no secret worth keeping on a screen."""
    console, _ = seat
    with console.show_qr(QR):
        assert sum("▀" in line for line in glass.shown) > 15
    assert not any("▀" in line for line in glass.shown)


@pytest.mark.parametrize(
    ("environ", "options", "live"),
    [
        ({"TERM": "xterm"}, {}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, {}, False),
        ({"TERM": "dumb"}, {}, False),
        ({}, {}, False),
        ({"TERM": "xterm"}, {"as_json": True}, False),
        ({"TERM": "xterm"}, {"no_input": True}, False),
    ],
)
def test_a_view_stands_only_where_one_can(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environ: dict[str, str],
    options: dict[str, bool],
    live: bool,
) -> None:
    """A terminal that takes control sequences, and a person in front of it."""
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    glass = Glass(80, 24)
    monkeypatch.setattr(glass, "isatty", lambda: True)
    given = {"as_json": False, "no_input": False} | options
    with contextlib.redirect_stdout(glass), contextlib.redirect_stderr(glass):
        console = Options(tmp_path, lang="en", verbose=False, **given).console("old", "old")
        assert isinstance(console, LiveConsole) is live and isinstance(console, Console)
        console.close()
    monkeypatch.setattr(glass, "isatty", lambda: False)
    with contextlib.redirect_stdout(glass), contextlib.redirect_stderr(glass):
        piped = Options(tmp_path, lang="en", verbose=False, **given).console("old", "old")
        assert not isinstance(piped, LiveConsole)
