"""`nearproof daemon`: the process that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.options import Command, Options, default_home

if TYPE_CHECKING:
    from nearproof.daemon.console import Console


@click.group(invoke_without_command=True)
@click.pass_context
def daemon(context: click.Context) -> None:
    """Serve this laptop for as long as it is on.

    It waits out the hour, hears of the account's events and tells the desktop.  In the
    foreground, until it is told to end; "nearproof daemon install" hands it to systemd.
    """
    if context.invoked_subcommand is not None:
        return
    options: Options = context.obj

    async def story(console: Console) -> None:
        from nearproof.config.home import Home
        from nearproof.daemon.control.process import serve
        from nearproof.daemon.control.sockets import socket_path

        path = socket_path(options.home, default_home())
        await serve(Home(options.home), path, console)

    options.run_told("daemon", story)


@daemon.command(cls=Command)
@click.pass_obj
def install(options: Options) -> None:
    """Write the unit that systemd starts at every login of this user.

    Then run the two lines that it prints.  "systemctl --user status nearproof" says what the
    daemon waits for, "journalctl --user -u nearproof" what went wrong.  One that hangs or dies
    is started again.
    """

    def work(console: Console) -> None:
        from nearproof.daemon.control.systemd import write_unit

        home = options.home if options.home != default_home() else None
        console.tell("unit_written", unit=str(write_unit(home)))
        console.show("systemctl --user daemon-reload\nsystemctl --user enable --now nearproof")

    options.run_plain("daemon", work)
