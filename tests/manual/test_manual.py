"""The man pages say what the commands do, and every reader of man pages can read them."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import click
import pytest

from manual import pages
from nearproof.daemon.cli import main
from nearproof.daemon.locale import translated
from nearproof.daemon.outcomes.kinds import Exit

PAGES = sorted(pages.pages())
LANGUAGES = {"en": ("C.UTF-8", "Waiting time not over."), "da": ("da", "Ventetiden er ikke slut.")}


def tool(name: str) -> str:
    """A program that reads man pages; CI must have it."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing: scripts/test installs it")
        pytest.skip(f"{name} is not installed")
    return found


def test_the_pages_are_up_to_date() -> None:
    """What is committed is what the commands say now."""
    assert pages.faults() == []


def test_a_stale_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As are one that is missing, and one whose command is gone."""
    shutil.copytree(pages.FOLDER, tmp_path / "man")
    monkeypatch.setattr(pages, "FOLDER", tmp_path / "man")
    (tmp_path / "man" / "da" / "man1" / "nearproof-old.1").write_text("changed")
    (tmp_path / "man" / "man1" / "nearproof-new.1").unlink()
    (tmp_path / "man" / "man1" / "nearproof-gone.1").write_text("")
    assert pages.faults() == [
        "da/man1/nearproof-old.1 is stale",
        "man1/nearproof-gone.1 is missing or left over",
        "man1/nearproof-new.1 is missing or left over",
    ]
    assert pages.main(["--check"]) == 1
    assert pages.main([]) == 0
    assert pages.main(["--check"]) == 0


@pytest.mark.parametrize("place", pages.PLACES.values())
def test_every_command_and_flag_is_in_them(place: str) -> None:
    """None is left out but what is hidden, and --help."""
    texts = {name: page for name, page in pages.pages().items() if name.startswith(place)}

    def missing(command: click.Command, page: str) -> list[str]:
        flags = [
            flag
            for param in command.params
            if isinstance(param, click.Option) and not param.hidden
            for flag in param.opts
            if flag not in ("--json", "--lang", "--no-input")
        ]
        lost = [flag for flag in flags if flag.replace("-", r"\-") not in page]
        for name, sub in command.commands.items() if isinstance(command, click.Group) else ():
            lost += [name] if name not in page else []
            lost += missing(sub, page)
        return lost

    for name, command in main.commands.items():
        assert missing(command, texts[f"{place}/nearproof-{name}.1"]) == []
        assert rf"nearproof\-{name}" in texts[f"{place}/nearproof.1"]
    assert all(rf"\-\-{flag}" in texts[f"{place}/nearproof.1"] for flag in ("home", "json", "lang"))


def test_every_exit_code_is_in_them() -> None:
    """README.md has the words; a code that it lacks is lacking in the page too."""
    assert set(pages.exit_codes()) == set(Exit)
    for place in pages.PLACES.values():
        page = pages.pages()[f"{place}/nearproof.1"]
        assert all(f".B {int(code)}\n" in page for code in Exit)


def test_the_files_are_in_it() -> None:
    """Those of a laptop and those of a backend, as the modules that own them say."""
    page = pages.pages()["man1/nearproof.1"]
    for name in ("config.toml", "device.json", "backend/issuer.json", "backend/policy.toml"):
        assert f".I ~/.local/share/nearproof/{name}\n" in page


@pytest.mark.parametrize("page", PAGES)
def test_readers_have_no_complaint(page: str) -> None:
    """mandoc finds nothing above matters of style, groff warns of nothing."""
    path = str(pages.FOLDER / page)
    lint = subprocess.run(
        [tool("mandoc"), "-T", "lint", "-W", "warning", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (lint.returncode, lint.stdout) == (0, "")
    groff = subprocess.run(
        [tool("groff"), "-ww", "-man", "-K", "utf8", "-T", "utf8", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert groff.stderr == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_man_finds_the_page_of_the_readers_language(tmp_path: Path, language: str) -> None:
    """`man nearproof`, beside a bin/ in PATH; with `man -L da` the Danish one, letters and all."""
    (tmp_path / "bin").mkdir()
    shutil.copytree(pages.FOLDER, tmp_path / "share" / "man")
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "MANWIDTH": "80",
    }
    environment.pop("MANPATH", None)
    asked_in, says = LANGUAGES[language]
    shown = subprocess.run(
        [tool("man"), "-L", asked_in, "-P", "cat", "nearproof"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert says in shown.stdout
    assert shown.stderr == ""


def test_the_index_of_man_knows_them() -> None:
    """`apropos` has the one line of each."""
    indexed = subprocess.run(
        [tool("lexgrog"), *(str(pages.FOLDER / page) for page in PAGES)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert indexed.stdout.count(': "nearproof') == len(PAGES)


def test_the_danish_pages_say_nothing_in_english() -> None:
    """Every sentence that the manual itself adds is translated, and used."""
    danish = "\n".join(page for name, page in pages.pages().items() if name.startswith("da/"))
    danish = " ".join(danish.split())  # whatever line a word stands in
    for english in pages.sentences():
        first = english.split(".")[0].replace("-", r"\-")
        if translated(english, "da") != english and len(first) > 12:
            assert first not in danish, english


def test_they_are_in_the_wheel(tmp_path: Path) -> None:
    """Where every installer puts them beside bin/."""
    uv = shutil.which("uv") or str(pages.ROOT / ".tools" / "bin" / "uv")
    subprocess.run(
        [uv, "build", "--wheel", "--quiet", "--out-dir", str(tmp_path)],
        cwd=pages.ROOT,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    folder = ".data/data/share/man/"
    there = {name.partition(folder)[2] for name in names if folder in name}
    assert there == set(PAGES)
