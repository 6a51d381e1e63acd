"""The demo as a stranger runs it: real processes, one after the other, end to end."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)


def demo_on_a_terminal() -> tuple[int, str]:
    """The demo on a pseudo-terminal of 120 columns."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (60, 120))
    running = subprocess.Popen(
        [sys.executable, "-m", "nearproof.daemon", "demo"],
        stdout=slave,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"NO_COLOR": "1", "TERM": "xterm"},
    )
    os.close(slave)
    output = b""
    with contextlib.suppress(OSError):  # how Linux says that the last writer is gone
        while chunk := os.read(master, 65536):
            output += chunk
    os.close(master)
    return running.wait(60), output.decode()


def demo(*arguments: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "nearproof.daemon", "demo", *arguments],
        stdout=subprocess.PIPE,
        timeout=200,
        env=os.environ | {"NO_COLOR": "1"},
        check=False,
    )
    return ran.returncode, ran.stdout.decode()


def events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def steps_of(told: list[dict[str, Any]]) -> list[str]:
    """Every step that an event names: "10-11" names two."""
    found = []
    for event in told:
        first, _, last = event.get("step", "").partition("-")
        if first.isdecimal():
            found += [str(each) for each in range(int(first), int(last or first) + 1)]
        elif first:
            found += [chr(each) for each in range(ord(first), ord(last or first) + 1)]
    return found


def in_order(told: list[str], *names: str) -> bool:
    remaining = iter(told)
    return all(name in remaining for name in names)


def test_the_ceremony_in_json() -> None:
    """From the waiting time to the accepted proof, each event with its step and its laptop."""
    code, output = demo("--json", "--seed", "7")
    assert code == 0
    told = events(output)
    assert in_order(
        [f"{event['role']} {event['event']}" for event in told],
        "old copy_ordered",
        "old waiting",
        "old grant_issued",
        "old qr_shown",
        "new qr_scanned",
        "old bound",
        "new code",
        "old proof_made",
        "new proof_received",
        "old delivered",
        "new accepted",
        "verifier proof_holds",
        "demo finished",
    )
    steps = {event["event"]: event["step"] for event in told}
    assert (steps["waiting"], steps["qr_shown"], steps["code"], steps["accepted"]) == (
        "7",
        "12",
        "19",
        "19",
    )
    holds = next(event for event in told if event["event"] == "proof_holds")
    assert holds["code_typed"] and holds["rounds"] == 4
    shown = next(event for event in told if event["event"] == "code")
    assert len(shown["code"]) == 6


def test_every_step_of_the_source_page_is_played_in_its_order() -> None:
    """a to c, 1 to 26 and z: each is named by an event, first in the page's order."""
    code, output = demo("--json")
    assert code == 0
    told = events(output)
    first = list(dict.fromkeys(steps_of(told)))
    page = [str(step) for step in range(1, 27)]
    assert first == ["a", "b", "c", *page, "z"]
    typed = [(event["step"], event["what"]) for event in told if event["event"] == "typed"]
    assert typed == [
        ("4", "start"),
        ("5", "pin"),
        ("6", "consent"),
        ("9", "pin"),
        ("16", "qr_is_shown"),
        ("19", "code"),
        ("20", "user"),
        ("21", "sms_code"),
        ("22-23", "new_pin"),
        ("22-23", "new_pin_again"),
        ("25", "notifications"),
    ]
    assert "839274" not in output
    standing = [event for event in told if event["event"] == "status"]
    assert [(each["role"], each["state"], each["next"]) for each in standing] == [
        ("new", "active", "nothing"),
        ("old", "active", "nothing"),
    ]


def test_the_person_may_play_along() -> None:
    """--interactive: every line is typed here, PINs unseen, and the phone's SMS is read here."""
    known = {
        "Get started?": "yes",
        "PIN:": "839274",
        "I want to copy": "yes",
        "Is the QR code shown": "yes",
        "User ID:": "anna",
        "Choose a PIN": "271828",
        "The same PIN": "271828",
        "Accept notifications": "no",
    }
    seen, exit_code = play_along(known)
    assert exit_code == 0, seen
    assert "26 steps" in seen
    assert "271828" not in seen


