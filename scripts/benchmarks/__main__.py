"""Runs the benchmarks named, prints a table, or JSON with --json."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from figures import Figure, table

NAMES = {
    "backend": "backend_load",
    "guessing": "guessing_odds",
    **{name: name for name in ("ceremony", "cli", "crypto", "decoder", "memory")},
}

# Run only if named, each with options of its own: they take minutes to hours.
LONG = {
    "hil": "two_laptops",
    "faults": "faults",
    "relay": "relay",
    "crashes": "crash_matrix",
    "races": "races",
}


def main() -> int:
    """Exit code 1 if a figure misses its target."""
    if sys.argv[1:2] and sys.argv[1] in LONG:
        return int(importlib.import_module(LONG[sys.argv[1]]).main(sys.argv[2:]))
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        epilog=f"With options of their own (-h), and longer: {', '.join(LONG)}.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name in arguments.names or NAMES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += importlib.import_module(NAMES[name]).measure(quick=arguments.quick)
    if arguments.json:
        print(json.dumps([asdict(figure) | {"met": figure.met} for figure in figures], indent=1))
    else:
        print(table(figures))
    return 0 if all(figure.met is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
