"""`nearproof status`, `devices ...` and `config show`: how this laptop and its account stand."""

from __future__ import annotations

import time
from gettext import gettext as _
from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.options import Command, Options

if TYPE_CHECKING:
    from nearproof.daemon.account import Listed
    from nearproof.daemon.account import Status as Standing
    from nearproof.daemon.cli.asking import Service
    from nearproof.daemon.console import Console
    from nearproof.daemon.laptop import Laptop


@click.command(cls=Command)
@click.pass_obj
def status(options: Options) -> None:
    """Say who this laptop is and what comes next.

    Also what is being copied.
    """

    async def story(service: Service) -> None:
        from nearproof.daemon.account import sentences

        standing = await _standing(service)
        if service.console.as_json:
            _line(service.console, standing)
        else:
            for sentence, fields in sentences(standing):
                service.console.answer(sentence, **fields)
        _fail(standing)

    options.over_service("laptop", story)


async def tell_copy(service: Service) -> None:
    """`nearproof old status`.  Raises `NotEnrolled`, `EndedElsewhere`."""
    from nearproof.daemon.account import of_copy
    from nearproof.daemon.laptop import NotEnrolled

    standing = await _standing(service)
    if not standing.kid:
        raise NotEnrolled
    console = service.console
    if console.as_json:
        _line(console, standing)
    elif standing.copy is None or not standing.copy.here:
        console.answer("no_copy" if standing.copy is None else "copy_elsewhere")
    else:
        sentence, fields = of_copy(standing.copy)
        console.answer(sentence, **fields)
        console.answer(f"next_{standing.next}", seconds=standing.waits)
    _fail(standing)


async def _standing(service: Service) -> Standing:
    from nearproof.daemon.control.interface import StatusReply

    return (await service.call("Status", StatusReply)).status


def _line(console: Console, standing: Standing) -> None:
    import msgspec

    console.tell("status", **msgspec.to_builtins(standing))


def _fail(standing: Standing) -> None:
    from nearproof.daemon.outcomes import EndedElsewhere

    if standing.failure is not None:
        raise EndedElsewhere(standing.failure)


@click.group()
def devices() -> None:
    """The active laptops of the account."""


@devices.command("list", cls=Command)
@click.pass_obj
def list_(options: Options) -> None:
    """List them, oldest first: key id, since when, name."""

    async def story(service: Service) -> None:
        for device in await _devices(service):
            service.console.answer(
                "device_here" if device.here else "device",
                kid=device.kid,
                label=device.label,
                since=time.strftime("%Y-%m-%d %H:%M", time.localtime(device.enrolled_at)),
                enrolled_at=device.enrolled_at,
            )

    options.over_service("laptop", story)


@devices.command(cls=Command)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("device")
@click.pass_obj
def revoke(options: Options, yes: bool, device: str) -> None:
    """Revoke DEVICE, a name or key id of the list: at once, and for good."""

    async def story(service: Service) -> None:
        from nearproof.daemon.control.interface import Nothing, Revoke
        from nearproof.daemon.laptop import Declined

        chosen = _named(device, await _devices(service))
        if not yes:
            answer = await service.console.ask("revoke", label=chosen.label)
            if answer.casefold() not in {"yes", "y", "ja", "j"}:
                raise Declined
        await service.call("Revoke", Nothing, Revoke(chosen.kid))
        service.console.tell("revoked", device=chosen.label)

    options.over_service("laptop", story)


async def _devices(service: Service) -> tuple[Listed, ...]:
    from nearproof.daemon.control.interface import Devices

    return (await service.call("Devices", Devices)).devices


def _named(name: str, listed: tuple[Listed, ...]) -> Listed:
    """The one laptop of this name, or whose key id begins so."""
    found = [each for each in listed if each.label == name] or [
        each for each in listed if len(name) >= 4 and each.kid.startswith(name.lower())
    ]
    if len(found) != 1:
        if found:
            why = _("more than one active laptop has that name: give its key id")
        else:
            why = _("no active laptop has that name: see `nearproof devices list`")
        raise click.BadParameter(why, param_hint="DEVICE")
    return found[0]


@click.group()
def config() -> None:
    """What is set on this laptop."""


@config.command(cls=Command)
@click.pass_obj
def show(options: Options) -> None:
    """Print the settings in force, as `config.toml` would have them."""

    async def story(laptop: Laptop) -> None:
        import json

        import msgspec

        settings = msgspec.to_builtins(laptop.settings)
        laptop.console.tell(
            "settings", file=str(laptop.home.path / "config.toml"), settings=settings
        )
        for name, value in settings.items():  # a string of JSON is one of TOML
            laptop.console.show(f"{name} = {json.dumps(value, ensure_ascii=False)}")

    options.run("laptop", story)