def play_along(known: dict[str, str]) -> tuple[str, int]:
    """Answer each question of an interactive demo, reading the codes off the screen."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (60, 120))
    running = subprocess.Popen(
        [sys.executable, "-m", "nearproof.daemon", "demo", "--interactive", "--wait", "0"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"NO_COLOR": "1", "TERM": "xterm"},
    )
    os.close(slave)
    output, answered = "", 0
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 65536):
            output += chunk.decode(errors="replace")
            question = output[answered:].rpartition("»")[2]
            if not question.endswith(": "):
                continue
            if "Code from the new laptop" in question:
                line = re.findall(r"old laptop:  (\d{3} \d{3})", output)[-1]
            elif "Temporary code" in question:
                codes = re.findall(r"temporary\s+code\s+is\s+(\d{6})", output)
                if not codes:
                    continue  # the SMS comes, and the question is asked again below it
                line = codes[-1]
            else:
                line = next(line for words, line in known.items() if words in question)
            answered = len(output)
            os.write(master, f"{line}\n".encode())
    os.close(master)
    return output, running.wait(60)


def test_the_ceremony_for_eyes() -> None:
    """Steps, the QR, the photographed frame and the code are visible, in English."""
    code, output = demo_on_a_terminal()
    assert code == 0
    output = " ".join(output.split())  # however the lines were broken
    for seen in (
        "OLD's screen:",
        "the frame in which NEW's camera read it:",
        "Type this code on the old laptop:",
        "» Code from the new laptop:",
        "26 steps in",
        "is now active for anna.",
        "It does not say how far apart",
    ):
        assert seen in output
    assert output.count("▀") > 1000


@pytest.mark.parametrize(
    ("attack", "step", "refusal"),
    [
        ("screenshot", "19", "not_near"),
        ("neighbour", "19", "bad_m1; bad_t1_seal"),
        ("specter", "19", "wrong_code"),
        ("twin", "19", "wrong_code"),
        ("replay", "20", "verifier step 8: request_key; verifier step 8: key_redeemed"),
    ],
)
def test_each_attacker_is_refused_where_it_must_be(attack: str, step: str, refusal: str) -> None:
    """Exit code 0 and the verdict name step and code; an honest run on the same QR completes."""
    code, output = demo("--json", "--attack", attack)
    assert code == 0
    told = events(output)
    assert told[-1]["event"] == "attack_refused"
    assert (told[-1]["refused_at"], told[-1]["code"]) == (step, refusal)
    if attack in ("screenshot", "neighbour"):
        assert "accepted" in {event["event"] for event in told}


def start_demo(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "nearproof.daemon", "demo", "--json", *arguments],
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(folder)},
    )


def processes_of(folder: Path) -> list[Path]:
    mine = str(folder).encode()
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if mine in _read(path)]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No folder, picture or process stays when the demo has ended."""
    running = start_demo(tmp_path)
    running.communicate(timeout=200)
    assert running.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("blow", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_goes_on_when_the_demo_is_stopped(tmp_path: Path, blow: signal.Signals) -> None:
    """The terminal is closed, or the demo killed: no laptop, no backend, and no seed stays.

    Nobody can remove files after SIGKILL; the processes end all the same.
    """
    running = start_demo(tmp_path, "--wait", "60")
    assert running.stdout is not None
    for line in running.stdout:
        if json.loads(line)["event"] == "waiting":
            break
    assert len(processes_of(tmp_path)) >= 3
    running.send_signal(blow)
    running.communicate(timeout=30)
    deadline = time.monotonic() + 20
    while processes_of(tmp_path) and time.monotonic() < deadline:
        os.sched_yield()
    assert processes_of(tmp_path) == []
    if blow is not signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
