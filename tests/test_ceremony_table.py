"""CEREMONY.md names every step of the source page, and tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CEREMONY.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("|")
][2:]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_step_has_its_row_in_order() -> None:
    """a to c, 1 to 26, z."""
    steps: list[str] = []
    for step, *_ in ROWS:
        first, _, last = step.partition("-")
        if first.isdecimal():
            steps += [str(each) for each in range(int(first), int(last or first) + 1)]
        else:
            steps.append(step)
    assert steps == ["a", "b", "c", *map(str, range(1, 27)), "z"]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_row_names_a_screen_and_a_test(row: list[str]) -> None:
    """A step without a test is a promise."""
    assert all(row) and len(row) == 4
    assert NAMED.search(row[3])


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(TEXT))))
def test_every_test_named_exists(file: str, name: str) -> None:
    """A test that was renamed takes its row along."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, functions)}
