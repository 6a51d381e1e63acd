"""Is this laptop fit for its part?  Asked before anything is ordered or spent.

Steps c, 10-11 and 17-18 of the source page: "access to Bluetooth is needed".  The doctor answers,
in a process of its own: what it loads to look at Bluetooth is nothing that a laptop needs while
it waits for an hour.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from typing import Any, Final

from nearproof.daemon.laptop import Laptop, NotReady, Unready
from nearproof.daemon.person import agrees
from nearproof.daemon.radio import is_bluez

SWITCHED_OFF: Final = "bt.powered"
CAMERAS: Final = ("/dev/", "camera")

Finding = dict[str, Any]
"""A check that fails: its id, text and fix in the language of whoever looks on, its exit code."""


async def old_is_ready(laptop: Laptop, step: str) -> None:
    """OLD needs its adapter.  Raises `NotReady`, `BluetoothError`, `UnknownRadio`."""
    await _ready(laptop, "old", step, _bluetooth(laptop))


async def new_is_ready(laptop: Laptop, step: str) -> None:
    """NEW needs its adapter and its camera.  Raises as `old_is_ready`."""
    camera = ["cam."] if laptop.settings.camera.startswith(CAMERAS) else []
    await _ready(laptop, "new", step, [*_bluetooth(laptop), *camera])


def _bluetooth(laptop: Laptop) -> list[str]:
    return ["bt."] if is_bluez(laptop.settings.radio) else []


async def _ready(laptop: Laptop, role: str, step: str, areas: Sequence[str]) -> None:
    """Tell every check that fails, with the line that mends it; offer to switch Bluetooth on."""
    if not areas:
        return
    failed = await _failed(laptop, role, areas)
    if [each["id"] for each in failed] == [SWITCHED_OFF] and await agrees(
        laptop, "power_on", step, unasked=False
    ):
        from nearproof.ble.bluez.adapter import power_on

        await power_on(laptop.settings.radio.partition(":")[2] or "hci0")
        failed = await _failed(laptop, role, areas)
    for each in failed:
        laptop.console.tell("unfit", step, check=each["id"], problem=each["text"], fix=each["fix"])
    if failed:
        raise NotReady(Unready.named(failed[0]["exit"]), failed[0]["id"])


async def _failed(laptop: Laptop, role: str, areas: Sequence[str]) -> list[Finding]:
    """What would end the ceremony here, as `nearproof doctor --json` tells it."""
    settings = laptop.settings
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nearproof.daemon", "--home", str(laptop.home.path)),
        *("--json", "--lang", laptop.console.language, "doctor", role),
        *("--radio", settings.radio, "--camera", settings.camera),
        *(part for area in areas for part in ("--only", area)),
        stdin=DEVNULL,
        stdout=PIPE,
    )
    told, _ = await process.communicate()
    findings: list[Finding] = [json.loads(line) for line in told.splitlines()]
    return [each for each in findings if each["status"] == "fail"]
