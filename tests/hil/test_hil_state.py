"""What stays behind in BlueZ after a ceremony and after a crash: nothing."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from hil.faults import FAULTS, honest, make_attempt
from hil.faults_stage import Attempt, Stage, open_stage
from hil.role import answer
from rig.laptop import BluezSettings, Laptop
from rig.machine import REPO

pytestmark = [
    pytest.mark.rig,
    pytest.mark.timeout(400),  # on a busy machine; half a minute on a quiet one
    pytest.mark.asyncio(loop_scope="module"),
]

PATH = {"PYTHONPATH": f"{REPO}/tests"}
SHOW = ("--show", "png:/run/rig/screen.png")
PATIENCE = 2.0  # seconds the person waits after the other laptop has died

States = dict[str, dict[str, Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(rig_possible: None) -> AsyncIterator[Stage]:
    """Laptops whose adapters are discoverable for good, and which forget devices quickly."""
    async with open_stage(BluezSettings(forget_s=3)) as stage:
        for laptop in stage.laptops.values():
            await laptop.run("bluetoothctl", "discoverable-timeout", "0")
            await laptop.run("bluetoothctl", "discoverable", "on")
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def before(stage: Stage) -> States:
    """How BlueZ looks when nothing has been done yet."""
    return await states(stage)


async def states(stage: Stage) -> States:
    """The adapter of each laptop as BlueZ shows it, once no temporary device is left."""
    return {role: await state(laptop) for role, laptop in stage.laptops.items()}


async def state(laptop: Laptop) -> dict[str, Any]:
    """The same of one laptop."""
    result = await laptop.run("python", "-m", "hil.bluez_state", env=PATH)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


async def test_after_a_ceremony(stage: Stage, before: States) -> None:
    """Alias, Discoverable, Pairable, known devices and adverts are as before."""
    assert before["old"]["/org/bluez/hci0"]["Discoverable"] is True
    attempt = await honest(stage)
    assert attempt.codes == {"old": 0, "new": 0}, attempt.story()
    assert await states(stage) == before


async def test_interrupted_at_the_qr(stage: Stage, before: States) -> None:
    """Ctrl-C while the QR code is shown takes the advert away and leaves all as it was."""
    account = await stage.account()
    attempt = Attempt(account)
    async with stage.role(attempt, "old", "old", "copy", *SHOW) as role:
        answering = asyncio.create_task(answer(role, stage.desk.phone(account.name)))
        assert await role.until("qr_shown")
        role.process.signal(signal.SIGINT)
        assert await role.exit() == 19
        await answering
    assert await states(stage) == before


async def test_after_new_crashed(stage: Stage, before: States) -> None:
    """kill -9 of NEW leaves nothing on either laptop."""
    account = await stage.account()
    attempt = await make_attempt(stage, account, "code asked", FAULTS["NEW killed"], PATIENCE)
    assert attempt.codes == {"old": 19, "new": -signal.SIGKILL}, attempt.story()
    assert await states(stage) == before


async def test_after_old_crashed(stage: Stage, before: States) -> None:
    """So does kill -9 of OLD, though its adapter was hidden while it advertised."""
    account = await stage.account()
    attempt = await make_attempt(stage, account, "code asked", FAULTS["OLD killed"], PATIENCE)
    assert attempt.codes == {"old": -signal.SIGKILL, "new": 19}, attempt.story()
    assert await states(stage) == before
