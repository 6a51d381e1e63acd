"""Ceremonies between two laptops, one after the other, each beside a bare bleak/bless link.

On the rig under four conditions of the air, the floor under the same; the full run is
`--ceremonies 200`.  Between real laptops (`--hil`, see tests/hil/README.md) as the air is.
Exit code 1 if a ceremony took more than two tries or a target is missed; after Ctrl-C, the
report of what was measured so far.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from hil.laptops import Pair, open_pair
from hil.measuring import Clocks, Run, clock, measure_ceremony
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
INTERRUPTED: Final = 130  # the exit code
Facts = dict[str, dict[str, str]]


def main(argv: Sequence[str]) -> int:
    """Measure, and print a report."""
    parser = argparse.ArgumentParser(prog="scripts/bench hil", description=__doc__)
    parser.add_argument("--ceremonies", type=int, default=5, metavar="N")
    parser.add_argument("--hil", default="rig", metavar="LAPTOPS", help="as for pytest")
    parser.add_argument("--only", choices=[*CONDITIONS], help="one condition of the rig's air")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="as --ceremonies 2")
    arguments = parser.parse_args(argv)
    count = 2 if arguments.quick else arguments.ceremonies
    if count < 1:
        parser.error("--ceremonies: at least 1")
    conditions: list[Condition] = []
    facts: Facts = {}
    code = 0
    try:
        asyncio.run(_measure(arguments.hil, count, arguments.only, conditions, facts))
    except (PlanError, RigError) as error:
        print(f"bench hil: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # hours may be in it: report what there is
        code = INTERRUPTED
    conditions = [condition for condition in conditions if condition.runs]
    if arguments.json:
        print(json.dumps(as_json(conditions, facts), indent=1))
    else:
        print(as_markdown(conditions, facts))
    return code or int(not all(condition.well for condition in conditions))


async def _measure(
    spec: str, count: int, only: str | None, done: list[Condition], facts: Facts
) -> None:
    """Add to `done` and `facts` as it goes."""
    async with (
        open_pair(spec) as pair,
        clock(pair.old) as old,
        clock(pair.new) as new,
    ):
        facts |= {"OLD": dict(pair.old.facts), "NEW": dict(pair.new.facts)}
        clocks = Clocks(old, new)
        if pair.air is None:
            done.append(Condition("as found"))
            await _fill(done[-1], pair, clocks, count)
            return
        for name, settings in CONDITIONS.items():
            if only in (None, name):
                pair.air.settings = settings
                done.append(Condition(name))
                usual = name == USUAL or only is not None
                runs = count if usual else max(AT_LEAST, count // SHARE)
                await _fill(done[-1], pair, clocks, runs)


async def _fill(condition: Condition, pair: Pair, clocks: Clocks, count: int) -> None:
    """Run ceremonies, and as often the floor."""
    for number in range(1, count + 1):
        run = await measure_ceremony(pair, clocks)
        condition.runs.append(run)
        print(f"{condition.name}: {number} of {count}: {_in_words(run)}", file=sys.stderr)
        if pair.old.adapter and pair.new.adapter:
            await condition.floor.measure(pair)


def _in_words(run: Run) -> str:
    if not run.times:
        return "failed"
    return "well" if run.tries == 1 else f"well at try {run.tries}"
