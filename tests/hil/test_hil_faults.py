"""Faults at the steps of a ceremony, about a tenth of them; `scripts/bench faults` plays all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from _pytest.mark import ParameterSet

from hil.faults import play
from hil.faults_stage import Stage, open_stage

pytestmark = [
    pytest.mark.rig,
    pytest.mark.timeout(400),  # on a busy machine; half a minute on a quiet one
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(rig_possible: None) -> AsyncIterator[Stage]:
    """Two laptops and a backend for the tests of this file."""
    async with open_stage() as stage:
        yield stage


def cases(*known: tuple[object, ...], always: int) -> list[ParameterSet]:
    """The first `always` of them in every run, the others with the slow ones."""
    return [
        pytest.param(*case, marks=() if number < always else pytest.mark.slow)
        for number, case in enumerate(known)
    ]


# Most kinds of fault; mostly those that recover, an end takes its time.
RECOVERS = cases(
    ("m2", "link drop"),
    ("rounds", "OLD suspended"),
    ("QR shown", "OLD bluetoothd"),
    ("t1", "jam"),
    ("waiting", "OLD dbus-daemon"),
    ("scanning", "NEW suspended"),
    ("m1", "OLD adapter off/on"),
    ("code asked", "OLD adapter off/on"),
    ("t2", "NEW bluetoothd"),
    ("ack", "NEW clock +1 day"),
    always=1,
)
KEPT = "the kept proof was accepted"
ENDS = cases(
    # step, fault, exit codes of OLD and NEW (None: not started), what is done afterwards
    ("SMS code", "NEW killed", (0, -9), KEPT),
    ("consent", "backend killed", (30, None), "copied"),
    ("waiting", "OLD killed", (-9, None), "copied"),
    ("code asked", "OLD dbus-daemon", (20, 19), "copied"),
    ("code asked", "OLD adapter gone", (20, 19), "copied"),
    ("user ID", "backend killed", (0, 30), KEPT),
    ("new PIN", "NEW killed", (0, -9), KEPT),
    always=1,
)


@pytest.mark.parametrize(("step", "fault"), RECOVERS)
async def test_recovers(stage: Stage, step: str, fault: str) -> None:
    """The ceremony goes on by itself after the fault, and adds one laptop."""
    result = await play(stage, step, fault)
    assert not result.problems, result.story
    assert result.recovered, result.story


@pytest.mark.parametrize(("step", "fault", "codes", "again"), ENDS)
async def test_ends(
    stage: Stage, step: str, fault: str, codes: tuple[int, int | None] | None, again: str
) -> None:
    """Both ends are named, and an honest attempt afterwards completes what was left."""
    result = await play(stage, step, fault)
    assert not result.problems, result.story
    assert result.again == again, result.story
    if codes is not None:
        assert (result.old_code, result.new_code) == codes
