"""`scripts/bench relay`: what a relay does to the round trips, what a bound on them is worth."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from figures import p95

from nearproof.ble.virtual.medium import AirSettings
from rig.machine import REPO
from rig.pair import Rig, open_rig
from rig.relay import open_relay

WINDOW = 4  # rounds of a ceremony; its proof states their lower median and their minimum
PATH = {"PYTHONPATH": str(REPO / "tests")}
FALSE_ALARMS = (0.01, 0.05)  # what a bound may cost honest people
GRID = 1.25  # ms, the unit of connection intervals
INTERVALS = [GRID * steps for steps in range(6, 81)]  # 7.5 to 100 ms
JITTER = 2.0  # ms that an arrival may be off its connection event

Round = tuple[float, float]  # milliseconds: the round trip, and when its answer arrived


@dataclass(frozen=True, slots=True)
class Setting:
    """How NEW reaches OLD.  `latency` is the relay's, in ms each way; None without a relay."""

    interval: float | None  # ms, None for what the kernels negotiate
    latency: float | None = None
    loss: float = 0.0

    def __str__(self) -> str:
        """The name in the tables."""
        interval = "kernel's interval" if self.interval is None else f"{self.interval:g} ms"
        how = "direct" if self.latency is None else f"relay +{self.latency:g} ms"
        return f"{how}, {interval}" + (f", {self.loss:.0%} loss" if self.loss else "")


LATENCIES = (0.0, 5.0, 20.0, 50.0, 100.0)
SETTINGS = (
    *(Setting(interval) for interval in (None, 7.5, 15.0, 30.0)),
    Setting(None, loss=0.2),
    *(Setting(None, latency) for latency in LATENCIES),
    *(Setting(7.5, latency) for latency in LATENCIES),
)


def main(argv: Sequence[str]) -> int:
    """Exit code 0 once everything is measured: there is no target, rounds are evidence."""
    parser = argparse.ArgumentParser(prog="scripts/bench relay", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="of a connection")
    parser.add_argument("--links", type=int, default=3, help="connections of each setting")
    parser.add_argument("--quick", action="store_true", help="one connection of 20 rounds")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there too")
    arguments = parser.parse_args(argv)
    rounds, links = (20, 1) if arguments.quick else (arguments.rounds, arguments.links)
    measured = asyncio.run(_measure(rounds, links))
    text = report(measured)
    if arguments.report is not None:
        arguments.report.write_text(HEADER.format(rounds=rounds, links=links) + text + "\n")
    if arguments.json:
        print(json.dumps({str(setting): each for setting, each in measured.items()}))
    else:
        print(text)
    return 0


HEADER = """\
# What a relay does to the rounds, and what a bound on them would be worth

Written by `scripts/bench relay --report tests/hil/RELAY.md`: {links} connections of {rounds}
rounds each, between the product's own BlueZ drivers on two virtual laptops, with and without a
link-layer relay between them.  Rounds are evidence, never a refusal; what follows is in README.md.

"""


# -- measuring


Links = list[list[Round]]


async def _measure(rounds: int, links: int) -> dict[Setting, Links]:
    measured: dict[Setting, Links] = {}
    for apart in (False, True):
        async with open_rig(apart=apart) as rig:
            for setting in SETTINGS:
                if (setting.latency is not None) is apart:
                    print(f"measuring {setting} ...", file=sys.stderr, flush=True)
                    async with _arranged(rig, setting):
                        measured[setting] = [await _link(rig, rounds) for _ in range(links)]
    return {setting: measured[setting] for setting in SETTINGS}


@asynccontextmanager
async def _arranged(rig: Rig, setting: Setting) -> AsyncIterator[None]:
    for room in rig.rooms:
        room.air.settings = AirSettings(connection_interval=setting.interval, loss=setting.loss)
    async with AsyncExitStack() as stack:
        if setting.latency is not None:
            near, far = (room.address for room in rig.rooms)
            await stack.enter_async_context(open_relay(near, far, setting.latency / 1000))
        yield


