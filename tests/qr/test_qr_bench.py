"""The decoder's figures, on a small part of the set of scripts/benchmarks/photographs.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmarks" / "photographs.py"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("photographs", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "photographs", module)
    spec.loader.exec_module(module)
    return module


def test_the_decoder_reads_at_least_what_zxing_and_then_pyzbar_read(bench: ModuleType) -> None:
    """And at most 20 ms of an empty frame; the whole set is 500 frames or more."""
    figures = bench.run(frames=2, seed=11)
    ours, plain = (figures["decoders"][name] for name in ("nearproof", "zxing-cpp, then pyzbar"))
    assert ours["coverage"] >= plain["coverage"] > 0.9
    assert ours["false_texts"] == 0
    assert ours["empty_ms"] <= 20
    assert figures["conditions"] >= 25
    assert figures["conditions"] * 16 >= 500
    assert "coverage" in bench.table(figures)
