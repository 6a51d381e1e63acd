"""The man pages, written from the commands themselves (`scripts/manpages`).

One page for the program and one for each command below it, with that one's own commands, in each
language.  They are committed, so that a package of any kind has them without running anything.

click-man was tried: its pages cut the line under NAME, do not escape what roff reads as a
request, and have no place for exit codes, files and environment.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from nearproof.config import home
from nearproof.config.settings import Settings
from nearproof.daemon.backend import data_dir
from nearproof.daemon.cli import language as cli_language
from nearproof.daemon.cli import main as program
from nearproof.daemon.cli.options import Command
from nearproof.daemon.doctor.checks import Check, Role
from nearproof.daemon.doctor.examination import AREAS
from nearproof.daemon.locale import Language, translated

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "daemon" / "man"
PLACES: Final[dict[Language, str]] = {"en": "man1", "da": "da/man1"}
"""Where `man` looks for a language's pages, below `FOLDER`."""
DATE: Final = "2026-11-28"  # under every page; of the last release, once there is one

ENVIRONMENT: Final = {
    "XDG_DATA_HOME": "Where the data folder is.  [default: ~/.local/share]",
    "LC_ALL, LC_MESSAGES, LANG": "The language, where neither --lang nor config.toml names one: "
    "Danish if the first of them that is set begins with “da”, else English.",
    "NO_COLOR": "Where set, nothing is coloured.",
    "DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR": "Where the desktop's notifier is found.",
    "PGPASSFILE": "The backend's password for PostgreSQL: see libpq's documentation.",
    "_NEARPROOF_COMPLETE": "Set by the scripts of nearproof completion.",
}
SETTINGS: Final = (
    "config.toml may set these, each a string as behind the flag of its name: {settings}."
)
ANYWHERE: Final = "--json, --lang and --no-input may stand behind a command's name, too."
ELSEWHERE: Final = "for the flags of every command, exit codes, files and environment."
HEADINGS: Final = {
    "name": "NAME",
    "synopsis": "SYNOPSIS",
    "description": "DESCRIPTION",
    "options": "OPTIONS",
    "commands": "COMMANDS",
    "checks": "CHECKS",
    "exits": "EXIT STATUS",
    "files": "FILES",
    "environment": "ENVIRONMENT",
    "also": "SEE ALSO",
    "section": "User Commands",
}
HOMES: Final = (
    ("~/.local/share/nearproof", home),
    ("~/.local/share/nearproof/backend", data_dir),
)


def pages() -> dict[str, str]:
    """Every page by its path below `FOLDER`."""
    return {
        f"{place}/{name}": page
        for language, place in PLACES.items()
        for name, page in Manual(language).pages()
    }


def sentences() -> Iterator[str]:
    """What only the manual says: the rest stands in the commands."""
    yield from (*HEADINGS.values(), SETTINGS, ANYWHERE, ELSEWHERE, *ENVIRONMENT.values())
    yield from (_capital(words) for words in exit_codes().values())
    yield from (what for _, module in HOMES for _, what in _files(module.__doc__ or ""))
    yield from (_asked(check) for area in AREAS for check in area.checks)


def exit_codes() -> dict[int, str]:
    """Those of README.md, each with its words."""
    _, _, table = (ROOT / "README.md").read_text().partition("## Exit codes")
    cells = re.findall(r"\| +(\d+) \| ([^|]+?) (?=\|)", table.partition("## ")[0])
    return dict(sorted((int(code), words) for code, words in cells))


