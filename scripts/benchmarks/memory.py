"""Resident memory of an OLD that waits out its waiting time."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from figures import Figure

from nearproof.daemon.demo.stage import open_stage


def measure(*, quick: bool) -> list[Figure]:
    """MiB, resident and proportional (shared pages divided among their users)."""
    resident, proportional = asyncio.run(_idle_old())
    return [
        Figure("idle OLD, resident", resident / 1024, "MiB", 1, target=45),
        Figure("  idle OLD, proportional", proportional / 1024, "MiB", 1),
    ]


async def _idle_old() -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_stage(Path(folder), wait=3600, seed=1, watch=lambda _: None) as stage:
            await stage.enrol("old")
            old = await stage.old_copy()
            await old.until("waiting")
            status = Path(f"/proc/{old.pid}/status").read_text()
            rollup = Path(f"/proc/{old.pid}/smaps_rollup").read_text()
            return _kib(status, "VmRSS:"), _kib(rollup, "Pss:")


def _kib(text: str, name: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))
