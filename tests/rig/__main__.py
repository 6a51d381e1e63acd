"""The command line of `scripts/rig`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import click

from nearproof.daemon.demo.people import PIN
from rig import control, kernel, prerequisites, terminal
from rig.backend import ACCOUNT, DATA, open_backend
from rig.errors import RigError
from rig.laptop import Laptop
from rig.pair import open_rig
from rig.sight import looking

SHELL = ("sh", "-c", "cat /run/rig/welcome 2>/dev/null; exec bash --norc -i")
WELCOME = {
    "laptop1": f"""\
This is OLD; the backend runs here too, and the PIN is {PIN}.  Show the QR code to the
other's camera:

  nearproof old copy --show png:/run/rig/screen.png

""",
    "laptop2": f"""\
This is NEW; its camera sees the other's /run/rig/screen.png.  Get the copy:

  nearproof new copy --user-id {ACCOUNT}

and type on OLD the code that it shows.  The account's SMS are lines of this file on OLD:

  {DATA}/sms.jsonl

""",
}
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "rig"


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Two laptops with Bluetooth, camera and a network of their own, on this machine.

    Each is a User Mode Linux process that runs this checkout: real BlueZ on a real kernel.
    Nothing of them is left when they end.
    """


@main.command()
def build() -> None:
    """Build the laptops' kernel, once: some minutes, then cached."""
    click.echo(kernel.build(_say))


@main.command()
@click.option("--no-attach", is_flag=True, help="Open no terminals; stay up until interrupted.")
def up(no_attach: bool) -> None:
    """Start both laptops and open a terminal on each, side by side.

    The first one is an account's activated laptop and runs the backend; the camera of the
    second sees what the first shows.  Leaving the terminals ends the laptops.
    """
    if not no_attach:
        prerequisites.require(prerequisites.TERMINALS)
    kernel.build(_say)
    asyncio.run(_up(no_attach))


async def _up(no_attach: bool) -> None:
    with control.listen() as listener:
        _say("starting two laptops")
        async with open_rig() as rig, open_backend(rig.laptops):
            old, new = rig.laptops
            for laptop in rig.laptops:
                (laptop.machine.share / "welcome").write_text(WELCOME[laptop.name])
            async with looking(new, old), control.serve(listener, rig.laptops):
                if no_attach:
                    click.echo("ready: scripts/rig run [-1|-2] COMMAND...")
                    await _interrupted()
                else:
                    await _terminals(rig.root)


async def _interrupted() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


async def _terminals(root: Path) -> None:
    tmux = ("tmux", "-S", str(root / "tmux"), "-f", "/dev/null")
    panes = (
        *("new-session", "-s", "rig", f"{SCRIPT} run -1", ";"),
        *("split-window", "-h", f"{SCRIPT} run -2", ";"),
        *("set-option", "-g", "mouse", "on"),
    )
    environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
    client = await asyncio.create_subprocess_exec(*tmux, *panes, env=environment)
    await client.wait()
    end = await asyncio.create_subprocess_exec(
        *tmux, "kill-server", stderr=asyncio.subprocess.DEVNULL
    )
    await end.wait()


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-1", "number", flag_value=1, default=1, type=int, help="In laptop 1 (the default).")
@click.option("-2", "number", flag_value=2, type=int, help="In laptop 2.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def run(number: int, command: tuple[str, ...]) -> None:
    """Run COMMAND in a laptop, by default a shell, and exit as it does.

    In the laptops that are up, or else in two that are started for it.
    """
    sys.exit(asyncio.run(_run(number, command or SHELL)))


async def _run(number: int, command: tuple[str, ...]) -> int:
    async with control.connect(number) as shell:
        if shell is not None:
            return await terminal.attach(shell, command)
    kernel.build(_say)
    async with open_rig() as rig:
        laptop: Laptop = rig.laptops[number - 1]
        return await terminal.attach(laptop.shell, command)


if __name__ == "__main__":
    try:
        main(prog_name="scripts/rig")
    except RigError as error:
        sys.exit(f"rig: {error}")
