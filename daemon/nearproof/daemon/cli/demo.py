"""`nearproof demo`: everything on this machine."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.options import Command, Options

if TYPE_CHECKING:
    from nearproof.daemon.console import Console

ATTACKS = ("screenshot", "neighbour", "specter", "twin", "replay")


@click.command(cls=Command)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the lens and the air.")
@click.option("--attack", type=click.Choice(ATTACKS), help="Let this attacker try as well.")
@click.option(
    "--interactive",
    is_flag=True,
    help="You are the person: type PIN, codes and user ID, and read the phone's SMS here.",
)
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="The backend's waiting time, seconds.",
)
@click.pass_obj
def demo(options: Options, seed: int, attack: str | None, wait: int, interactive: bool) -> None:
    """Play the whole ceremony on this machine.

    Two laptops, a backend, an emulated radio and a lens, each a process of its own.
    """
    if interactive and (attack or options.as_json or options.no_input):
        raise click.UsageError(_("--interactive goes with none of --attack, --json and --no-input"))

    async def story(console: Console) -> None:
        from nearproof.daemon.demo.show import show

        await show(console, seed=seed, attack=attack, wait=wait, interactive=interactive)

    options.run_told("demo", story)
