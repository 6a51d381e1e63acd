"""`nearproof new ...` and `nearproof join`: the laptop that is to get a copy."""

from __future__ import annotations

from dataclasses import replace
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearproof.daemon.cli.old import radio_option
from nearproof.daemon.cli.options import Command, Options, pin_option

if TYPE_CHECKING:
    from nearproof.daemon.cli.asking import Service
    from nearproof.daemon.laptop import Laptop

label_option = click.option("--label", help="What this laptop calls itself.  [default: host name]")


@click.group()
def new() -> None:
    """On the laptop that gets a copy, or is the first."""


@new.command(cls=Command)
@radio_option
@click.option(
    "--camera",
    metavar="SOURCE",
    help="/dev/videoN (default /dev/video0), image:FILE, video:FILE, frames:FOLDER, or "
    "lens:FILE[?seed=N] (photographs a picture through a lens model).",
)
@click.option(
    "--image",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Read the QR code from this picture.",
)
@click.option("--typed", is_flag=True, help="Type the text above the QR code.")
@click.option("--user-id", metavar="USER", help="The account's user ID.  [default: ask]")
@label_option
@click.option(
    "--proof",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also keep the proof in FILE, for `nearproof verify`.",
)
@pin_option
@click.option("--photo", type=click.Path(path_type=Path), hidden=True)  # for the demo
@click.pass_obj
def copy(
    options: Options,
    radio: str | None,
    camera: str | None,
    image: str | None,
    typed: bool,
    user_id: str | None,
    label: str | None,
    proof: Path | None,
    photo: Path | None,
) -> None:
    """Get a copy from the old laptop; Bluetooth proves that it is here."""
    if sum((camera is not None, image is not None, typed)) > 1:
        raise click.UsageError(_("choose one of --camera, --image and --typed"))

    source = "typed" if typed else f"image:{image}" if image else camera

    async def story(service: Service) -> None:
        from nearproof.daemon.control.interface import NewCopy

        takes = NewCopy(
            service.console.language,
            service.console.watches,
            radio,
            _absolute(source) if source is not None else None,
            label,
            user_id,
            _absolute_path(proof),
            _absolute_path(photo),
        )
        await service.run("NewCopy", takes)

    options.over_service("new", story, live="new")


def _absolute_path(path: Path | None) -> str | None:
    return str(path.absolute()) if path is not None else None


def _absolute(source: str) -> str:
    """The camera's spec with a path that means the same in the daemon's process.

    Raises `CameraError` for a spec of no kind.
    """
    from nearproof.qr.source_spec import parse_source

    if source == "typed":
        return source
    spec = parse_source(source)
    return str(replace(spec, path=spec.path.absolute())) if spec.path is not None else source


@new.command(cls=Command)
@label_option
@pin_option
@click.pass_obj
def activate(options: Options, label: str | None) -> None:
    """Enrol a laptop by its account's one-time activation code; goes on where it stood."""

    async def story(service: Service) -> None:
        from nearproof.daemon.control.interface import NewActivate

        await service.run("NewActivate", NewActivate(service.console.language, label=label))

    options.over_service("new", story, live="activate")


@new.command(cls=Command)
@click.pass_obj
def cancel(options: Options) -> None:
    """Give up the copy or activation that is under way on this laptop."""

    async def story(service: Service) -> None:
        from nearproof.daemon.control.interface import NewCancel

        await service.run("NewCancel", NewCancel(service.console.language))

    options.over_service("new", story)


@click.command(cls=Command)
@click.argument("line", nargs=-1, required=True)
@click.pass_obj
def join(options: Options, line: tuple[str, ...]) -> None:
    """Join this laptop to a backend.

    By the LINE that "nearproof backend serve" printed there.
    """

    async def story(laptop: Laptop) -> None:
        from nearproof.config.home import Backend
        from nearproof.daemon.join import join

        joined = await join(" ".join(line))
        laptop.home.save_backend(Backend(joined.url, joined.certificate, joined.issuer))
        laptop.console.tell("joined", url=joined.url)

    options.run("laptop", story)
