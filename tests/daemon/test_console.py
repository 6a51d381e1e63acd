"""What a person or a program is told and asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nearproof.crypto.errors import QrReason
from nearproof.daemon.console import Console, InputNeeded, Lines
from nearproof.daemon.texts import duration, text
from nearproof.qr.advice import AdviceReason
from recording import Recorder


def test_text_goes_to_standard_error_and_results_to_standard_output() -> None:
    """Progress does not spoil a pipe."""
    recorder = Recorder()
    recorder.console.tell("bound", "19")
    recorder.console.show("result")
    assert recorder.out.getvalue() == "result\n"
    assert "A laptop nearby has scanned the QR code." in recorder.err.getvalue()


def test_json_is_one_event_a_line_with_its_step() -> None:
    """Programs get every field, and nothing meant for eyes."""
    recorder = Recorder(as_json=True)
    recorder.console.tell("qr_shown", "12", seconds=180)
    recorder.console.show("picture")
    (event,) = recorder.events()
    assert (event["event"], event["role"], event["step"], event["seconds"]) == (
        "qr_shown",
        "test",
        "12",
        180,
    )


@pytest.mark.parametrize("reason", [*AdviceReason, *QrReason])
def test_every_advice_of_the_scanner_has_a_text(reason: str) -> None:
    """Silence is what users of scanners complain of first."""
    assert text("advice", "en", reason=reason) and text("advice", "da", reason=reason)


@pytest.mark.parametrize(
    ("seconds", "english", "danish"),
    [
        (3600, "1 hour", "1 time"),
        (7200, "2 hours", "2 timer"),
        (180, "3 minutes", "3 minutter"),
        (61, "61 seconds", "61 sekunder"),
        (1, "1 second", "1 sekund"),
        (-1, "0 seconds", "0 sekunder"),
    ],
)
def test_durations_are_in_words(seconds: int, english: str, danish: str) -> None:
    """People do not count 3,600 seconds."""
    assert (duration(seconds, "en"), duration(seconds, "da")) == (english, danish)


@pytest.mark.parametrize(
    ("left", "english", "danish"),
    [
        (1, "one try left", "ét forsøg tilbage"),
        (2, "2 tries left", "2 forsøg tilbage"),
    ],
)
def test_one_is_not_many(left: int, english: str, danish: str) -> None:
    """A sentence that counts has a singular."""
    assert english in text("wrong_pin", "en", tries_left=left)
    assert danish in text("wrong_pin", "da", tries_left=left)


async def test_lines_are_read_as_they_come() -> None:
    """Two lines in one write are two answers; the end of input is None."""
    reading, writing = os.pipe()
    lines = Lines(reading)
    os.write(writing, b"123 456\nnext\nlast")
    os.close(writing)
    assert [await lines.next() for _ in range(4)] == ["123 456", "next", "last", None]
    os.close(reading)


async def test_lines_come_from_a_plain_file_too(tmp_path: Path) -> None:
    """epoll does not take files; `nearproof ... < file` must work."""
    file = tmp_path / "typed"
    file.write_text("one\ntwo\n")
    descriptor = os.open(file, os.O_RDONLY)
    lines = Lines(descriptor)
    assert [await lines.next() for _ in range(3)] == ["one", "two", None]
    os.close(descriptor)


async def test_an_endless_line_does_not_grow_without_bound() -> None:
    """A program that writes no newline is cut off."""
    reading, writing = os.pipe()
    lines = Lines(reading)
    os.set_blocking(writing, False)
    os.write(writing, b"x" * 20_000)
    answer = await lines.next()
    assert answer is not None and len(answer) <= 3 * Lines.LIMIT
    os.close(reading)
    os.close(writing)


async def test_no_input_means_no_question() -> None:
    """`--no-input` fails by name where something must be typed."""
    console = Console(role="test", no_input=True)
    with pytest.raises(InputNeeded, match="code"):
        await console.ask("code")


async def test_a_pin_that_was_handed_over_answers_each_question_once() -> None:
    """`--pin-fd` hands over one line: for every PIN of a command, but never twice for one step.

    It works with `--no-input`, and other questions are not answered by it.
    """
    reading, writing = os.pipe()
    os.write(writing, b"839274\n111111\n")
    console = Console(role="test", no_input=True, pin=reading)
    assert await console.ask("pin", "5", hidden=True) == "839274"
    assert await console.ask("pin", "9", hidden=True) == "839274"
    with pytest.raises(InputNeeded, match="pin"):
        await console.ask("pin", "9", hidden=True)
    with pytest.raises(InputNeeded, match="code"):
        await console.ask("code", "19")
    os.close(reading)
    os.close(writing)


async def test_a_pin_descriptor_without_a_line_is_no_pin() -> None:
    """An empty file must not be taken for an empty PIN, nor be waited for."""
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(InputNeeded, match="new_pin"):
        await Console(role="test", pin=reading).ask("new_pin", "22-23", hidden=True)
    os.close(reading)


def test_what_was_asked_for_is_on_standard_output() -> None:
    """So that it can be piped; what happens on the way is on standard error."""
    recorder = Recorder()
    recorder.console.answer("device", kid="ab", since="today", label="mine")
    recorder.console.tell("proof_holds")
    assert recorder.out.getvalue() == "ab  today  mine\n"
    assert "mine" not in recorder.err.getvalue()


def test_an_answer_is_broken_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets it on one line, as a program wants it."""
    monkeypatch.setenv("COLUMNS", "50")
    recorder = Recorder()
    recorder.console.answer("daemon_off")
    assert recorder.out.getvalue().count("\n") == 1
    monkeypatch.setattr(recorder.out, "isatty", lambda: True)
    recorder.console.answer("daemon_off")
    _, *lines = recorder.out.getvalue().splitlines()
    assert len(lines) == 2 and max(map(len, lines)) <= 50
