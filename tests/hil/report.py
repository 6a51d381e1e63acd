"""What the ceremonies of `hil.measuring` came to: figures, a Markdown report, and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hil.measuring import FLOOR_STAGES, STAGES, TOTAL, Floor, Run

FIRST_TRY: Final = 0.99  # at least
RATIO: Final = 1.25  # of the ceremony's median to the floor's, at most


@dataclass
class Condition:
    """The ceremonies and the floor under one setting of the air, measured in turn."""

    name: str
    runs: list[Run] = field(default_factory=list)
    floor: Floor = field(default_factory=Floor)

    @property
    def good(self) -> list[Run]:
        """The ceremonies that ended well."""
        return [run for run in self.runs if run.times]

    @property
    def first_try(self) -> float:
        """The share of ceremonies that went well at the first try."""
        return sum(run.tries == 1 for run in self.good) / len(self.runs)

    @property
    def ratio(self) -> float | None:
        """Median from scan hit to proof stored, in floors; None if either is missing."""
        totals = self.floor.totals()
        if not totals or not self.good:
            return None
        taken = statistics.median(run.times[TOTAL] for run in self.good)
        return taken / statistics.median(totals)

    @property
    def well(self) -> bool:
        """Whether all targets are met: first try, within two tries, and the ratio."""
        all_good = len(self.good) == len(self.runs)
        return all_good and self.first_try >= FIRST_TRY and (self.ratio or 0.0) <= RATIO

    def samples(self) -> dict[str, list[float]]:
        """Seconds of the ceremony's stages and of the floor's, by name."""
        ceremony = {name: [run.times[name] for run in self.good] for name in (TOTAL, *STAGES)}
        if not self.floor.runs:
            return ceremony
        floor = {f"floor {name}": [run[name] for run in self.floor.runs] for name in FLOOR_STAGES}
        return {**ceremony, "floor": self.floor.totals(), **floor}


def p95(samples: Sequence[float]) -> float:
    """The 95th percentile (nearest rank)."""
    return sorted(samples)[max(0, -(-95 * len(samples) // 100) - 1)]


def as_json(conditions: Sequence[Condition], facts: Mapping[str, Any]) -> dict[str, Any]:
    """All that was measured, in seconds."""
    return {
        "laptops": facts,
        "conditions": [
            {
                "name": condition.name,
                "ceremonies": len(condition.runs),
                "first_try": condition.first_try,
                "within_two": len(condition.good) / len(condition.runs),
                "ratio": condition.ratio,
                "well": condition.well,
                "links": [run.links for run in condition.good],
                "seconds": {
                    name: {"n": len(each), "median": statistics.median(each), "p95": p95(each)}
                    for name, each in condition.samples().items()
                    if each
                },
                "failures": [text for run in condition.runs for text in run.failures],
                "floor_failures": condition.floor.failures,
            }
            for condition in conditions
        ],
    }


def as_markdown(conditions: Sequence[Condition], facts: Mapping[str, Any]) -> str:
    """The same for people, in milliseconds."""
    lines = [f"{role}: " + ", ".join(f"{k} {v}" for k, v in facts[role].items()) for role in facts]
    lines += ["", "| condition | n | first try | within two | total | p95 | floor | p95 | ratio |"]
    lines += ["|-|-|-|-|-|-|-|-|-|", *map(_row, conditions), ""]
    lines += ["Where the time goes, median / p95:", ""]
    lines += [f"| condition | {' | '.join(STAGES)} |", f"|-|{'-|' * len(STAGES)}"]
    lines += [_stage_row(c.name, c.samples(), STAGES) for c in conditions]
    floors = [condition for condition in conditions if condition.floor.runs]
    if floors:
        lines += ["", f"| floor | {' | '.join(FLOOR_STAGES)} |", f"|-|{'-|' * len(FLOOR_STAGES)}"]
        names = [f"floor {name}" for name in FLOOR_STAGES]
        lines += [_stage_row(c.name, c.samples(), names) for c in floors]
    for condition in conditions:
        for failure in [text for run in condition.runs for text in run.failures]:
            lines += ["", f"Failed under {condition.name}:", "", *_indented(failure)]
        for failure in condition.floor.failures:
            last = failure.strip().splitlines()[-1]
            lines += ["", f"The floor failed under {condition.name}: {last}"]
    return "\n".join(lines)


def _row(condition: Condition) -> str:
    samples = condition.samples()
    ratio = "" if condition.ratio is None else f"{condition.ratio:.2f}"
    cells = (
        *(condition.name, len(condition.runs), f"{condition.first_try:.1%}"),
        f"{len(condition.good) / len(condition.runs):.1%}",
        *_two(samples[TOTAL]),
        *_two(samples.get("floor", [])),
        ratio + ("" if condition.well else " MISSED"),
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _stage_row(name: str, samples: Mapping[str, list[float]], stages: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(' / '.join(_two(samples[stage])) for stage in stages)} |"


def _two(samples: Sequence[float]) -> tuple[str, str]:
    """Median and p95 in ms."""
    if not samples:
        return "", ""
    return f"{statistics.median(samples) * 1000:.0f}", f"{p95(samples) * 1000:.0f}"


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]
