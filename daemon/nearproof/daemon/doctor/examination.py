"""The areas in the order in which a person would mend what they find."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Final

import msgspec

from nearproof.config.files import FileDamaged
from nearproof.config.home import Home
from nearproof.config.settings import Settings
from nearproof.daemon.doctor.backend import BACKEND
from nearproof.daemon.doctor.bluetooth import BLUETOOTH
from nearproof.daemon.doctor.camera import CAMERA
from nearproof.daemon.doctor.checks import Area, Finding, Role, Status, Target
from nearproof.daemon.doctor.clock import CLOCK
from nearproof.daemon.doctor.decoder import DECODER
from nearproof.daemon.doctor.desktop import FINGERPRINT, NOTIFIER, SCREEN
from nearproof.daemon.doctor.home import HOME
from nearproof.daemon.doctor.server import SERVER
from nearproof.daemon.outcomes.kinds import Exit

AREAS: Final[tuple[Area[Any], ...]] = (
    HOME,
    BLUETOOTH,
    CAMERA,
    DECODER,
    BACKEND,
    SERVER,
    CLOCK,
    SCREEN,
    NOTIFIER,
    FINGERPRINT,
)


async def examine(target: Target, only: tuple[str, ...] = ()) -> list[Finding]:
    """Every check of the target's role, in order; the areas are looked at side by side.

    `only` leaves out the areas none of whose checks has an id that begins so.

    Raises `UnknownRadio` and `CameraError` (BAD_SOURCE) for settings that name nothing.
    """
    wanted = [
        area
        for area in AREAS
        if not only or any(check.id.startswith(only) for check in area.checks)
    ]
    found = await asyncio.gather(*(area.examine(target) for area in wanted))
    return [finding for area in found for finding in area]


def exit_code(findings: list[Finding]) -> Exit:
    """That of the first check that failed; DONE if none did."""
    failed = (each.exit for each in findings if each.result.status is Status.FAIL)
    return next(failed, Exit.DONE)


def choose(home: Home, role: Role | None, data: Path, **settings: str | None) -> Target:
    """What to examine; without a role, what this laptop would be in its next copy.

    `settings` that are not None win over the owner's.  Where those cannot be read the defaults
    stand in: the check `home.files` tells.
    """
    try:
        owners = home.settings()
    except (FileDamaged, OSError):
        owners = Settings()
    given = {name: it for name, it in settings.items() if it is not None}
    if role is None:
        role = Role.OLD if os.path.exists(home.path / "device.json") else Role.NEW
    return Target(role, home, msgspec.structs.replace(owners, **given), data)
