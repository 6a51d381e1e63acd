"""`nearproof choices`: what was chosen when this laptop was activated, and may be chosen anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.options import Command, Options

if TYPE_CHECKING:
    from nearproof.daemon.cli.asking import Service


@click.command(cls=Command)
@click.option(
    "--fingerprint/--no-fingerprint",
    default=None,
    help="Whether your fingerprint may stand for your PIN when you order a copy here.",
)
@click.option(
    "--notifications/--no-notifications",
    default=None,
    help="Whether the desktop shows what happens to your account.",
)
@click.pass_obj
def choices(options: Options, fingerprint: bool | None, notifications: bool | None) -> None:
    """Say what you chose when this laptop was activated, or choose anew.

    Without a flag you are asked; an empty line leaves things as they are.
    """

    async def story(service: Service) -> None:
        from nearproof.daemon.control.interface import Choose

        language = service.console.language
        takes = Choose(language, fingerprint=fingerprint, notifications=notifications)
        await service.run("Choose", takes)

    options.over_service("laptop", story)
