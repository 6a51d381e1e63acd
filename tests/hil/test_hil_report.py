"""The stopwatch and the report, on ceremonies made up."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hil.ceremony import Ceremony
from hil.measuring import STAGES, TOTAL, Floor, Run, links, stages
from hil.report import Condition, as_json, as_markdown, p95

OLD_IS_AHEAD = 100.0  # seconds, of NEW's clock

NEW_TOLD = (
    ("qr_scanned", 1.0),
    ("radio_found", 1.25),
    ("radio_connected", 1.5),  # this one fails
    ("radio_found", 2.0),
    ("radio_connected", 3.25),
    ("radio_subscribed_messages", 3.5),
    ("old_answered", 3.75),
    ("code", 4.0),
    ("radio_connected", 8.0),  # the link was lost while the person typed
    ("stored", 9.25),
    ("acknowledged", 9.5),
)
OLD_TOLD = (("qr_shown", 100.0), ("answered_code", 109.0))


class Told:
    """A process that has told all this."""

    def __init__(self, *events: tuple[str, float]) -> None:
        self.stdout = asyncio.StreamReader()
        for name, time in events:
            self.stdout.feed_data(json.dumps({"event": name, "t": time}).encode() + b"\n")
        self.stdout.feed_eof()

    async def wait(self) -> int:
        return 0


async def played() -> Ceremony:
    ceremony = Ceremony({})
    for name, events in (("old", OLD_TOLD), ("new", NEW_TOLD)):
        process: Any = Told(*events)
        await ceremony.enter(name, process).exit()
    return ceremony


async def test_stages() -> None:
    """A failed connect counts; the typing does not, though it is timed by two clocks."""
    ceremony = await played()
    times = stages(ceremony, -OLD_IS_AHEAD)
    assert times == {
        "scan": 0.25,
        "connect": 2.0,
        "subscribe": 0.25,
        "m1-m2": 0.25,
        "t1-code": 0.25,
        "code-stored": 0.25,
        "ack": 0.25,
        TOTAL: 3.0,
    }
    assert links(ceremony) == 3


def run(total: float, *failures: str) -> Run:
    return Run({**dict.fromkeys(STAGES, 0.1), TOTAL: total}, failures)


def floor(total: float) -> Floor:
    return Floor([{"connect": total, "subscribe": 0.0, "pair1": 0.0, "pair2": 0.0}])


@pytest.mark.parametrize(
    ("runs", "well"),
    [
        ([run(1.2)], True),
        ([run(1.3)], False),  # over 1.25 floors
        ([run(1.2, "link lost"), *[run(1.2)] * 98], False),  # 98.99 % at the first try
        ([run(1.2, "link lost"), *[run(1.2)] * 99], True),
        ([*[run(1.2)] * 199, Run({}, ("stuck", "stuck"))], False),  # not within two
    ],
)
def test_targets(runs: list[Run], well: bool) -> None:
    """First tries, tries at all, and the ratio are each held against their target."""
    assert Condition("as found", runs, floor(1.0)).well is well


def test_the_report_tells_what_failed() -> None:
    """Both forms hold every failure and the figures of every stage."""
    condition = Condition("20 % loss", [run(1.2, "link lost\nby NEW"), run(1.0)], floor(1.0))
    facts = {"OLD": {"bluez": "5.66"}, "NEW": {"bluez": "5.66"}}
    text = as_markdown([condition], facts)
    assert "    by NEW" in text
    assert "| 20 % loss | 2 | 50.0% | 100.0% | 1100 | 1200 | 1000 | 1000 | 1.10 MISSED |" in text
    (record,) = as_json([condition], facts)["conditions"]
    assert record["failures"] == ["link lost\nby NEW"]
    assert record["seconds"][TOTAL] == {"n": 2, "median": 1.1, "p95": 1.2}


def test_p95_is_a_sample() -> None:
    """The nearest rank: of twenty samples, the nineteenth."""
    assert p95([float(n) for n in range(1, 21)]) == 19.0
