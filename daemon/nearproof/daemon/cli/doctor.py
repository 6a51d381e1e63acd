"""`nearproof doctor`: is this machine fit for its part in a copy?"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.backend import data_option
from nearproof.daemon.cli.old import radio_option
from nearproof.daemon.cli.options import Command, Options, default_home

if TYPE_CHECKING:
    from nearproof.daemon.console import Console
    from nearproof.daemon.doctor.checks import Target


@click.command(cls=Command)
@click.argument("role", type=click.Choice(["old", "new", "backend"]), required=False)
@radio_option
@click.option("--camera", metavar="SOURCE", help="As for `nearproof new copy`.")
@data_option
@click.option(
    "--only",
    metavar="PREFIX",
    multiple=True,
    help="Only the areas of checks whose ids begin so, e.g. bt. or cam.; may be repeated.",
)
@click.pass_obj
def doctor(
    options: Options,
    role: str | None,
    radio: str | None,
    camera: str | None,
    data: Path | None,
    only: tuple[str, ...],
) -> None:
    """Say whether this machine is fit for its part.

    As the old laptop, the new one, or the backend.  Without a role: what it would be in its
    next copy.  Changes nothing; each thing that is not as it should be comes with the line
    that mends it.  Exits with the code that the ceremony would end with, 0 if nothing would
    end it.
    """
    code = 0

    def work(console: Console) -> None:
        from nearproof.config.home import Home
        from nearproof.daemon.doctor.checks import Role
        from nearproof.daemon.doctor.examination import choose

        nonlocal code
        part = Role(role) if role else None
        folder = data or default_home() / "backend"
        target = choose(Home(options.home), part, folder, radio=radio, camera=camera)
        code = _examine(console, target, only)

    options.run_plain(role or "laptop", work)
    sys.exit(code)


def _examine(console: Console, target: Target, only: tuple[str, ...]) -> int:
    """Look, tell, and return the exit code."""
    import asyncio
    from shutil import get_terminal_size

    from nearproof.daemon.doctor.examination import examine, exit_code
    from nearproof.daemon.doctor.report import record, table

    findings = asyncio.run(examine(target, only))
    if console.as_json:
        for finding in findings:
            console.line({"role": target.role, **record(finding, console.language)})
    else:
        width = get_terminal_size().columns
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        lines = table(target.role, findings, console.language, width=width, colour=colour)
        console.show("\n".join(lines))
    return exit_code(findings)
