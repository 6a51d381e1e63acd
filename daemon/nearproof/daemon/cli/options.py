"""What the command line says about this laptop, and how a command is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nearproof.daemon.locale import Language

if TYPE_CHECKING:
    from nearproof.daemon.cli.asking import Service
    from nearproof.daemon.console import Console
    from nearproof.daemon.laptop import Laptop


LANGUAGES: Final = click.Choice(["en", "da"])
JSON_HELP: Final = "One event a line on standard output."
LANG_HELP: Final = "Language of the texts.  [default: the locale's]"
NO_INPUT_HELP: Final = "Never ask; fail where something must be typed."


class Command(click.Command):
    """A command that takes the flags `--json`, `--lang` and `--no-input` behind its name too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(["--json", "as_json"], is_flag=True, help=JSON_HELP),
            click.Option(["--lang"], type=LANGUAGES, help=LANG_HELP),
            click.Option(["--no-input"], is_flag=True, help=NO_INPUT_HELP),
        ]

    def get_short_help_str(self, limit: int = 45) -> str:
        """Its first sentence in a list of commands, whole: click wraps it."""
        return super().get_short_help_str(max(limit, 1000))

    def invoke(self, context: click.Context) -> Any:
        """Let what stands behind the name win over what stands before it."""
        given = {name: context.params.pop(name) for name in ("as_json", "lang", "no_input")}
        context.obj = replace(context.obj, **{name: it for name, it in given.items() if it})
        return super().invoke(context)


def _with_pin(context: click.Context, _option: click.Parameter, given: int | None) -> None:
    """Put the descriptor of `--pin-fd` where the console will find it; refuse a closed one."""
    if given is None:
        return
    try:
        os.fstat(given)
    except OSError:
        raise click.BadParameter(
            _("this descriptor is not open: {number}").format(number=given)
        ) from None
    context.obj = replace(context.obj, pin_fd=given)


pin_option = click.option(
    "--pin-fd",
    type=click.IntRange(min=0),
    metavar="N",
    expose_value=False,
    callback=_with_pin,
    help="Read the PIN from file descriptor N, one line, instead of asking for it.",
)


def default_home() -> Path:
    """The user's data folder for nearproof (XDG Base Directory Specification 0.8)."""
    given = os.environ.get("XDG_DATA_HOME", "")
    share = given if os.path.isabs(given) else os.path.expanduser("~/.local/share")
    return Path(share, "nearproof")


@dataclass(frozen=True)
class Options:
    """The flags that stand before the command."""

    home: Path
    as_json: bool
    lang: str | None
    no_input: bool
    verbose: bool
    pin_fd: int | None = None

    @property
    def language(self) -> Language:
        """The flag, else `config.toml`, else the locale, else English."""
        locale = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
        given = self.lang if self.lang in LANGUAGES.choices else ""  # another one is refused later
        chosen = given or self._configured_language() or next(filter(None, locale), "")
        return "da" if chosen.startswith("da") else "en"

    def _configured_language(self) -> str:
        if not os.path.exists(self.home / "config.toml"):
            return ""  # most have none: help need not load what reads it
        from nearproof.config.files import FileDamaged
        from nearproof.config.home import Home

        try:
            return Home(self.home).settings().language
        except (FileDamaged, OSError):
            return ""  # told in the next language by whoever needs the settings

    def console(self, role: str, live: str = "") -> Console:
        """Where this command tells and asks; sets up the logs too.

        `live` names the plan of a command that has a live view, for terminals that can show it.
        """
        from nearproof.daemon.console import Console
        from nearproof.daemon.logs import log

        log.configure(verbose=self.verbose)
        options: dict[str, Any] = {
            "role": role,
            "language": self.language,
            "pin": self.pin_fd,
            "typed": 0 if sys.stdin is not None else None,  # closed: 0 is something else now
        }
        if live and self._on_terminal():
            from nearproof.daemon.live.console import LiveConsole

            return LiveConsole(plan=live, **options)
        return Console(as_json=self.as_json, no_input=self.no_input, **options)

    def _on_terminal(self) -> bool:
        """Whether a person sits at a terminal on which lines can stay in place."""
        if self.as_json or self.no_input or os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("TERM", "dumb") == "dumb":
            return False
        return all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))

    def run(
        self,
        role: str,
        story: Callable[[Laptop], Awaitable[None]],
        *,
        live: str = "",
        **settings: str | None,
    ) -> None:
        """Run `story` for this laptop; leaves the process with the exit code of its outcome.

        `live` is as for `console`; `settings` that are not None win over `config.toml`.
        """
        import msgspec

        from nearproof.config.home import Home
        from nearproof.daemon.laptop import Laptop

        async def whole(console: Console) -> None:
            home = Home(self.home)
            given = {name: value for name, value in settings.items() if value is not None}
            await story(Laptop(home, msgspec.structs.replace(home.settings(), **given), console))

        self.run_told(role, whole, live=live)

    def over_service(
        self, role: str, story: Callable[[Service], Awaitable[None]], *, live: str = ""
    ) -> None:
        """Run `story`, which asks the laptop's service: the daemon's, or one of this process."""
        from nearproof.config.home import Home
        from nearproof.daemon.cli.asking import Service
        from nearproof.daemon.control.client import service_of
        from nearproof.daemon.control.sockets import socket_path

        async def whole(console: Console) -> None:
            path = socket_path(self.home, default_home())
            async with service_of(Home(self.home), path) as dial:
                await story(Service(console, dial))

        self.run_told(role, whole, live=live)

    def run_told(
        self, role: str, story: Callable[[Console], Awaitable[None]], *, live: str = ""
    ) -> None:
        """Run `story`, which needs no laptop; likewise."""
        from nearproof.daemon.outcomes import report, run_to_outcome

        console = self.console(role, live)
        code = report(console, run_to_outcome(lambda: story(console)))
        console.close()
        sys.exit(code)

    def run_plain(self, role: str, work: Callable[[Console], None]) -> None:
        """Run `work`, which brings its own event loop or needs none; likewise."""
        from nearproof.daemon.outcomes import report

        console = self.console(role)
        try:
            work(console)
        except click.ClickException:
            raise
        except BaseException as error:
            sys.exit(report(console, error))
