"""`scripts/bench crashes`: whole ceremonies, killed and cut off at every durable write.

Real processes run the product's own backend, OLD and NEW; one of them is struck at one point (its
cell of the matrix), sometimes a second one too.  A person starts again what has ended.  What must
hold is read from the database and both homes afterwards (`tests/crashes/judge.py`).  The proof
goes over sockets instead of Bluetooth, and a PIN costs no Argon2id.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from crashes.matrix import Matrix, Result, matrix

ENDS = ("goes on", "again", "anew")

_matrix: Matrix


def main(argv: Sequence[str]) -> int:
    """Exit code 1 if a run broke a rule."""
    parser = argparse.ArgumentParser(prog="scripts/bench crashes", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument(
        "--only", type=int, metavar="N", help="play run N alone, and tell all of it"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="results; goes on where it stands"
    )
    parser.add_argument("--no-postgresql", action="store_true", help="every run on SQLite")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    results = _kept(arguments.keep, arguments.runs)
    global _matrix
    with matrix(arguments.seed, postgres=not arguments.no_postgresql) as _matrix:
        cells = len(_matrix.cells)
        if arguments.only is not None:
            return _play_again(arguments.only, results)
        left = [number for number in range(arguments.runs) if number not in results]
        for result in _played(left, arguments.jobs):
            results[result.number] = result
            _keep(arguments.keep, result)
            if result.broken:
                print(json.dumps(asdict(result), indent=1), file=sys.stderr)
            print(f"\r{len(results)}/{arguments.runs}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    done = [results[number] for number in sorted(results)]
    if arguments.json:
        print(json.dumps({"cells": cells, "runs": [asdict(result) for result in done]}, indent=1))
    else:
        print(report(done, cells))
    return 1 if any(result.broken for result in done) else 0


def _play_again(number: int, results: dict[int, Result]) -> int:
    """As it was kept, or as it comes."""
    kept = results.get(number)
    result = _matrix.run(number) if kept is None else _matrix.again(kept)
    print(json.dumps(asdict(result), indent=1))
    return 1 if result.broken else 0


def _played(numbers: Sequence[int], jobs: int) -> Iterator[Result]:
    if jobs == 1 or len(numbers) < 2:
        yield from map(_run, numbers)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(_run, numbers)


def _run(number: int) -> Result:
    return _matrix.run(number)


def _kept(path: Path | None, runs: int) -> dict[int, Result]:
    if path is None or not path.exists():
        return {}
    found = [Result(**json.loads(line)) for line in path.read_text().splitlines()]
    return {result.number: result for result in found if result.number < runs}


def _keep(path: Path | None, result: Result) -> None:
    if path is not None:
        with path.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")


def report(results: Sequence[Result], cells: int) -> str:
    """Markdown: what came of every kind of fault."""
    struck = sum(bool(result.struck) for result in results)
    broken = [result for result in results if result.broken]
    seconds = sorted(result.seconds for result in results)
    lines = [
        f"{len(results)} runs over {cells} cells, {struck} of them struck, "
        f"{sum(r.database == 'postgresql' for r in results)} on PostgreSQL; "
        f"median {seconds[len(seconds) // 2]:.1f} s, longest {seconds[-1]:.1f} s.",
        f"Rules broken: {len(broken)} runs.",
        "",
        "| struck | fault | runs | by itself | same command again | new QR or copy | broken |",
        "|-|-|-|-|-|-|-|",
    ]
    rows: dict[tuple[str, str], Counter[str]] = {}
    for result in results:
        for role, how in sorted({tuple(s.split(": ")[:2]) for s in result.struck}):
            row = rows.setdefault((role, how), Counter())
            row["runs"] += 1
            row["broken" if result.broken else result.ended] += 1
    for (role, how), row in sorted(rows.items()):
        counts = " | ".join(str(row[name]) for name in ("runs", *ENDS, "broken"))
        lines.append(f"| {role} | {how} | {counts} |")
    for result in broken:
        lines += ["", f"run {result.number}: {result.struck}: {'; '.join(result.broken)}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
