"""`nearproof backend ...`: the identity provider's side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.options import Command, Options, default_home

if TYPE_CHECKING:
    from nearproof.daemon.console import Console

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the backend's keys and database.  [default: backend/ in the data folder]",
)


def _data(data: Path | None) -> Path:
    return data or default_home() / "backend"


@click.group()
def backend() -> None:
    """Run the backend that issues grants and accepts proofs."""


@backend.command(cls=Command)
@data_option
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8443",
    show_default=True,
    help="Where to listen, always over TLS.  Port 0 takes a free one.",
)
@click.option("--reached-at", metavar="HOST", help="What laptops call this machine, if not HOST.")
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=3600,
    show_default=True,
    help="Waiting time from ordering a copy to its first QR code, in seconds.",
)
@click.pass_obj
def serve(
    options: Options, data: Path | None, listen: str, reached_at: str | None, wait: int
) -> None:
    """Serve; prints the line that joins a laptop to this backend."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter("use HOST:PORT, e.g. 0.0.0.0:8443", param_hint="--listen")

    def work(console: Console) -> None:
        from nearproof.daemon.backend.rules import BackendPolicy
        from nearproof.daemon.backend.server import Ready, serve

        def ready(ready: Ready) -> None:
            console.tell("backend_ready", url=ready.url, join=ready.join, wait=wait)
            console.show(f"nearproof join '{ready.join}'")

        policy = BackendPolicy(wait=wait)
        serve(host.strip("[]"), int(port), _data(data), policy, ready=ready, reached_at=reached_at)

    options.run_plain("backend", work)


@backend.command(cls=Command)
@data_option
@click.argument("account")
@click.pass_obj
def invite(options: Options, data: Path | None, account: str) -> None:
    """Print a one-time activation code for the first laptop of ACCOUNT."""

    def work(console: Console) -> None:
        from nearproof.daemon.backend.admin import invite
        from nearproof.daemon.backend.rules import BackendPolicy

        code = invite(_data(data), account, BackendPolicy())
        console.tell("invited", account=account, activation_code=code)
        console.show(code)

    options.run_plain("backend", work)


@backend.command(cls=Command)
@data_option
@click.argument("device")
@click.pass_obj
def revoke(options: Options, data: Path | None, device: str) -> None:
    """Revoke the laptop with the key id DEVICE (32 hex digits)."""
    try:
        kid = bytes.fromhex(device)
    except ValueError:
        raise click.BadParameter("a key id is 32 hex digits", param_hint="DEVICE") from None

    def work(console: Console) -> None:
        from nearproof.daemon.backend.admin import revoke

        revoke(_data(data), kid)
        console.tell("revoked", device=device)

    options.run_plain("backend", work)
