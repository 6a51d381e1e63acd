"""Strangers in the room, hostile or only foreign: the honest ceremony still completes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hil.faults import honest
from hil.faults_stage import Stage, open_stage
from hil.strangers import (
    Deed,
    Doings,
    clone,
    connect_for_ever,
    crowd,
    doing,
    pretend,
    radio,
    say_nothing,
    write_garbage,
)

pytestmark = [
    pytest.mark.rig,
    pytest.mark.timeout(400),  # on a busy machine; half a minute on a quiet one
    pytest.mark.asyncio(loop_scope="module"),
]

CROWD = 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(rig_possible: None) -> AsyncIterator[Stage]:
    """Two laptops and a backend for the tests of this file."""
    async with open_stage() as stage:
        yield stage


async def assert_copies(stage: Stage) -> None:
    """A ceremony that nobody on the laptops disturbs ends well on both."""
    attempt = await honest(stage)
    assert attempt.codes == {"old": 0, "new": 0}, attempt.story()
    assert await stage.desk.active(attempt.account.name) == 2
    assert await stage.heal() == {}


@pytest.mark.parametrize("deed", [pytest.param(say_nothing, marks=pytest.mark.slow), write_garbage])
async def test_a_central_that_is_not_new(stage: Stage, deed: Deed) -> None:
    """Who connects to OLD and says nothing, or garbage on every handle, is thrown out in time."""
    doings = Doings()
    async with (
        radio(stage.rig.rooms[0]) as device,
        doing(connect_for_ever(device, doings, deed)),
    ):
        await assert_copies(stage)
    assert doings.connections
    assert doings.writes or deed is say_nothing


@pytest.mark.slow
async def test_two_centrals_at_once(stage: Stage) -> None:
    """Two strangers who hold links to OLD in turns do not keep NEW out."""
    first, second = Doings(), Doings()
    room = stage.rig.rooms[0]
    async with (
        radio(room) as one,
        radio(room) as other,
        doing(connect_for_ever(one, first, say_nothing)),
        doing(connect_for_ever(other, second, write_garbage)),
    ):
        await assert_copies(stage)
    assert first.connections + second.connections


@pytest.mark.parametrize("pretending", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_a_cloned_advert(stage: Stage, pretending: bool) -> None:
    """A stranger with OLD's advert, with or without a service like ours, only costs time."""
    doings = Doings()
    async with radio(stage.rig.rooms[0]) as device:
        if pretending:
            pretend(device)
        async with doing(clone(device, doings)):
            await assert_copies(stage)
    assert doings.adverts


@pytest.mark.slow
async def test_a_crowd_of_foreign_adverts(stage: Stage) -> None:
    """Among a hundred other adverts NEW finds the one that is meant."""
    async with crowd(stage.rig.rooms[0], CROWD):
        await assert_copies(stage)
