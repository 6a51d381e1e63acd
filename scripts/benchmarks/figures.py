"""One measured figure, and how figures are shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`value` in `unit`, over `runs` runs; `floor` is the peer measured in the same run."""

    name: str
    value: float
    unit: str
    runs: int
    target: float | None = None
    floor: float | None = None
    floor_name: str = ""
    p95: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def p95(samples: Sequence[float]) -> float:
    """The 95th percentile (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


def p99(samples: Sequence[float]) -> float:
    """The 99th percentile (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, -(-99 * len(ordered) // 100) - 1)]


def of(name: str, samples: Sequence[float], unit: str, **more: float | str | None) -> Figure:
    """The median of samples."""
    return Figure(
        name,
        statistics.median(samples),
        unit,
        len(samples),
        p95=p95(samples),
        **more,  # type: ignore[arg-type]
    )


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table."""
    rows = [("figure", "median", "p95", "target", "floor", "ratio", "runs", "")]
    for figure in figures:
        sign = ">=" if figure.at_least else "<="
        rows.append(
            (
                figure.name,
                f"{figure.value:.3g} {figure.unit}",
                "" if figure.p95 is None else f"{figure.p95:.3g}",
                "" if figure.target is None else f"{sign} {figure.target:g}",
                "" if figure.floor is None else f"{figure.floor:.3g} ({figure.floor_name})",
                "" if not figure.floor else f"{figure.value / figure.floor:.2f}",
                str(figure.runs),
                {True: "met", False: "MISSED", None: ""}[figure.met],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
