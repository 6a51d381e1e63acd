"""`nearproof old ...`: the laptop with the activated authenticator."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.options import Command, Options, pin_option

if TYPE_CHECKING:
    from nearproof.daemon.cli.asking import Service

VIEWS = ("terminal", "window", "png:", "svg:")
FILES = ("png:", "svg:")  # shown elsewhere, so that this screen does not matter

radio_option = click.option(
    "--radio",
    metavar="RADIO",
    help="bluez[:ADAPTER] (default bluez:hci0), hci:TRANSPORT (a dongle without BlueZ, as Bumble "
    "names it, e.g. hci:usb:0), or air:ADDRESS (emulated).",
)


@click.group()
def old() -> None:
    """On the laptop that has the activated authenticator."""


@old.command(cls=Command)
@radio_option
@click.option(
    "--show",
    metavar="VIEW",
    default="terminal",
    show_default=True,
    shell_complete=lambda _context, _param, typed: [v for v in VIEWS if v.startswith(typed)],
    help="Where the QR code is shown: terminal, window, png:FILE or svg:FILE.",
)
@click.option(
    "--allow-shared-screen",
    is_flag=True,
    help="Show the QR code although the screen is shared, or this is a session from afar.",
)
@pin_option
@click.pass_obj
def copy(options: Options, radio: str | None, show: str, allow_shared_screen: bool) -> None:
    """Copy this authenticator to another laptop; goes on where it stood."""
    if options.as_json and show == "terminal":
        raise click.UsageError(_("with --json the terminal shows no QR code: add --show png:FILE"))

    async def story(service: Service) -> None:
        from nearproof.daemon.control.interface import OldCopy
        from nearproof.daemon.views import view_named

        if not show.startswith(FILES) and not allow_shared_screen:
            from nearproof.daemon.desktop.screen import look

            sight = await look()
            sight.require_private()
            for what in sight.blind:
                service.console.tell(what)
        takes = OldCopy(service.console.language, radio=radio)
        await service.run("OldCopy", takes, view_named(show, service.console))

    options.over_service("old", story, live="old")


@old.command(cls=Command)
@click.pass_obj
def status(options: Options) -> None:
    """Say where the copy that was ordered here stands, and what comes next."""

    async def story(service: Service) -> None:
        from nearproof.daemon.cli.standing import tell_copy

        await tell_copy(service)

    options.over_service("old", story)


@old.command(cls=Command)
@click.pass_obj
def cancel(options: Options) -> None:
    """Cancel the copy that is under way for the account, wherever it was ordered."""

    async def story(service: Service) -> None:
        from nearproof.daemon.control.interface import Cancelled

        done = await service.call("Cancel", Cancelled)
        event = "cancelled" if done.cancelled else "nothing_to_cancel"
        service.console.tell(event, account=done.account)

    options.over_service("old", story)
