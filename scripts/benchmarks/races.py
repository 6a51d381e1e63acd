"""`scripts/bench races`: fifty clients race for an account's last slot, round after round.

Four workers on PostgreSQL; half of the rounds are copies by two laptops, half are fifty laptops
with an activation code each.  Exactly one may win.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from backend.postgres import cluster, programs
from backend.racing import CLIENTS, WORKERS, Round, rounds, workers
from nearproof.daemon.backend.admin import verify_audit


def main(argv: Sequence[str]) -> int:
    """Exit code 1 if a round had not exactly one winner."""
    parser = argparse.ArgumentParser(prog="scripts/bench races", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    binaries = programs()
    if binaries is None:
        parser.error("PostgreSQL is not installed: apt install postgresql")
    done: list[Round] = []

    async def race(data: Path, url: str) -> None:
        with workers(data, url) as worlds:
            async for each in rounds(worlds, arguments.rounds):
                done.append(each)
                print(f"\r{len(done)}/{arguments.rounds}", end="", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder, cluster(binaries) as postgres:
        data, url = Path(folder) / "data", postgres.database()
        asyncio.run(race(data, url))
        chains = verify_audit(data, database=url)
    print(file=sys.stderr)
    wrong = [each for each in done if (each.winners, each.reserved) != (1, 3)]
    if arguments.json:
        print(json.dumps([asdict(each) for each in done], indent=1))
    else:
        print(_report(done, wrong, len(chains)))
    return 1 if wrong or len(chains) != len(done) else 0


def _report(done: Sequence[Round], wrong: Sequence[Round], chains: int) -> str:
    lines = [
        f"{len(done)} rounds of {CLIENTS} clients at {WORKERS} workers on PostgreSQL: "
        f"{len(done) - len(wrong)} with exactly one winner; {chains} audit chains hold.",
        "",
        "| race | rounds | answers |",
        "|-|-|-|",
    ]
    for kind in ("copies", "invites"):
        these = [each for each in done if each.kind == kind]
        said: Counter[str] = Counter()
        for each in these:
            said += each.outcomes
        answers = ", ".join(f"{count} x {what}" for what, count in said.most_common())
        lines.append(f"| {kind} | {len(these)} | {answers} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
