"""The command line of `scripts/rig-debian`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from nearproof.ble.errors import BluetoothError
from nearproof.daemon.console import Console
from nearproof.daemon.demo.audience import Audience
from nearproof.daemon.demo.errors import ActorFailed
from qemu import ceremony
from rig.errors import RigError


class Listener(Audience):
    """Somebody who is told everything, but needs no pictures."""

    def picture(self, title: str, path: Path, columns: int) -> None:
        """Not in a log."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """One ceremony on Debian's own kernel: two guests under QEMU, on an emulated air.

    Fetches the kernel that apt offers, once, without installing it.  Exits 0 if the backend
    accepted the proof.  Nothing is left but the cached kernel.
    """
    console = Console(role="rig")
    stages = asyncio.run(ceremony.play(Listener(console), console.show))
    lines = [f"{seconds:7.2f} s  {stage}" for stage, seconds in stages.items()]
    console.show("\n".join(("", *lines, f"{sum(stages.values()):7.2f} s  in all")))


if __name__ == "__main__":
    try:
        main(prog_name="scripts/rig-debian")
    except (RigError, ActorFailed, BluetoothError) as error:
        sys.exit(f"rig-debian: {error}")
    except TimeoutError:
        sys.exit("rig-debian: a laptop said nothing for too long")
