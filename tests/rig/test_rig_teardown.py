"""Whatever ends a rig, nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from rig.errors import GuestError, RigError
from rig.keeper import members
from rig.machine import REPO
from rig.pair import open_rig

pytestmark = [pytest.mark.rig, pytest.mark.usefixtures("rig_possible")]

SCRIPT = REPO / "scripts" / "rig"

# A rig that tells its directory and its processes, then waits for ever.
WAITING = """
import asyncio, json, os
from rig.pair import open_rig

async def main():
    async with open_rig() as rig:
        groups = [laptop.machine.group for laptop in rig.laptops]
        print(json.dumps({"root": str(rig.root), "groups": groups}), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def mounts() -> str:
    """What is mounted on this machine."""
    return Path("/proc/self/mounts").read_text()


async def test_orderly_end() -> None:
    """After the context no process, file or mount is left."""
    before = mounts()
    async with open_rig(None) as rig:
        groups = {laptop.machine.group for laptop in rig.laptops}
        assert set(members(groups)) >= groups
        assert rig.root.exists()
        shell = rig.laptops[0].shell
    assert not members(groups)
    assert not rig.root.exists()
    assert mounts() == before
    with pytest.raises(GuestError, match="went away"):
        await shell.run("true")


async def test_failure_inside() -> None:
    """An exception passes through, and nothing is left either."""
    with pytest.raises(ZeroDivisionError):
        async with open_rig(None) as rig:
            raise ZeroDivisionError
    assert not rig.root.exists()


async def test_killed_rig() -> None:
    """After kill -9 of the rig itself its laptops and files go, without a stub left spinning."""
    rig = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WAITING),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPO / "tests")},
    )
    assert rig.stdout is not None
    about = json.loads(await rig.stdout.readline())
    pidfd = os.pidfd_open(keeper_of(rig.pid))
    rig.kill()
    await rig.wait()
    await readable(pidfd)
    assert not members(set(about["groups"]))
    assert not os.path.exists(about["root"])  # noqa: ASYNC240  # no disk waits here


def keeper_of(rig: int) -> int:
    """The process id of a rig's keeper."""
    children = Path(f"/proc/{rig}/task/{rig}/children").read_text().split()
    return next(int(c) for c in children if b"keeper" in Path(f"/proc/{c}/cmdline").read_bytes())


async def readable(descriptor: int) -> None:
    """Wait until a descriptor is readable, which a pidfd is when its process has ended."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, event.set)
    await event.wait()
    loop.remove_reader(descriptor)
    os.close(descriptor)


async def test_kernel_that_does_not_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that ends while booting is an error with what it said."""
    broken = tmp_path / "linux"
    broken.write_text("#!/bin/sh\necho the memory is on fire\n")
    broken.chmod(0o755)
    monkeypatch.setattr("rig.kernel.cached", lambda: broken)
    with pytest.raises(RigError, match=r"(?s)ended while booting:.*the memory is on fire"):
        async with open_rig(None):
            pass


async def test_missing_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kernel the rig says how to build it."""
    monkeypatch.setattr("rig.kernel.cached", lambda: None)
    with pytest.raises(RigError, match="scripts/rig build"):
        async with open_rig(None):
            pass


async def test_script_runs_in_the_rig_that_is_up() -> None:
    """`up` serves `run` until it is interrupted; input, output and exit code pass through."""
    up = await asyncio.create_subprocess_exec(
        *(str(SCRIPT), "up", "--no-attach"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert up.stdout is not None
    assert (await up.stdout.readline()).startswith(b"ready")
    script = "echo $(hostname) $(cat); exit 5"
    run = await asyncio.create_subprocess_exec(
        *(str(SCRIPT), "run", "-2", "sh", "-c", script),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await run.communicate(b"hello")
    assert (run.returncode, output) == (5, b"laptop2 hello\n")
    up.send_signal(signal.SIGINT)
    assert await up.wait() == 0
