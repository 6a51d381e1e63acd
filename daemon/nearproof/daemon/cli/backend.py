"""`nearproof backend ...`: the identity provider's side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from gettext import gettext as _
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
database_option = click.option(
    "--database",
    metavar="URL",
    help="postgresql://... in place of the folder's own SQLite file; passwords in PGPASSFILE.",
)
policy_option = click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Limits in TOML, as `backend policy` prints them.  [default: policy.toml in the folder]",
)


def _data(data: Path | None) -> Path:
    return data or default_home() / "backend"


@contextmanager
def _typed_well() -> Iterator[None]:
    """A ValueError about what was typed is wrong usage."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(_(str(error))) from None


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
    type=click.IntRange(min=0, max=366 * 86_400),  # as the policy's bounds
    help="Waiting time in seconds, whatever the policy says.  [default: an hour]",
)
@policy_option
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=64),
    default=1,
    show_default=True,
    help="Processes; more than one pays with PostgreSQL.",
)
@click.option(
    "--sms",
    metavar="PORT",
    default="file",
    show_default=True,
    help="Where SMS go: file (sms.jsonl in the folder), console, webhook:URL, or modem.",
)
@database_option
@click.pass_obj
def serve(
    options: Options,
    data: Path | None,
    listen: str,
    reached_at: str | None,
    wait: int | None,
    policy_file: Path | None,
    workers: int,
    sms: str,
    database: str | None,
) -> None:
    """Serve; prints the line that joins a laptop to this backend."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(_("use HOST:PORT, e.g. 0.0.0.0:8443"), param_hint="--listen")

    def work(console: Console) -> None:
        from dataclasses import replace

        from nearproof.daemon.backend.policy import policy_in
        from nearproof.daemon.backend.server import Ready, log_requests, serve

        if options.verbose:
            log_requests()
        policy = policy_in(_data(data), policy_file)
        if wait is not None:
            policy = replace(policy, wait=wait)

        def ready(ready: Ready) -> None:
            console.tell("backend_ready", url=ready.url, join=ready.join, wait=policy.wait)
            console.show(f"nearproof join '{ready.join}'")

        serve(
            host.strip("[]"),
            int(port),
            _data(data),
            policy,
            ready=ready,
            reached_at=reached_at,
            database=database,
            sms=sms,
            language=console.language,
            workers=workers,
        )

    options.run_plain("backend", work)


@backend.command(cls=Command)
@data_option
@policy_option
@click.pass_obj
def policy(options: Options, data: Path | None, policy_file: Path | None) -> None:
    """Show every limit of the ceremony, as a file that can be changed and served with."""

    def work(console: Console) -> None:
        from dataclasses import asdict

        from nearproof.daemon.backend.policy import policy_in
        from nearproof.daemon.texts import text

        limits = asdict(policy_in(_data(data), policy_file))
        console.tell("policy", **limits)
        for name, value in limits.items():
            meaning = text(f"limit_{name}", console.language)
            console.show(f"{f'{name} = {value}':<26} # {meaning}")

    options.run_plain("backend", work)


@backend.command(cls=Command)
@data_option
@database_option
@policy_option
@click.option("--phone", metavar="NUMBER", help="Where a new account gets its SMS: +4512345678.")
@click.argument("account")
@click.pass_obj
def invite(
    options: Options,
    data: Path | None,
    database: str | None,
    policy_file: Path | None,
    phone: str | None,
    account: str,
) -> None:
    """Print a one-time activation code for a laptop of ACCOUNT."""

    def work(console: Console) -> None:
        from nearproof.daemon.backend.admin import invite
        from nearproof.daemon.backend.policy import policy_in

        policy = policy_in(_data(data), policy_file)
        with _typed_well():
            code = invite(_data(data), account, policy, phone=phone, database=database)
        seconds = policy.invite_lifetime
        console.tell("invited", account=account, activation_code=code, seconds=seconds)
        console.show(code)

    options.run_plain("backend", work)


@backend.command(cls=Command)
@data_option
@database_option
@click.argument("account")
@click.argument("number")
@click.pass_obj
def phone(
    options: Options, data: Path | None, database: str | None, account: str, number: str
) -> None:
    """Change the phone NUMBER of ACCOUNT; it counts after 120 hours."""

    def work(console: Console) -> None:
        from nearproof.daemon.backend.admin import set_phone

        with _typed_well():
            set_phone(_data(data), account, number, database=database)
        console.tell("phone_changed", account=account)

    options.run_plain("backend", work)


@backend.command(cls=Command)
@data_option
@database_option
@click.argument("account")
@click.pass_obj
def cancel(options: Options, data: Path | None, database: str | None, account: str) -> None:
    """Cancel what is being copied or activated for ACCOUNT."""

    def work(console: Console) -> None:
        from nearproof.daemon.backend.admin import cancel

        with _typed_well():
            cancelled = cancel(_data(data), account, database=database)
        console.tell("cancelled" if cancelled else "nothing_to_cancel", account=account)

    options.run_plain("backend", work)


@backend.command(cls=Command)
@data_option
@database_option
@click.argument("device")
@click.pass_obj
def revoke(options: Options, data: Path | None, database: str | None, device: str) -> None:
    """Revoke the laptop with the key id DEVICE (32 hex digits)."""
    if not re.fullmatch("[0-9a-fA-F]{32}", device):
        raise click.BadParameter(_("a key id is 32 hex digits"), param_hint="DEVICE")
    kid = bytes.fromhex(device)

    def work(console: Console) -> None:
        from nearproof.daemon.backend.admin import revoke

        revoke(_data(data), kid, database=database)
        console.tell("revoked", device=device)

    options.run_plain("backend", work)


@backend.command(cls=Command)
@data_option
@database_option
@click.pass_obj
def outbox(options: Options, data: Path | None, database: str | None) -> None:
    """List the newest SMS, and whether they have been handed over; codes are not shown."""

    def work(console: Console) -> None:
        import time

        from nearproof.daemon.backend.admin import outbox
        from nearproof.daemon.texts import text

        listed = outbox(_data(data), database=database)
        for sms in listed:
            at = sms.at // 1000
            console.tell(
                "sms", id=sms.id, account=sms.account, kind=sms.kind, state=sms.state, at=at
            )
            line = text(
                "outbox_line",
                console.language,
                when=time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)),
                account=sms.account,
                what=text(f"outbox_{sms.kind}", console.language),
                how=text(f"outbox_{sms.state}", console.language),
            )
            console.show(line)
        if not listed:
            console.tell("no_sms")

    options.run_plain("backend", work)


@backend.group()
def audit() -> None:
    """The record of who did what."""


@audit.command(cls=Command)
@data_option
@database_option
@click.pass_obj
def verify(options: Options, data: Path | None, database: str | None) -> None:
    """Check the hash chain of every account."""

    def work(console: Console) -> None:
        from nearproof.daemon.backend.admin import verify_audit

        chains = verify_audit(_data(data), database=database)
        console.answer("audit_holds", accounts=len(chains), entries=sum(chains.values()))

    options.run_plain("backend", work)


@backend.command(cls=Command)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of a backend of this program: codes are taken from it, and nobody is asked.",
)
@database_option
@click.argument("line")
@click.pass_obj
def conformance(options: Options, data: Path | None, database: str | None, line: str) -> None:
    """Check whether the backend of a join LINE does what the contract says.

    Anybody's: it needs some twenty new accounts, an activation code for each, and the SMS that
    they get. Give it a waiting time of a few seconds, or the wait is not tried.
    """

    def work(console: Console) -> None:
        import asyncio

        from nearproof.daemon.backend.conformance import conformance
        from nearproof.daemon.backend.operators import asked_operator, own_operator

        operator = own_operator(data, database) if data else asked_operator(console)
        asyncio.run(conformance(line, operator, console))

    options.run_plain("backend", work)
