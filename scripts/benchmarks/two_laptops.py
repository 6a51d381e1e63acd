"""Ceremonies between two laptops, one after the other, each beside a bare bleak/bless link.

On the rig under four conditions of the air, the floor under the same; the full run is
`--ceremonies 200`, and with `--keep FILE` it may be stopped and started again.  Between real
laptops (`--hil`, see tests/hil/README.md) as the air is.
Exit code 1 if a ceremony took more than two tries or a target is missed; after Ctrl-C, the
report of what was measured so far.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from kept import Kept

from hil.laptops import open_pair
from hil.measuring import Clocks, Floor, Run, clock, measure_ceremony
from hil.plan import PlanError
from hil.report import Condition, as_json, as_markdown
from nearproof.ble.virtual.medium import AirSettings
from rig.errors import RigError

USUAL: Final = "100 ms adverts, the kernel's interval"
CONDITIONS: Final = {
    USUAL: AirSettings(),  # the advert interval is bluetoothd's, 100 ms in the rig
    "interval of 7.5 ms": AirSettings(connection_interval=7.5),
    "1,280 ms adverts": AirSettings(advert_interval=1280),
    "20 % loss": AirSettings(loss=0.2),
}
SHARE: Final = 10  # the other conditions get one ceremony for so many of the usual one
AT_LEAST: Final = 2
FLOORS: Final = 50  # of one condition; enough for a median
AS_FOUND: Final = "as found"  # the one condition of real laptops
INTERRUPTED: Final = 130  # the exit code


def main(argv: Sequence[str]) -> int:
    """Measure, and print a report."""
    parser = argparse.ArgumentParser(prog="scripts/bench hil", description=__doc__)
    parser.add_argument("--ceremonies", type=int, default=5, metavar="N")
    parser.add_argument("--hil", default="rig", metavar="LAPTOPS", help="as for pytest")
    parser.add_argument("--only", choices=[*CONDITIONS], help="one condition of the rig's air")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="as --ceremonies 2")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="go on from what is in it")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there too")
    parser.add_argument("--no-run", action="store_true", help="only report what is kept")
    arguments = parser.parse_args(argv)
    count = 2 if arguments.quick else arguments.ceremonies
    if count < 1:
        parser.error("--ceremonies: at least 1")
    results = Results(Kept(arguments.keep))
    code = 0
    try:
        if not arguments.no_run:
            asyncio.run(_measure(arguments.hil, count, arguments.only, results))
    except (PlanError, RigError) as error:
        print(f"bench hil: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # hours may be in it: report what there is
        code = INTERRUPTED
    conditions = [condition for condition in results.conditions.values() if condition.runs]
    text = as_markdown(conditions, results.facts)
    if arguments.report is not None:
        wanted = f"{count} wanted; a condition with fewer was stopped, and can go on"
        arguments.report.write_text(HEADER.format(wanted=wanted) + text + "\n")
    print(json.dumps(as_json(conditions, results.facts), indent=1) if arguments.json else text)
    return code or int(not all(condition.well for condition in conditions))


class Results:
    """Ceremonies and floors by condition, and what the laptops are; all of it kept."""

    def __init__(self, kept: Kept) -> None:
        self.conditions: dict[str, Condition] = {}
        self.facts: dict[str, dict[str, str]] = {}
        self._kept = kept
        for record in kept.records():
            self._take(**record)

    def _take(
        self,
        facts: dict[str, dict[str, str]] | None = None,
        condition: str = "",
        run: dict[str, Any] | None = None,
        floor: dict[str, Any] | None = None,
    ) -> None:
        self.facts |= facts or {}
        if run is not None:
            failures = tuple(run["failures"])
            self[condition].runs.append(Run(run["times"], failures, run["links"]))
        if floor is not None:
            self[condition].floor.runs += floor["runs"]
            self[condition].floor.failures += floor["failures"]

    def __getitem__(self, name: str) -> Condition:
        return self.conditions.setdefault(name, Condition(name))

    def add(self, **record: Any) -> None:
        """Count and keep one record, as `_take` reads it."""
        self._take(**record)
        self._kept.keep(**record)


async def _measure(spec: str, count: int, only: str | None, results: Results) -> None:
    async with (
        open_pair(spec) as pair,
        clock(pair.old) as old,
        clock(pair.new) as new,
    ):
        results.add(facts={"OLD": dict(pair.old.facts), "NEW": dict(pair.new.facts)})
        clocks = Clocks(old, new)
        for name, number, total in _schedule(count, only, rig=pair.air is not None):
            if number <= len(results[name].runs):
                continue  # kept from the run before
            if pair.air is not None:
                pair.air.settings = CONDITIONS[name]
            run = await measure_ceremony(pair, clocks)
            results.add(condition=name, run=asdict(run))
            print(f"{name}: {number} of {total}: {_in_words(run)}", file=sys.stderr, flush=True)
            if pair.old.adapter and pair.new.adapter and number % max(1, total // FLOORS) == 0:
                floor = Floor()
                await floor.measure(pair)
                results.add(condition=name, floor=asdict(floor))


def _schedule(count: int, only: str | None, *, rig: bool) -> Iterator[tuple[str, int, int]]:
    """Condition, number and how many in all of each ceremony; the conditions take turns."""
    if not rig or only is not None:
        name = only or AS_FOUND
        yield from ((name, number, count) for number in range(1, count + 1))
        return
    others, due = max(AT_LEAST, count // SHARE), 0
    for number in range(1, count + 1):
        yield USUAL, number, count
        while due < number * others // count:
            due += 1
            yield from ((name, due, others) for name in CONDITIONS if name != USUAL)


HEADER: Final = """\
# Ceremonies between two laptops, measured

Written by `scripts/bench hil --keep FILE --report tests/hil/REPORT.md` ({wanted}).
What is measured is described in [README.md](README.md): milliseconds from the scan hit to the
proof on NEW's disk, without the typing.

"""


def _in_words(run: Run) -> str:
    if not run.times:
        return "failed"
    return "well" if run.tries == 1 else f"well at try {run.tries}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
