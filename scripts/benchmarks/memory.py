"""Memory of laptops at rest: an OLD that waits, and a daemon, beside a Python that only waits."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from figures import Figure

from control.running import Daemon, daemon
from control.test_control_daemon import renewed
from nearproof.daemon.demo.stage import Stage, open_stage

BARE = """\
import asyncio, sys
async def main():
    print(flush=True)
    sys.stdin.read()
asyncio.run(main())
"""
Memory = tuple[float, float]  # MiB: resident, and proportional


def measure(*, quick: bool) -> list[Figure]:
    """MiB, resident and proportional (shared pages divided among their users)."""
    old = asyncio.run(_idle_old())
    bare, idle, after = asyncio.run(_idle_daemon())
    figures = []
    for name, memory in (
        ("idle OLD", old),
        ("idle daemon", idle),
        ("idle daemon after a copy", after),
    ):
        for kind, value, floor, target in (
            ("resident", memory[0], bare[0], 45),
            ("proportional", memory[1], bare[1], None),
        ):
            figures.append(
                Figure(
                    f"{name}, {kind}" if target else f"  {name}, {kind}",
                    value,
                    "MiB",
                    1,
                    target=target,
                    floor=floor,
                    floor_name="bare asyncio",
                )
            )
    return figures


async def _idle_old() -> Memory:
    with tempfile.TemporaryDirectory() as folder:
        async with open_stage(Path(folder), wait=3600, seed=1, watch=lambda _: None) as stage:
            await stage.enrol("old")
            old = await stage.old_copy()
            await old.until("waiting")
            return _memory(old.pid)


async def _idle_daemon() -> tuple[Memory, Memory, Memory]:
    """Of a bare Python, a daemon that hears, and the same one after it has played OLD."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = {"XDG_RUNTIME_DIR": name, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={name}/no-bus"}
        with mock.patch.dict(os.environ, alone):
            async with open_stage(folder, wait=0, seed=1, watch=lambda _: None) as stage:
                await stage.enrol("old")
                await stage.done("new", "join", stage.join_line)
                async with daemon(stage.folder / "old", folder) as running:
                    await running.manager.until("STATUS=hearing")
                    idle = _memory(running.process.pid)
                    await renewed(running, await _copy(stage, running))
                    return await _bare(), idle, _memory(running.process.pid)


async def _copy(stage: Stage, running: Daemon) -> int:
    """A whole copy; how much the daemon had told its manager while a client was there."""
    old, new = await stage.old_copy(), await stage.new_copy()
    code = (await new.until("code"))["code"]
    told = len(running.manager.told)
    old.type(code)
    assert (await old.exit_code(), await new.exit_code()) == (0, 0)
    return told


async def _bare() -> Memory:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BARE), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    await process.stdout.readline()
    memory = _memory(process.pid)
    process.stdin.close()
    await process.wait()
    return memory


def _memory(pid: int) -> Memory:
    status = Path(f"/proc/{pid}/status").read_text()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return _kib(status, "VmRSS:") / 1024, _kib(rollup, "Pss:") / 1024


def _kib(text: str, name: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))
