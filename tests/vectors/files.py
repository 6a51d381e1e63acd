"""Where the case files are, and what they look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "crypto" / "vectors"

Case = dict[str, Any]

HEADER = {
    "protocol": "PXP1",
    "specification": "crypto/SPEC.md",
    "format": 1,
    "encoding": "Byte strings are lower-case hex. Times in sessions are microseconds.",
}


def dump(layer: str, cases: list[Case]) -> str:
    """One file: a header, and one case a line, so that a change shows as the lines it changes."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in HEADER.items()]
    lines.append(f"  {json.dumps('layer')}: {json.dumps(layer)},")
    listed = ",\n".join(f"    {json.dumps(case, sort_keys=False)}" for case in cases)
    return "{\n" + "\n".join(lines) + f'\n  "cases": [\n{listed}\n  ]\n}}\n'


def load() -> list[Case]:
    """All cases of all files."""
    found: list[Case] = []
    for path in sorted(FOLDER.glob("*.json")):
        found += json.loads(path.read_text("utf-8"))["cases"]
    return found


def wanted(case: Case) -> Case:
    """What a `judge` must answer."""
    verdict: Case = {name: case[name] for name in ("expect", "refuse") if name in case}
    if case["layer"] == "session":
        verdict["steps"] = [step["then"] for step in case["steps"] if "then" in step]
    return verdict