async def _link(rig: Rig, rounds: int) -> list[Round]:
    """The rounds of one connection, between the product's own drivers."""
    first, second = rig.laptops
    eid = os.urandom(16).hex()
    program = ("python", "-m", "hil.rounds")
    async with first.spawn(*program, "old", eid, str(rounds), env=PATH) as old:
        if not await old.stdout.readline():
            raise RuntimeError((await old.stderr.read()).decode())
        async with second.spawn(*program, "new", eid, env=PATH) as new:
            line = await old.stdout.readline()
            if not line:
                said = await asyncio.gather(old.stderr.read(), new.stderr.read())
                raise RuntimeError(b"\n".join(said).decode())
            await new.wait()
    return [(rtt / 1000, arrived / 1000) for rtt, arrived in json.loads(line)]


# -- judging


def _windows(links: Links) -> Iterator[list[Round]]:
    """The rounds as ceremonies would have them."""
    for link in links:
        for start in range(0, len(link) - WINDOW + 1, WINDOW):
            yield link[start : start + WINDOW]


def _medians(links: Links) -> list[float]:
    """The lower median of each window, as the proof states it."""
    return [statistics.median_low(rtt for rtt, _ in window) for window in _windows(links)]


def _bound(honest: Sequence[float], false_alarms: float) -> float:
    """The bound that so many of the honest exceed."""
    ordered = sorted(honest)
    return ordered[min(len(ordered) - 1, int(len(ordered) * (1 - false_alarms)))]


def _rate(values: Sequence[float], bound: float) -> str:
    return f"{sum(value > bound for value in values) / len(values):.0%}" if values else "-"


def interval_of(window: Sequence[Round]) -> float | None:
    """The longest connection interval that the arrivals fit: ms, None if none does."""
    gaps = [late - early for (_, early), (_, late) in itertools.pairwise(window)]
    for interval in reversed(INTERVALS):
        if all(abs(gap - round(gap / interval) * interval) <= JITTER for gap in gaps):
            return interval
    return None


def report(measured: Mapping[Setting, Links]) -> str:
    """Markdown: the distributions, then what bounds on them would do."""
    lines = ["| setting | n | min | median | p95 | max (ms) |", "|-|-|-|-|-|-|"]
    for setting, links in measured.items():
        rtts = [rtt for link in links for rtt, _ in link]
        figures = (min(rtts), statistics.median(rtts), p95(rtts), max(rtts))
        lines.append(
            f"| {setting} | {len(rtts)} | " + " | ".join(f"{value:.1f}" for value in figures) + " |"
        )
    medians = {setting: _medians(links) for setting, links in measured.items()}
    direct = [setting for setting in measured if setting.latency is None]
    same = [medians[setting] for setting in direct if setting.interval is None and not setting.loss]
    everyone = [value for setting in direct for value in medians[setting]]
    for title, honest in (
        ("The bound is set on links at the kernel's interval without loss", same[0]),
        ("The bound is set on all direct links measured, whatever their interval", everyone),
    ):
        lines += ["", *_rates(title, honest, medians)]
    return "\n".join([*lines, "", *_intervals(measured)])


def _rates(
    title: str, honest: Sequence[float], medians: Mapping[Setting, Sequence[float]]
) -> list[str]:
    bounds = [_bound(honest, rate) for rate in FALSE_ALARMS]
    heads = " | ".join(
        f"over {bound:.1f} ms ({rate:.0%} false alarms wanted)"
        for bound, rate in zip(bounds, FALSE_ALARMS, strict=True)
    )
    return [
        f"{title} (lower median of {WINDOW} rounds, n = {len(honest)}):",
        "",
        f"| setting | windows | {heads} |",
        "|-|-|" + "-|" * len(bounds),
        *(
            f"| {setting} | {len(values)} | "
            + " | ".join(_rate(values, bound) for bound in bounds)
            + " |"
            for setting, values in medians.items()
        ),
    ]


def _intervals(measured: Mapping[Setting, Links]) -> list[str]:
    lines = [
        f"The connection interval as {WINDOW} arrivals suggest it:",
        "",
        "| setting | windows | right | the most frequent guesses (ms) |",
        "|-|-|-|-|",
    ]
    for setting, links in measured.items():
        guesses = [interval_of(window) for window in _windows(links)]
        counted = sorted(set(guesses), key=guesses.count, reverse=True)[:3]
        right = (
            f"{sum(guess == setting.interval for guess in guesses) / len(guesses):.0%}"
            if setting.interval is not None and guesses
            else "-"
        )
        named = ", ".join("none" if guess is None else f"{guess:g}" for guess in counted)
        lines.append(f"| {setting} | {len(guesses)} | {right} | {named} |")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
