"""The decoder on photographs of one seed, beside plain zxing-cpp-then-pyzbar in the same run."""

from __future__ import annotations

import sys

from figures import Figure
from photographs import run, table


def measure(*, quick: bool) -> list[Figure]:
    """Coverage in per cent, processor milliseconds for a frame without a code."""
    figures = run(frames=4 if quick else 16)
    print(table(figures), file=sys.stderr)
    ours, plain = (figures["decoders"][name] for name in ("nearproof", "zxing-cpp, then pyzbar"))
    frames, peer = figures["frames"], "zxing, then pyzbar"
    coverage, baseline = 100 * ours["coverage"], 100 * plain["coverage"]
    return [
        Figure(
            "decoder: frames read",
            coverage,
            "%",
            frames,
            target=baseline,
            floor=baseline,
            floor_name=peer,
            at_least=True,
        ),
        Figure(
            "decoder: an empty 720p frame",
            ours["empty_ms"],
            "ms",
            frames,
            target=20,
            floor=plain["empty_ms"],
            floor_name=peer,
        ),
    ]