class Manual:
    """The pages in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._program = cli_language._in(language, program)

    def pages(self) -> Iterator[tuple[str, str]]:
        """Each page's file name and text."""
        with cli_language._click_in(self._language):
            yield "nearproof.1", self._whole()
            for name, command in sorted(self._program.commands.items()):
                if not command.hidden:
                    yield f"nearproof-{name}.1", self._page(name, command)

    def _say(self, english: str) -> str:
        return translated(english, self._language)

    def _whole(self) -> str:
        whole = self._program
        context = click.Context(whole, info_name="nearproof")
        body = [
            *self._head("nearproof", _summary(whole)),
            *self._synopsis(whole, context),
            *self._section("description", *_paragraphs(whole)),
            *self._section("options", *_text(self._say(ANYWHERE))),
            *_options(whole, context),
            *self._section("commands"),
        ]
        for name, command in sorted(whole.commands.items()):
            body += [".TP", rf".BR nearproof\-{_escaped(name)} (1)", *_text(_summary(command))]
        body += self._section("exits")
        for code, words in exit_codes().items():
            body += [".TP", rf".B {code}", *_text(f"{self._say(_capital(words))}.")]
        body += self._section("files")
        for folder, module in HOMES:
            for name, what in _files(module.__doc__ or ""):
                body += [
                    ".TP",
                    rf".I {_escaped(f'{folder}/{name}')}",
                    *_text(f"{self._say(what)}."),
                ]
        settings = self._say(SETTINGS).format(settings=", ".join(Settings.__struct_fields__))
        body += [".PP", *_text(settings), *self._section("environment")]
        for name, what in ENVIRONMENT.items():
            body += [".TP", rf".B {_escaped(name)}", *_text(self._say(what))]
        return _joined(body)

    def _page(self, name: str, command: click.Command) -> str:
        context = click.Context(
            command, info_name=name, parent=click.Context(self._program, info_name="nearproof")
        )
        body = [
            *self._head(f"nearproof-{name}", _summary(command)),
            *self._synopsis(command, context),
            *self._section("description", *_paragraphs(command)),
        ]
        if any(_records(command, context)):
            body += [*self._section("options"), *_options(command, context)]
        if name == "doctor":
            body += [*self._section("checks"), *self._checks()]
        below = list(_below(command, context))
        if below:
            body += self._section("commands")
        for sub, its_context in below:
            path = its_context.command_path.removeprefix(f"nearproof {name} ")
            usage = " ".join((path, *sub.collect_usage_pieces(its_context)))
            body += [f".SS {_escaped(usage)}", *_paragraphs(sub), *_options(sub, its_context)]
        body += self._section("also", ".BR nearproof (1)", *_text(self._say(ELSEWHERE)))
        return _joined(body)

    def _checks(self) -> Iterator[str]:
        """What the doctor looks at, and as what machine."""
        for check in (check for area in AREAS for check in area.checks):
            roles = ", ".join(role for role in Role if role in check.roles)
            asked = self._say(_asked(check))
            yield from (".TP", rf".B {_escaped(check.id)}", *_text(f"{asked}  [{roles}]"))

    def _head(self, name: str, summary: str) -> list[str]:
        version = importlib.metadata.version("nearproof")
        section = self._say(HEADINGS["section"])
        return [
            r".\" Written by scripts/manpages from the commands: change those, and run it.",
            f'.TH {name.upper()} 1 {DATE} "nearproof {version}" "{section}"',
            *self._section("name", rf"{_escaped(name)} \- {_escaped(summary)}"),
        ]

    def _synopsis(self, command: click.Command, context: click.Context) -> list[str]:
        pieces = _escaped(" ".join(command.collect_usage_pieces(context)))
        return self._section("synopsis", rf"\fB{_escaped(context.command_path)}\fR {pieces}")

    def _section(self, heading: str, *lines: str) -> list[str]:
        return [f".SH {self._say(HEADINGS[heading])}", *lines]


def _below(
    command: click.Command, context: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    """The commands below this one that do something, each with its context."""
    for name, sub in command.commands.items() if isinstance(command, click.Group) else ():
        its_context = click.Context(sub, info_name=name, parent=context)
        if not sub.hidden:
            if not isinstance(sub, click.Group) or sub.invoke_without_command:
                yield sub, its_context
            yield from _below(sub, its_context)


def _summary(command: click.Command) -> str:
    """The first sentence of its help, without the dot."""
    first = " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())
    return first.partition(".  ")[0].removesuffix(".")


def _paragraphs(command: click.Command) -> list[str]:
    lines: list[str] = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines += [".PP", *_text(" ".join(paragraph.split()))]
    return lines[1:]


def _options(command: click.Command, context: click.Context) -> list[str]:
    lines: list[str] = []
    for flag, words in _records(command, context):
        lines += [".TP", rf".B {_escaped(flag)}", *_text(words)]
    return lines


def _records(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Its flags but for --help, and those that every command has: nearproof(1) has them."""
    common = {"as_json", "lang", "no_input"} if isinstance(command, Command) else set()
    for param in command.params:
        record = param.get_help_record(context) if isinstance(param, click.Option) else None
        if record and param.name not in common:
            yield record


def _asked(check: Check[Any]) -> str:
    """What a check of the doctor asks."""
    return inspect.cleandoc(check.judge.__doc__ or "").partition("\n")[0]


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _files(about: str) -> Iterator[tuple[str, str]]:
    """The files that a docstring lists: indented, a name, spaces, what it is."""
    listed = re.findall(r"^    (\S+\.\w+) {2,}(.+(?:\n {5,}.+)*)", about, re.MULTILINE)
    for name, what in listed:
        said = " ".join(what.split())
        yield name, _capital(said)


def _text(words: str) -> list[str]:
    """A paragraph's lines, short enough to be read in a diff."""
    return [
        _guarded(re.sub(r"`([^`]+)`", r"\\fB\1\\fR", line))
        for line in textwrap.wrap(_escaped(words), 78, break_long_words=False)
    ]


def _escaped(words: str) -> str:
    return _guarded(words.replace("\\", r"\e").replace("-", r"\-"))


def _guarded(line: str) -> str:
    """A line that begins with a dot or an apostrophe is no request."""
    return rf"\&{line}" if line.startswith((".", "'")) else line


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def faults() -> list[str]:
    """Which files are not as the commands are, a line each."""
    wanted = pages()
    there = {
        str(path.relative_to(FOLDER)): path.read_text()
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    return [
        f"{name} is {'stale' if name in wanted and name in there else 'missing or left over'}"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    ]


def main(arguments: list[str]) -> int:
    """Write every page, or with --check only look; 1 if one is not as it should be."""
    if "--check" not in arguments:
        shutil.rmtree(FOLDER, ignore_errors=True)
        for name, page in pages().items():
            (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_text(page)
    found = faults()
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        print("run scripts/manpages", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
