"""The command line in Danish: help, and what is said of wrong usage."""

from __future__ import annotations

import gettext
import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nearproof.daemon.cli import main


@pytest.fixture(autouse=True)
def nobodys_locale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """English unless a test says otherwise."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)


def said(*arguments: str, **environment: str) -> str:
    return CliRunner().invoke(main, list(arguments), env=environment).output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--lang", "da", "--help"),
        ("--lang=da", "--help"),
        ("--help", "--lang", "da"),
    ],
)
def test_help_in_danish(arguments: tuple[str, ...]) -> None:
    """Ours and click's, wherever the flag stands."""
    help = said(*arguments)
    assert help.startswith("Brug: ")
    assert "Bevis over Bluetooth" in help
    assert "Tilvalg:" in help and "Kommandoer:" in help
    assert "Vis denne hjælp, og afslut." in help
    assert "På den computer, der er aktiveret." in help


def test_help_of_a_command_below() -> None:
    """Flags behind the command's name count too."""
    help = said("new", "copy", "--lang", "da", "--help")
    assert "Læs QR-koden fra dette billede." in help
    assert "Teksternes sprog." in help


def test_help_by_the_locale() -> None:
    """As of everything else."""
    assert said("--help", LANG="da_DK.UTF-8").startswith("Brug: ")
    assert said("--lang", "en", "--help", LANG="da_DK.UTF-8").startswith("Usage: ")


def test_help_by_the_settings(tmp_path: Path) -> None:
    """What the owner chose in config.toml."""
    (tmp_path / "config.toml").write_text('language = "da"\n')
    assert said("--home", str(tmp_path), "old", "--help").startswith("Brug: ")


def test_wrong_usage_in_danish() -> None:
    """Click's own complaints and ours."""
    assert "Fejl: Tilvalget '--nix' findes ikke." in said("--lang", "da", "old", "--nix")
    assert "Fil '/' er en mappe." in said("--lang", "da", "new", "copy", "--image", "/")
    ours = said("--lang", "da", "new", "copy", "--typed", "--image", "x.png")
    assert "Fejl: vælg én af --camera, --image og --typed" in ours


@pytest.mark.parametrize(
    ("arguments", "danish"),
    [
        (("--help",), "[TILVALG] KOMMANDO [ARGUMENTER]..."),
        (("daemon", "--help"), "[TILVALG] [KOMMANDO] [ARGUMENTER]..."),
        (("backend", "serve", "--help"), "--data MAPPE "),
        (("backend", "serve", "--help"), "--workers HELTAL "),
        (("new", "copy", "--help"), "--label TEKST "),
        (("verify", "--at", "x", "y"), "'x' er ikke et gyldigt heltal."),
        (("backend", "serve", "--workers", "x"), "'x' er ikke et gyldigt heltal."),
        (("new", "copy", "--image", "/"), "Fil '/' er en mappe."),
        (("backend", "conformance", "--data", "/nix", "x"), "Mappe '/nix' findes ikke."),
        (("devices", "revoke"), "Mangler argumentet 'DEVICE'."),
    ],
)
def test_clicks_own_words_in_danish(arguments: tuple[str, ...], danish: str) -> None:
    """Those that it never asks gettext for, and those that it asks for when it is imported."""
    assert danish in said(*arguments, LANG="da_DK.UTF-8")


def test_no_placeholder_of_clicks_is_left_in_english() -> None:
    """In the help of every command; names of ours (DEVICE) are the same in both languages."""

    def walk(command: click.Command, *path: str) -> None:
        help = said("--lang", "da", *path, "--help")
        words = {"OPTIONS", "ARGS", "COMMAND", "INTEGER", "DIRECTORY", "TEXT", "RANGE", "FLOAT"}
        assert not words & set(re.findall("[A-Z]+", help)), help
        for name, each in getattr(command, "commands", {}).items():
            walk(each, *path, name)

    walk(main)


def test_a_language_that_is_none_is_refused_in_the_readers_own() -> None:
    """What was typed wrong does not decide how it is told."""
    assert "'xx' er ikke en af 'en', 'da'" in said("--lang", "xx", "status", LANG="da_DK.UTF-8")


def test_danish_leaves_nothing_behind() -> None:
    """The next command of the process speaks its own language."""
    assert "Show this message and exit." in said("--help")
    assert "Vis denne hjælp, og afslut." in said("--lang", "da", "--help")
    said("--lang", "da", "--help")
    assert (gettext.textdomain(), os.environ.get("LANGUAGE")) == ("messages", None)
    assert said("--help").startswith("Usage: ")
    assert "Prove over Bluetooth" in said("--help")


GROUPS = [[], *([name] for name, each in main.commands.items() if isinstance(each, click.Group))]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: " ".join(group) or "nearproof")
@pytest.mark.parametrize("language", ["en", "da"])
def test_no_command_is_cut_short(group: list[str], language: str) -> None:
    """In a terminal of 80 columns each command's own line is a whole sentence."""
    help = said("--lang", language, *group, "--help", COLUMNS="80")
    assert not [line for line in help.splitlines()[1:] if line.endswith("...")], help
