"""`nearproof old ...`: the laptop with the activated authenticator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.options import Command, Options

if TYPE_CHECKING:
    from nearproof.daemon.laptop import Laptop

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
    help="Where the QR code is shown: terminal, window, png:FILE or svg:FILE.",
)
@click.pass_obj
def copy(options: Options, radio: str | None, show: str) -> None:
    """Copy this authenticator to another laptop; goes on where it stood."""

    async def story(laptop: Laptop) -> None:
        from nearproof.daemon import old as role
        from nearproof.daemon.views import view_named

        await role.copy(laptop, view_named(show, laptop.console))

    options.run("old", story, radio=radio)
