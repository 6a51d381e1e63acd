"""The key that completes: real shells, and what the program answers them."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from nearproof.daemon.cli import main
from nearproof.daemon.cli.completion import SHELLS

PATIENCE = 20.0  # seconds for a shell to start, or to complete
HEAVY = ("msgspec", "cryptography", "cv2", "dbus_fast", "bleak", "sqlalchemy", "numpy", "asyncio")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A person with nothing set up, whose `nearproof` is this one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(
        "PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    )
    monkeypatch.setenv("TERM", "dumb")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "LC_ALL", "LC_MESSAGES", "LANG", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)


def offered(typed: str, **environment: str) -> list[str]:
    """What the program answers the shell for `nearproof TYPED`, its last word unfinished."""
    words = typed.split(" ")
    asked = {
        "_NEARPROOF_COMPLETE": "bash_complete",
        "COMP_WORDS": "\n".join(("nearproof", *words)),
        "COMP_CWORD": str(len(words)),
    }
    answer = CliRunner().invoke(main, prog_name="nearproof", env=asked | environment)
    assert answer.exit_code == 0, answer.output
    return answer.stdout.split()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ba", ["plain,backend"]),
        ("backend p", ["plain,policy", "plain,phone"]),
        ("backend audit ", ["plain,verify"]),
        ("new copy --ty", ["plain,--typed"]),
        ("new copy --image ", ["file,"]),
        ("--home ", ["dir,"]),
        ("doctor ", ["plain,old", "plain,new", "plain,backend"]),
        ("demo --attack s", ["plain,screenshot", "plain,specter"]),
        ("old copy --show w", ["plain,window"]),
        ("old copy --lang ", ["plain,en", "plain,da"]),
        ("completion z", ["plain,zsh"]),
        ("verify ", ["file,"]),
    ],
)
def test_what_is_offered(typed: str, expected: list[str]) -> None:
    """Commands, commands below them, flags, their choices, files and folders."""
    assert sorted(offered(typed)) == sorted(expected)


def test_hidden_flags_are_not_offered() -> None:
    """Those that the demo alone uses."""
    flags = offered("new copy --")
    assert "plain,--proof" in flags
    assert "plain,--photo" not in flags


def test_the_help_beside_a_word_is_in_the_readers_language() -> None:
    """Shells that show help beside what they offer show Danish to who reads Danish."""
    asked = {"_NEARPROOF_COMPLETE": "zsh_complete", "COMP_WORDS": "nearproof d", "COMP_CWORD": "1"}
    english, danish = (
        CliRunner().invoke(main, prog_name="nearproof", env={**asked, "LANG": language}).stdout
        for language in ("en_GB.UTF-8", "da_DK.UTF-8")
    )
    assert "Play the whole ceremony" in english
    assert "Afspil hele kopieringen" in danish


def test_completing_is_light() -> None:
    """It runs at every press of the key: nothing that a command needs is loaded."""
    program = (
        "import sys\n"
        "from nearproof.daemon.cli import main\n"
        "try: main(prog_name='nearproof')\n"
        f"finally: print([it for it in {HEAVY} if it in sys.modules], file=sys.stderr)"
    )
    asked = {
        "_NEARPROOF_COMPLETE": "bash_complete",
        "COMP_WORDS": "nearproof backend serve --",
        "COMP_CWORD": "3",
    }
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "plain,--database" in run.stdout
    assert run.stderr.strip() == "[]"


def test_an_unknown_shell() -> None:
    """The three that there are."""
    refused = CliRunner().invoke(main, ["completion", "tcsh"])
    assert refused.exit_code == 2
    assert all(shell in refused.output for shell in SHELLS)


def shell(name: str) -> str:
    """The shell's program; CI must have it."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing: scripts/test installs it")
        pytest.skip(f"{name} is not installed")
    return found


class Terminal:
    """A shell in a terminal of its own, and somebody who types."""

    def __init__(self, *program: str) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:  # pragma: no cover - another program from here on
            os.execv(program[0], program)  # noqa: S606
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` is on the screen."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            ready, _, _ = select.select([self._fd], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{text!r} never came: {self.seen!r}"
            self.seen += os.read(self._fd, 4096).decode(errors="replace")

    def close(self) -> None:
        os.close(self._fd)  # hangs up
        os.waitpid(self._pid, 0)


# Each puts the script where `completion --help` says.
INSTALL = {
    "bash": "nearproof completion bash >> ~/.bash_completion; . ~/.bash_completion; echo re''ady\n",
    "zsh": "nearproof completion zsh >> ~/.zshrc; . ~/.zshrc; echo re''ady\n",
}
START = {"bash": ("--norc", "--noprofile", "-i"), "zsh": ("-f", "-i")}


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_shell_completes(name: str, tmp_path: Path) -> None:
    """A person types a few letters and presses the key: command, sub-command, flag, choice."""
    (tmp_path / ".zshrc").write_text("autoload -U compinit; compinit -u\n")
    terminal = Terminal(shell(name), *START[name])
    try:
        terminal.type(INSTALL[name])
        terminal.wait_for("ready")
        for typed, completed in (
            ("nearproof bac\t", "nearproof backend "),
            ("nearproof backend aud\t", "nearproof backend audit "),
            ("nearproof backend serve --datab\t", "serve --database "),
            ("nearproof demo --attack tw\t", "--attack twin "),
        ):
            terminal.type(typed)
            terminal.wait_for(completed)
            terminal.type("\x15")  # forget the line
            terminal.seen = ""
    finally:
        terminal.close()


def test_fish_completes(tmp_path: Path) -> None:
    """fish loads the script from its folder and says what it would offer."""
    folder = tmp_path / ".config" / "fish" / "completions"
    folder.mkdir(parents=True)
    script = CliRunner().invoke(main, ["completion", "fish"]).stdout
    (folder / "nearproof.fish").write_text(script)
    for typed, completed in (
        ("nearproof bac", ["backend"]),
        ("nearproof backend au", ["audit"]),
        ("nearproof doctor ", ["backend", "new", "old"]),
        ("nearproof demo --attack tw", ["twin"]),
    ):
        run = subprocess.run(
            [shell("fish"), "-c", 'complete -C "$argv[1]"', typed],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        assert sorted(line.split("\t")[0] for line in run.stdout.splitlines()) == completed
