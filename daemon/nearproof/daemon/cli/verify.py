"""`nearproof verify`: what a proof says, and whether it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.options import Command, Options

if TYPE_CHECKING:
    from nearproof.daemon.laptop import Laptop


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--issuer",
    metavar="ed25519:KEY",
    help="The issuer key, as in the join line.  [default: the backend that this laptop joined]",
)
@click.option("--at", type=int, metavar="TIME", help="Judge expiry at this UNIX time, in seconds.")
@click.pass_obj
def verify(options: Options, file: Path, issuer: str | None, at: int | None) -> None:
    """Check a proof and print what it says.

    FILE holds the bundle (CBOR).
    """

    async def story(laptop: Laptop) -> None:
        from nearproof.daemon.join import JoinError, parse_issuer
        from nearproof.daemon.verifying import verify_file

        try:
            public = parse_issuer(issuer) if issuer else laptop.backend().issuer
        except JoinError as error:
            raise click.BadParameter(error.detail, param_hint="--issuer") from None
        verify_file(laptop, file, issuer=public, at=at)

    options.run("verifier", story)
