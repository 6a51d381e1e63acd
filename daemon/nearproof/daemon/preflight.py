"""Is this laptop fit for its part?  Asked before anything is ordered or spent.

Steps c, 10-11 and 17-18 of the source page: "access to Bluetooth is needed".  The checks and
their fix lines are the doctor's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from nearproof.daemon.laptop import Laptop, NotReady, Unready
from nearproof.daemon.person import agrees

if TYPE_CHECKING:
    from nearproof.daemon.doctor.checks import Finding, Role, Target

SWITCHED_OFF: Final = "bt.powered"


async def old_is_ready(laptop: Laptop, step: str) -> None:
    """OLD needs its adapter.  Raises `NotReady`, `BluetoothError`, `UnknownRadio`."""
    from nearproof.daemon.doctor.checks import Role

    await _ready(laptop, Role.OLD, step)


async def new_is_ready(laptop: Laptop, step: str) -> None:
    """NEW needs its adapter and its camera.  Raises as `old_is_ready`, and `CameraError`."""
    from nearproof.daemon.doctor.checks import Role

    await _ready(laptop, Role.NEW, step)


async def _ready(laptop: Laptop, role: Role, step: str) -> None:
    """Tell every check that fails, with the line that mends it; offer to switch Bluetooth on."""
    from nearproof.daemon.doctor.checks import Target

    target = Target(role, laptop.home, laptop.settings, Path())
    failed = await _failed(target)
    if [each.id for each in failed] == [SWITCHED_OFF] and await agrees(
        laptop, "power_on", step, unasked=False
    ):
        from nearproof.ble.bluez.adapter import power_on

        await power_on(laptop.settings.radio.partition(":")[2] or "hci0")
        failed = await _failed(target)
    for each in failed:
        _tell(laptop, each, step)
    if failed:
        raise NotReady(Unready.named(failed[0].exit.name), failed[0].id)


async def _failed(target: Target) -> list[Finding]:
    """What would end the ceremony here, of what the role cannot do without."""
    from nearproof.daemon.doctor.bluetooth import BLUETOOTH
    from nearproof.daemon.doctor.camera import CAMERA
    from nearproof.daemon.doctor.checks import Status

    found = [*await BLUETOOTH.examine(target), *await CAMERA.examine(target)]
    return [each for each in found if each.result.status is Status.FAIL]


def _tell(laptop: Laptop, finding: Finding, step: str) -> None:
    from nearproof.daemon.doctor.report import record

    said = record(finding, laptop.console.language)
    laptop.console.tell(
        "check_failed", step, check=said["id"], problem=said["text"], fix=said["fix"]
    )
