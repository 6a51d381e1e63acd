"""The ceremony on Debian's own kernel, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from nearproof.daemon.console import Console
from nearproof.daemon.demo.audience import Audience
from qemu import ceremony
from rig.errors import RigError
from rig.machine import REPO

# Beyond the boots, the first run fetches the kernel.
pytestmark = [pytest.mark.qemu, pytest.mark.timeout(900)]

WAITING = """
import asyncio
from qemu.ceremony import open_stage

async def main():
    async with open_stage(lambda event: None, lambda line: None) as stage:
        print(stage.folder, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_copy_is_made() -> None:
    """Two laptops on Debian's kernel and BlueZ make a proof that the backend accepts."""
    said: list[str] = []
    stages = await ceremony.play(Audience(Console(role="rig", as_json=True)), said.append)
    assert all(seconds >= 0 for seconds in stages.values())
    kernels = [line for line in said if "Linux" in line]
    assert len(kernels) == 2
    assert all("Debian" in line and "BlueZ" in line for line in kernels)


async def test_guest_that_does_not_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that ends while booting is an error with what it said."""
    broken = tmp_path / "qemu-system-x86_64"
    broken.write_text("#!/bin/sh\necho the memory is on fire\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(RigError, match=r"(?s)ended while booting:.*the memory is on fire"):
        async with ceremony.open_stage(lambda event: None, lambda line: None):
            pass


async def test_nothing_is_left_after_kill() -> None:
    """After kill -9 of the one who started them, guests, laptops and files go too."""
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WAITING),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPO / "tests")},
    )
    assert holder.stdout is not None
    folder = (await holder.stdout.readline()).decode().strip()
    children = children_of(holder.pid)
    assert [name for _, name in children].count("qemu-system-x86") == 2
    ends = [os.pidfd_open(child) for child, _ in children]
    holder.kill()
    await holder.wait()
    await asyncio.gather(*map(readable, ends))
    assert not os.path.exists(folder)  # noqa: ASYNC240  # no disk waits here


def children_of(process: int) -> list[tuple[int, str]]:
    """The ids and names of a process's children."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [(int(each), Path(f"/proc/{each}/comm").read_text().strip()) for each in children]


async def readable(descriptor: int) -> None:
    """Wait until a descriptor is readable, which a pidfd is when its process has ended."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, event.set)
    await event.wait()
    loop.remove_reader(descriptor)
    os.close(descriptor)
