"""What the air between the laptops can do: loss, jamming, dropped links, relays, a trace."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rig.faults import drop_links, jam
from rig.laptop import Laptop
from rig.machine import REPO
from rig.pair import Rig, open_rig
from rig.relay import open_relay
from rig.shell import GuestProcess

pytestmark = [pytest.mark.rig, pytest.mark.asyncio(loop_scope="module")]

EID = "a7" * 16
PULLS = 3  # of a dongle; a kernel without the fix is gone after two or three
PATH = {"PYTHONPATH": str(REPO / "tests")}


@asynccontextmanager
async def echoing(laptop: Laptop) -> AsyncIterator[GuestProcess]:
    """The echoing peripheral, advertising; ends in order, and so puts its adapter back."""
    async with laptop.spawn("python", "-m", "hil.echo_peripheral", EID, env=PATH) as process:
        line = await process.stdout.readline()
        assert line, (await process.stderr.read()).decode()
        assert json.loads(line)["event"] == "advertising"
        yield process
        process.close_stdin()
        assert await process.wait() == 0


async def event(process: GuestProcess, name: str) -> None:
    """Wait for one of the peripheral's events."""
    while line := await process.stdout.readline():
        if json.loads(line)["event"] == name:
            return
    raise AssertionError(f"no {name}")


async def measure(laptop: Laptop, rounds: int = 10) -> dict[str, Any]:
    """The figures of the echoing central."""
    result = await laptop.run(
        "python", "-m", "hil.echo_central", EID, "--rounds", str(rounds), env=PATH
    )
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


async def test_values_cross_the_air(rig: Rig) -> None:
    """The product's BlueZ drivers find each other through real kernels and exchange values."""
    first, second = rig.laptops
    async with echoing(first):
        facts = await measure(second)
    assert facts["rssi"] == rig.air.settings.rssi
    assert len(facts["echoes"]) == 10


async def test_interval_and_signal_strength_are_the_airs(rig: Rig) -> None:
    """A shorter connection interval shortens the round trip; the RSSI is what was set."""
    first, second = rig.laptops
    before = rig.air.settings
    rig.air.settings = dataclasses.replace(before, connection_interval=7.5, rssi=-83)
    try:
        async with echoing(first):
            facts = await measure(second)
    finally:
        rig.air.settings = before
    assert facts["rssi"] == -83
    assert statistics.median(facts["echoes"]) < 60  # at the kernel's 50 ms it is 100


async def test_values_arrive_despite_loss(rig: Rig) -> None:
    """The link layer sends again what was lost."""
    first, second = rig.laptops
    before = rig.air.settings
    rig.air.settings = dataclasses.replace(before, connection_interval=7.5, loss=0.2)
    try:
        async with echoing(first):
            assert len((await measure(second))["echoes"]) == 10
    finally:
        rig.air.settings = before


@pytest.mark.parametrize("fault", ["drop", "jam"])
async def test_a_lost_link_is_noticed_at_both_ends(rig: Rig, fault: str) -> None:
    """A link that is dropped or jammed ends for the peripheral and for the central."""
    first, second = rig.laptops
    central = ("python", "-m", "hil.echo_central", EID, "--rounds", "1000000")
    async with (
        asyncio.timeout(30),
        echoing(first) as peripheral,
        second.spawn(*central, env=PATH) as process,
    ):
        await event(peripheral, "subscribed")
        if fault == "drop":
            drop_links(rig.air)
            await event(peripheral, "disconnected")
        else:
            with jam(rig.air):
                await event(peripheral, "disconnected")
        assert await process.wait() == 1
        assert b"link_lost" in await process.stderr.read()


async def test_dongle_pulled_out_of_a_connection(rig: Rig) -> None:
    """A kernel survives that its dongle goes while a link is up: Debian's own often does not."""
    first, second = rig.laptops
    central = ("python", "-m", "hil.echo_central", EID, "--rounds", "1000000")
    for _ in range(PULLS):
        async with echoing(first) as peripheral, second.spawn(*central, env=PATH) as process:
            await event(peripheral, "subscribed")
            await second.kill("btattach")
            drop_links(rig.air)  # its controller has lost its power
            assert await process.wait() == 1
        second.plug_in()
        await second.bluetooth_powered()


async def test_traffic_is_written_as_btsnoop(rig: Rig, tmp_path: Path) -> None:
    """The trace has the format's magic and holds the advert that was heard."""
    first, second = rig.laptops
    trace = tmp_path / "laptop2.btsnoop"
    async with echoing(first), second.btsnoop(trace):
        await measure(second, rounds=1)
    content = trace.read_bytes()
    assert content.startswith(b"btsnoop\0")
    assert bytes.fromhex(EID) in content


@pytest.mark.parametrize("latency", [0.0, 0.05])
async def test_relay_joins_two_rooms(rig_possible: None, latency: float) -> None:
    """Laptops apart meet through a relay, which costs them its latency in either direction."""
    async with open_rig(apart=True) as rig:
        near, far = rig.rooms
        first, second = rig.laptops
        async with echoing(first), open_relay(near.address, far.address, latency):
            facts = await measure(second)
    shortest_direct = 1.5 * 50  # ms: two connection events
    assert min(facts["echoes"]) > shortest_direct + 2 * latency * 1000
