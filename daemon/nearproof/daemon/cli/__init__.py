"""The command line: `nearproof`.

This file and its siblings import nothing heavy at the top: `nearproof --help` must be quick,
so each command imports its role when it runs.
"""

from __future__ import annotations

from pathlib import Path

import click

from nearproof.daemon.cli.backend import backend
from nearproof.daemon.cli.choices import choices
from nearproof.daemon.cli.completion import completion
from nearproof.daemon.cli.daemon import daemon
from nearproof.daemon.cli.demo import demo
from nearproof.daemon.cli.doctor import doctor
from nearproof.daemon.cli.language import Program
from nearproof.daemon.cli.new import join, new
from nearproof.daemon.cli.old import old
from nearproof.daemon.cli.options import (
    JSON_HELP,
    LANG_HELP,
    LANGUAGES,
    NO_INPUT_HELP,
    Options,
    default_home,
)
from nearproof.daemon.cli.standing import config, devices, status
from nearproof.daemon.cli.verify import verify


@click.group(
    cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="nearproof")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_home,
    help="Folder of this laptop's keys and settings.  [default: the user's data folder]",
)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
@click.option("--lang", type=LANGUAGES, help=LANG_HELP)
@click.option("--no-input", is_flag=True, help=NO_INPUT_HELP)
@click.option("-v", "--verbose", is_flag=True, help="Log more, on standard error.")
@click.pass_context
def main(
    context: click.Context,
    home: Path,
    as_json: bool,
    lang: str | None,
    no_input: bool,
    verbose: bool,
) -> None:
    """Prove over Bluetooth that two laptops are together, and copy an authenticator.

    On the OLD laptop run "nearproof old copy", on the NEW one "nearproof new copy".
    "nearproof demo" plays both on this machine.
    """
    context.obj = Options(home, as_json, lang, no_input, verbose)


for command in (
    *(old, new, status, devices, choices, join, daemon, config),
    *(doctor, verify, backend, demo, completion),
):
    main.add_command(command)
