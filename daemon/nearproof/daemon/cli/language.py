"""The command line in the language of whoever reads it: our help, and what click itself says."""

from __future__ import annotations

import contextlib
import copy
import gettext
import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from nearproof.daemon.cli.options import Options, default_home
from nearproof.daemon.locale import DOMAIN, FOLDER, Language, marked, translated

# What click says of usage without asking gettext, or asks for once, when it is imported.
_USAGE: Final = (
    marked("[OPTIONS]"),
    marked("COMMAND [ARGS]..."),
    marked("[COMMAND] [ARGS]..."),
)
_TYPES: Final = (marked("text"), marked("integer"), marked("integer range"))


class Program(click.Group):
    """The whole program; finds the language first, since `--help` ends the reading of flags."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run as `click.Command.main` does."""
        arguments = sys.argv[1:] if args is None else list(args)
        language = _language(arguments)
        if language == "en":
            return super().main(arguments, *rest, **extra)
        with _click_in(language):
            return super(Program, _in(language, self)).main(arguments, *rest, **extra)


def _language(arguments: Sequence[str]) -> Language:
    home = _given("--home", arguments)
    lang = _given("--lang", arguments)
    folder = Path(home) if home else default_home()
    return Options(folder, as_json=False, lang=lang, no_input=False, verbose=False).language


def _given(flag: str, arguments: Sequence[str]) -> str | None:
    """The value of a flag, wherever it stands; the last counts."""
    value = None
    for before, each in zip(("", *arguments), arguments, strict=False):
        if before == flag:
            value = each
        elif each.startswith(f"{flag}="):
            value = each.partition("=")[2]
    return value


@contextlib.contextmanager
def _click_in(language: Language) -> Iterator[None]:
    """Click asks the process-wide gettext, which goes by the environment: there is no other way."""
    before = os.environ.get("LANGUAGE")
    domain = gettext.textdomain()
    gettext.bindtextdomain(DOMAIN, str(FOLDER))
    gettext.textdomain(DOMAIN)
    os.environ["LANGUAGE"] = language
    try:
        yield
    finally:
        gettext.textdomain(domain)
        if before is None:
            del os.environ["LANGUAGE"]
        else:
            os.environ["LANGUAGE"] = before


def _in(language: Language, command: Any) -> Any:
    """A copy of a command or a flag, and of all below it, with its help in `language`."""
    copied = copy.copy(command)
    if getattr(copied, "help", None):
        copied.help = translated(inspect.cleandoc(copied.help), language)
    if isinstance(copied, click.Parameter):
        copied.type = copy.copy(copied.type)  # its name stands in help and in complaints
        copied.type.name = translated(copied.type.name, language)
    for metavar in ("options_metavar", "subcommand_metavar"):
        if words := getattr(copied, metavar, None):
            setattr(copied, metavar, translated(words, language))
    if isinstance(copied, click.Command):
        copied._help_option = None  # click keeps the first that it made, whatever the language
        copied.params = [_in(language, param) for param in copied.params]
    if isinstance(copied, click.Group):
        copied.commands = {name: _in(language, each) for name, each in copied.commands.items()}
    return copied
