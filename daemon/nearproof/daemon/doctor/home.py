"""The home folder of this laptop: whole, and nobody else's business."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nearproof.config.files import FileDamaged
from nearproof.daemon.doctor.checks import LAPTOPS, Area, Check, Result, Target, fail, ok, warn
from nearproof.daemon.outcomes.kinds import Exit


@dataclass(frozen=True, slots=True)
class HomeFacts:
    """What the folder's files are like.

    `damaged` are files that are not what they should be, and why; `unreadable` those that this
    user may not read; `exposed` those that others may read or write, or that others own.
    """

    path: Path
    damaged: tuple[tuple[Path, str], ...] = ()
    unreadable: tuple[Path, ...] = ()
    exposed: tuple[Path, ...] = ()


async def gather(target: Target) -> HomeFacts:
    """Read every file as the program would; what is in them is not kept."""
    home = target.home
    files: dict[str, Callable[[], object]] = {
        "config.toml": home.settings,
        "backend.json": home.backend,
        "device.json": home.device,
        "enrolment.json": home.enrolment,
    }
    damaged, unreadable = [], []
    for name, read in files.items():
        try:
            read()
        except FileDamaged as error:
            damaged.append((error.path, error.why))
        except OSError:
            unreadable.append(home.path / name)
    # Not config.toml: its owner wrote it, and there is no secret in it.
    ours = [home.path / name for name in files if name.endswith(".json")]
    return HomeFacts(home.path, tuple(damaged), tuple(unreadable), exposed(ours))


def exposed(paths: list[Path]) -> tuple[Path, ...]:
    """Those of `paths` that somebody else may read, write or change the rights of."""
    found = []
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            continue  # absent, or told as unreadable
        if about.st_mode & 0o077 or about.st_uid != os.geteuid():
            found.append(path)
    return tuple(found)


def private(paths: tuple[Path, ...]) -> str:
    """The line that makes `paths` this user's alone."""
    names = shlex.join(map(str, paths))
    return f'sudo chown "$USER" {names} && chmod 600 {names}'


def away(path: Path) -> str:
    """The line that moves a damaged file out of the way, and keeps it."""
    return shlex.join(["mv", str(path), f"{path}.damaged"])


def whole(facts: HomeFacts) -> Result:
    """Every file that is there can be read as what it should be."""
    if facts.damaged:
        path, why = facts.damaged[0]
        return fail(
            "{path}: {detail}; restore it from a copy, or move it away",
            away(path),
            path=path,
            detail=why,
        )
    return ok("the files in {path} are whole", path=facts.path)


def rights(facts: HomeFacts) -> Result:
    """This user can read those files, and nobody else can."""
    if facts.unreadable:
        return fail(
            "this user may not read {file}",
            private(facts.unreadable),
            file=facts.unreadable[0],
        )
    if facts.exposed:
        names = ", ".join(path.name for path in facts.exposed)
        return warn(
            "others may read or change {names}: keys in them count as stolen",
            private(facts.exposed),
            names=names,
        )
    return ok("nobody else can read them")


HOME: Final = Area(
    gather,
    (
        Check("home.files", LAPTOPS, Exit.DAMAGED, whole),
        Check("home.rights", LAPTOPS, Exit.PERMISSION, rights),
    ),
)
