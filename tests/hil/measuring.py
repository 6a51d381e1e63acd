"""Ceremonies with a stopwatch, and the floor: a bare bleak client and a bare bless server."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final

from hil.ceremony import Ceremony
from hil.laptops import Pair, Side
from hil.remote import RemoteError
from hil.role import Event, Process
from rig.errors import GuestError

TRIES: Final = 2  # of one ceremony, each with a QR code of its own
CLOCK: Final = "import sys, time\nfor _ in sys.stdin: print(time.monotonic(), flush=True)"
PINGS: Final = 20

STAGES: Final = ("scan", "connect", "subscribe", "m1-m2", "t1-code", "code-stored", "ack")
TOTAL: Final = "scan hit to proof stored"
FLOOR_STAGES: Final = ("connect", "subscribe", "pair1", "pair2")


@dataclass(frozen=True, slots=True)
class Run:
    """One ceremony: seconds by stage in the try that went well, and what went wrong before."""

    times: Mapping[str, float]  # STAGES and TOTAL; empty if no try went well
    failures: tuple[str, ...]
    links: int = 1  # how many NEW needed in the try that went well

    @property
    def tries(self) -> int:
        """How many there were."""
        return len(self.failures) + bool(self.times)


class Clocks:
    """How far OLD's CLOCK_MONOTONIC is from NEW's, asked when it is needed."""

    def __init__(self, old: Process, new: Process) -> None:
        self._processes = (old, new)

    async def offset(self) -> float:
        """What to add to OLD's time to get NEW's, in seconds; good to half a round trip."""
        old, new = [await _ahead(process) for process in self._processes]
        return new - old


async def _ahead(process: Process) -> float:
    """How far a laptop's clock is ahead of ours, by the quickest of some round trips."""
    best, ahead = float("inf"), 0.0
    for _ in range(PINGS):
        before = time.monotonic()
        process.write(b"\n")
        there = float(await process.stdout.readline())
        after = time.monotonic()
        if after - before < best:
            best, ahead = after - before, there - (before + after) / 2
    return ahead


def clock(side: Side) -> AbstractAsyncContextManager[Process]:
    """A process that tells the laptop's time."""
    return side.machine.spawn(*side.python, "-c", CLOCK)


async def measure_ceremony(pair: Pair, clocks: Clocks) -> Run:
    """One ceremony, with a second try if the first fails; the person types at once."""
    failures: list[str] = []
    for _ in range(TRIES):
        try:
            async with pair.ceremony(typed=True, typing=0, watched=True) as ceremony:
                codes = await ceremony.ended()
            if codes == (0, 0):
                times = stages(ceremony, await clocks.offset())
                return Run(times, tuple(failures), links(ceremony))
            failures.append(f"exit codes {codes}\n{ceremony.story()}")
        except (TimeoutError, RuntimeError, GuestError, RemoteError) as error:
            failures.append(str(error))
    return Run({}, tuple(failures))


def links(ceremony: Ceremony) -> int:
    """How many links NEW needed."""
    return sum(event.get("event") == "radio_connected" for event in ceremony.roles["new"].told)


def stages(ceremony: Ceremony, offset: float) -> dict[str, float]:
    """Seconds of each stage; `offset` as of `Clocks.offset`.

    The scan begins when NEW knows the QR code, and ends with the first hit.  A connect that
    failed counts to the connect.  The person's time, from the code on NEW to the answer on
    OLD, is in no stage.
    """
    told = ceremony.roles["new"].told
    m2 = _first(told, "old_answered")
    before = [event for event in told if event["t"] <= m2]
    hit, code = _first(told, "radio_found"), _first(told, "code")
    connected, subscribed = _last(before, "radio_connected"), _last(before, SUBSCRIBED)
    typed = _first(ceremony.roles["old"].told, "answered_code") + offset
    stored = _first(told, "stored")
    times = {
        "scan": hit - _first(told, "qr_scanned"),
        "connect": connected - hit,
        "subscribe": subscribed - connected,
        "m1-m2": m2 - subscribed,
        "t1-code": code - m2,
        "code-stored": stored - typed,
        "ack": _first(told, "acknowledged") - stored,
    }
    return {**times, TOTAL: code - hit + stored - typed}


SUBSCRIBED: Final = "radio_subscribed_messages"


def _first(told: list[Event], name: str) -> float:
    return float(next(event["t"] for event in told if event.get("event") == name))


def _last(told: list[Event], name: str) -> float:
    return _first(told[::-1], name)


@dataclass
class Floor:
    """What the bare pair took: seconds by stage, a list each, and what went wrong."""

    runs: list[dict[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def totals(self) -> list[float]:
        """From the scan hit to the last answer."""
        return [sum(run[stage] for stage in FLOOR_STAGES) for run in self.runs]

    async def measure(self, pair: Pair) -> None:
        """One more run, with a server as new to its BlueZ as OLD is in a ceremony."""
        old, new = pair.old, pair.new
        assert old.adapter is not None
        assert new.adapter is not None
        server = (*old.python, "-m", "hil.bare_server", "--adapter", old.adapter)
        client = (*new.python, "-m", "hil.bare_client", "--adapter", new.adapter)
        async with old.machine.spawn(*server) as process:
            await process.stdout.readline()
            try:
                said = await new.machine.run(*client)
            except (GuestError, RemoteError) as error:
                self.failures.append(str(error))
            else:
                times: dict[str, Any] = json.loads(said.stdout)
                self.runs.append(times)
            process.close_stdin()
            await process.wait()
