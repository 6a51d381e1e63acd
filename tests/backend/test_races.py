"""Many clients, many workers: the last slot, and a server that is killed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random

import httpx2
import pytest

from backend.postgres import Cluster
from backend.racing import CLIENTS, rounds, workers
from backend.world import NO_WAIT, BackendProcess, World, damage, start_backend
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.admin import verify_audit
from nearproof.daemon.backend.wire import CeremonyState, DeviceState
from nearproof.daemon.provider import Provider, ProviderError

ROUNDS = int(os.environ.get("NEARPROOF_RACES", "5"))
KILLS = int(os.environ.get("NEARPROOF_KILLS", "6"))


@pytest.mark.timeout(600)
async def test_the_last_slot_has_one_winner(tmp_path: Path, postgres: Cluster) -> None:
    """Fifty clients at four workers: one ceremony, whoever asked, by a copy or by an invite.

    200 rounds: `scripts/bench races`.
    """
    url, data = postgres.database(), tmp_path / "data"
    with workers(data, url) as worlds:
        async for race in rounds(worlds, ROUNDS):
            assert (race.winners, race.reserved) == (1, 3), race
            if race.kind == "copies":
                assert race.outcomes["201"] == 1
                assert 23 <= race.outcomes["200"] <= 25  # one laptop asks 26 times, one 24
                assert race.outcomes["ceremony_running"] == CLIENTS - 1 - race.outcomes["200"]
            else:
                assert race.outcomes == {"201": 1, "ceremony_running": CLIENTS - 1}
    assert set(verify_audit(data, database=url)) == {f"racer{n}" for n in range(ROUNDS)}


@pytest.mark.timeout(600)
async def test_killed_anywhere_a_ceremony_goes_on(tmp_path: Path) -> None:
    """kill -9 at random moments of whole ceremonies: each ends active, once, with its audit whole.

    A client asks each step again until it is answered, as a laptop does.
    """
    random = Random(11)
    running = await asyncio.to_thread(start_backend, tmp_path, NO_WAIT)
    port = running.port
    for number in range(KILLS):
        here = World(tmp_path, running, number=number)
        old = await here.activated("alice")
        kill = asyncio.get_running_loop().call_later(
            random.uniform(0.02, 0.5), running.process.kill
        )
        restarting = asyncio.create_task(restarted(tmp_path, here, port))
        try:
            async with asyncio.timeout(60):
                new = await stubborn(here, old)
        finally:
            kill.cancel()
            running.process.kill()
            running = await restarting
            here.backend = running
        async with here.laptop(new) as laptop:
            assert (await laptop.device()).state is DeviceState.ACTIVE
            assert len(await laptop.devices()) == 2
    assert running.stop() == 0
    chains = verify_audit(tmp_path)
    assert len(chains) == KILLS
    assert damage(tmp_path / "backend.db") == []


async def restarted(data: Path, here: World, port: int) -> BackendProcess:
    """The server again, once it is dead; the same port, so that laptops find it."""
    await asyncio.to_thread(here.backend.process.wait)
    if here.backend.process.stdout is not None:
        here.backend.process.stdout.close()
    return await asyncio.to_thread(start_backend, data, NO_WAIT, port)


async def stubborn(here: World, old: DeviceKey) -> DeviceKey:
    """A whole copy by laptops that begin again where the backend says they stand."""
    while True:
        try:
            return await here.copied(old)
        except (ProviderError, httpx2.TransportError):
            async with here.laptop(old) as laptop:
                await cancelled(laptop)


async def cancelled(laptop: Provider) -> None:
    """Whatever is open is cancelled; asked until the backend is back."""
    while True:
        try:
            if copy := (await laptop.device()).ceremony:
                state = (await laptop.cancel(copy)).state
                assert state is CeremonyState.CANCELLED
            return
        except ProviderError as error:
            if error.code:
                raise
