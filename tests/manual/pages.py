"""The man pages, written from the commands themselves (`scripts/manpages`).

One page for the program and one for each command below it, with that one's own commands.  They
are committed, so that a package of any kind has them without running anything.

click-man was tried: its pages cut the line under NAME, do not escape what roff reads as a
request, and have no place for exit codes, files and environment.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from nearproof.config import home
from nearproof.config.settings import Settings
from nearproof.daemon.backend import data_dir
from nearproof.daemon.cli import main as program
from nearproof.daemon.cli.options import Command
from nearproof.daemon.doctor.checks import Role
from nearproof.daemon.doctor.examination import AREAS

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "daemon" / "man" / "man1"
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
    "config.toml may set these, each a string as behind the flag of its name: "
    f"{', '.join(Settings.__struct_fields__)}."
)
ANYWHERE: Final = "--json, --lang and --no-input may stand behind a command's name, too."


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    found = {"nearproof.1": _whole()}
    for name, command in sorted(program.commands.items()):
        if not command.hidden:
            found[f"nearproof-{name}.1"] = _page(name, command)
    return found


def exit_codes() -> dict[int, str]:
    """Those of README.md, each with its words."""
    _, _, table = (ROOT / "README.md").read_text().partition("## Exit codes")
    cells = re.findall(r"\| +(\d+) \| ([^|]+?) (?=\|)", table.partition("## ")[0])
    return dict(sorted((int(code), words) for code, words in cells))


def _whole() -> str:
    context = click.Context(program, info_name="nearproof")
    body = [
        *_head("nearproof", _summary(program)),
        *_synopsis(program, context),
        *_section("DESCRIPTION", *_paragraphs(program)),
        *_section("OPTIONS", *_text(ANYWHERE)),
        *_options(program, context),
        *_section("COMMANDS"),
    ]
    for name, command in sorted(program.commands.items()):
        body += [".TP", rf".BR nearproof\-{_escaped(name)} (1)", *_text(_summary(command))]
    body += _section("EXIT STATUS")
    for code, words in exit_codes().items():
        body += [".TP", rf".B {code}", *_text(f"{words[0].upper()}{words[1:]}.")]
    body += _section("FILES")
    for folder, module in (
        ("~/.local/share/nearproof", home),
        ("~/.local/share/nearproof/backend", data_dir),
    ):
        for name, what in _files(module.__doc__ or ""):
            body += [".TP", rf".I {_escaped(f'{folder}/{name}')}", *_text(f"{what}.")]
    body += [".PP", *_text(SETTINGS), *_section("ENVIRONMENT")]
    for name, what in ENVIRONMENT.items():
        body += [".TP", rf".B {_escaped(name)}", *_text(what)]
    return _joined(body)


def _page(name: str, command: click.Command) -> str:
    context = click.Context(
        command, info_name=name, parent=click.Context(program, info_name="nearproof")
    )
    body = [
        *_head(f"nearproof-{name}", _summary(command)),
        *_synopsis(command, context),
        *_section("DESCRIPTION", *_paragraphs(command)),
    ]
    if any(_records(command, context)):
        body += [*_section("OPTIONS"), *_options(command, context)]
    if name == "doctor":
        body += [*_section("CHECKS"), *_checks()]
    below = list(_below(command, context))
    if below:
        body += _section("COMMANDS")
    for sub, its_context in below:
        path = its_context.command_path.removeprefix(f"nearproof {name} ")
        usage = " ".join((path, *sub.collect_usage_pieces(its_context)))
        body += [f".SS {_escaped(usage)}", *_paragraphs(sub), *_options(sub, its_context)]
    body += _section("SEE ALSO", ".BR nearproof (1)")
    body += ["for the flags of every command, exit codes, files and environment."]
    return _joined(body)


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


def _checks() -> Iterator[str]:
    """What the doctor looks at, and as what machine."""
    for check in (check for area in AREAS for check in area.checks):
        roles = ", ".join(role for role in Role if role in check.roles)
        asked = inspect.cleandoc(check.judge.__doc__ or "").partition("\n")[0]
        yield from (".TP", rf".B {_escaped(check.id)}", *_text(f"{asked}  [{roles}]"))


def _head(name: str, summary: str) -> list[str]:
    version = importlib.metadata.version("nearproof")
    return [
        r".\" Written by scripts/manpages from the commands: change those, and run it.",
        f'.TH {name.upper()} 1 {DATE} "nearproof {version}" "User Commands"',
        *(".SH NAME", rf"{_escaped(name)} \- {_escaped(summary)}"),
    ]


def _synopsis(command: click.Command, context: click.Context) -> list[str]:
    pieces = _escaped(" ".join(command.collect_usage_pieces(context)))
    return [".SH SYNOPSIS", rf"\fB{_escaped(context.command_path)}\fR {pieces}"]


def _section(title: str, *lines: str) -> list[str]:
    return [f".SH {title}", *lines]


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


def _files(about: str) -> Iterator[tuple[str, str]]:
    """The files that a docstring lists: indented, a name, spaces, what it is."""
    listed = re.findall(r"^    (\S+\.\w+) {2,}(.+(?:\n {5,}.+)*)", about, re.MULTILINE)
    for name, what in listed:
        said = " ".join(what.split())
        yield name, said[0].upper() + said[1:]


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
    there = {path.name: path.read_text() for path in FOLDER.glob("*")}
    return [
        f"{name} is {'stale' if name in wanted and name in there else 'missing or left over'}"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    ]


def main(arguments: list[str]) -> int:
    """Write every page, or with --check only look; 1 if one is not as it should be."""
    if "--check" not in arguments:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for left in FOLDER.glob("*"):
            left.unlink()
        for name, page in pages().items():
            (FOLDER / name).write_text(page)
    found = faults()
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        print("run scripts/manpages", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
