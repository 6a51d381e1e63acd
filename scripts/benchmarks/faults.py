"""`scripts/bench faults`: every fault at every step of a ceremony between two virtual laptops."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from kept import Kept

from hil.faults import FAULTS, STEPS, Result, applies, play
from hil.faults_stage import open_stage
from rig.errors import RigError

CASE_DEADLINE = 500.0  # seconds; only a rig that hangs needs it
Case = tuple[str, str]


def main(argv: Sequence[str]) -> int:
    """Exit code 1 if a case broke the rule that `hil.faults` states."""
    parser = argparse.ArgumentParser(prog="scripts/bench faults", description=__doc__)
    parser.add_argument("--step", action="append", choices=STEPS, help="only these steps")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only these faults")
    parser.add_argument("--jobs", type=int, default=1, help="pairs of laptops at once")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="go on from what is in it")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there too")
    parser.add_argument("--no-run", action="store_true", help="only report what is kept")
    arguments = parser.parse_args(argv)
    cases = [
        (step, fault)
        for step in arguments.step or STEPS
        for fault in arguments.fault or FAULTS
        if applies(step, fault)
    ]
    kept = Kept(arguments.keep)
    done = {(each["step"], each["fault"]): Result(**each) for each in kept.records()}
    left = [case for case in cases if case not in done] if not arguments.no_run else []
    with contextlib.suppress(KeyboardInterrupt):  # what is done is told
        asyncio.run(_all(left, arguments.jobs, done, kept))
    results = [done[case] for case in cases if case in done]
    text = report(results, len(cases))
    if arguments.report is not None:
        arguments.report.write_text(HEADER + text + "\n")
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    else:
        print(text)
    broken = any(result.problems for result in results)
    return 1 if broken or len(results) < len(cases) else 0


async def _all(cases: Sequence[Case], jobs: int, done: dict[Case, Result], kept: Kept) -> None:
    waiting: asyncio.Queue[Case] = asyncio.Queue()
    # Mixed, so that a run that is interrupted has seen something of everything.
    for case in random.Random(0).sample(cases, len(cases)):  # noqa: S311  # no secret
        waiting.put_nowait(case)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(jobs, len(cases))):
            tasks.create_task(_work(waiting, done, kept))


async def _work(waiting: asyncio.Queue[Case], results: dict[Case, Result], kept: Kept) -> None:
    """Play cases until none is left; a pair of laptops that a case has broken is replaced."""
    while not waiting.empty():
        async with open_stage() as stage:
            while not waiting.empty():
                case = waiting.get_nowait()
                try:
                    async with asyncio.timeout(CASE_DEADLINE):
                        result = await play(stage, *case)
                except (RigError, TimeoutError) as error:
                    story = "\n\n".join(attempt.story() for attempt in stage.attempts)
                    result = _broken(case, error, story)
                results[case] = result
                kept.keep(**asdict(result))
                left = f"{waiting.qsize()} left:"
                print(left, _line(result), file=sys.stderr, flush=True)
                if result.problems:
                    break


def _broken(case: Case, error: Exception, story: str) -> Result:
    said = f"{type(error).__name__}: {error}"
    return Result(*case, None, None, "?", "?", None, None, False, "?", {}, [said], story)


def _line(result: Result) -> str:
    said = f"{result.step} / {result.fault}: {outcome(result)}; again: {result.again}"
    return "\n   ".join([said, *result.problems, *([result.story] if result.problems else [])])


def outcome(result: Result) -> str:
    """What became of the ceremony, in a few words."""
    if result.problems:
        return "BROKEN"
    died = f"; {', '.join(result.crashed)} died" if result.crashed else ""
    if result.recovered:
        slower = max(result.old_seconds or 0, result.new_seconds or 0)
        return f"recovers, {slower:.1f} s{died}"
    ends = [
        f"{name} {how}" + (f", {seconds:.1f} s" if seconds is not None else "")
        for name, how, seconds in (
            ("OLD", result.old, result.old_seconds),
            ("NEW", result.new, result.new_seconds),
        )
    ]
    return "; ".join(ends) + died


def report(results: Sequence[Result], total: int) -> str:
    """Markdown: totals, then step by step what each fault led to."""
    recovered = sum(result.recovered and not result.problems for result in results)
    broken = sum(bool(result.problems) for result in results)
    lines = [
        f"{len(results)} of {total} cases played: {recovered} recover by themselves, "
        f"{len(results) - recovered - broken} end in a named state, {broken} broken.",
        "Seconds are from the fault to the end of the process.",
        "",
        "| step | fault | outcome | honest attempt afterwards |",
        "|-|-|-|-|",
    ]
    lines += [
        f"| {result.step} | {result.fault} | {outcome(result)} | {result.again} |"
        for result in results
    ]
    for result in results:
        if result.problems:
            lines += ["", f"{result.step} / {result.fault}:", "", "```"]
            lines += [*result.problems, "", result.story, "```"]
    return "\n".join(lines)


HEADER = """\
# What becomes of a ceremony when something goes wrong

Written by `scripts/bench faults --keep FILE --report tests/hil/FAULTS.md`: each step of the
ceremony, each fault that there is something for at that step (`tests/hil/faults.py`), between two
virtual laptops.  A dead process ends by the signal, everything else with its exit code and reason.

"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
