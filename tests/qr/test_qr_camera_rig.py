"""The camera on a real kernel: scans of /dev/video0 in a virtual laptop."""

from __future__ import annotations

from asyncio import StreamReader

import numpy as np
import pytest

from nearproof.qr.lens import Shot, handheld, photograph
from qr.samples import TEXT, picture
from rig.laptop import Laptop
from rig.pair import Rig

pytestmark = [pytest.mark.rig, pytest.mark.asyncio(loop_scope="session")]

# Prints a word for each item; of the previews only the first, which says that frames come.
SCAN = """
import asyncio
from nearproof.qr.scanner import Preview, ScanAdvice, Scanner

async def main():
    frames = False
    async with Scanner("/dev/video0", preview=True, patience=60.0) as scanner:
        async for item in scanner:
            if isinstance(item, Preview):
                frames or print("frames", flush=True)
                frames = True
            else:
                print(item.reason if isinstance(item, ScanAdvice) else item.text, flush=True)

asyncio.run(main())
"""
STREAM = ("v4l2-ctl", "-d", "/dev/video0", "--stream-mmap=3", "--stream-to=/dev/null")


async def show_qr(laptop: Laptop) -> None:
    rng = np.random.default_rng(1)
    await laptop.camera.show(photograph(picture(), handheld(rng), rng))


async def word(output: StreamReader) -> str:
    return (await output.readline()).decode().strip()


async def test_a_qr_before_the_camera_is_sighted(rig: Rig) -> None:
    """Through V4L2, both processes and the filter of a kernel that is not this one."""
    laptop = rig.laptops[0]
    await show_qr(laptop)
    done = await laptop.run("python", "-c", SCAN)
    assert done.text.split() == ["frames", TEXT]
    await laptop.camera.cover()


async def test_a_camera_in_use_is_waited_for(rig: Rig) -> None:
    """Another program streams from it: busy is said, and when it ends the scan goes on."""
    laptop = rig.laptops[0]
    await show_qr(laptop)
    async with laptop.spawn(*STREAM) as other:
        await other.stderr.read(1)  # a mark for every frame
        scan = laptop.spawn("python", "-c", SCAN)
        assert await word(scan.stdout) == "busy"
    assert await word(scan.stdout) == "frames"
    assert await word(scan.stdout) == TEXT
    assert await scan.wait() == 0
    await laptop.camera.cover()


async def test_a_camera_that_is_pulled_out_may_come_back(rig: Rig) -> None:
    """In the middle of a scan: its going is said, and the QR is read after its return."""
    laptop = rig.laptops[0]
    rng = np.random.default_rng(2)
    await laptop.camera.show(photograph(None, Shot(), rng))
    scan = laptop.spawn("python", "-c", SCAN)
    assert await word(scan.stdout) == "frames"
    await laptop.camera.unplug()
    assert await word(scan.stdout) in ("gone", "no_camera")
    await laptop.camera.plug_in()
    await show_qr(laptop)
    words = [await word(scan.stdout)]
    while words[-1] not in (TEXT, ""):
        words.append(await word(scan.stdout))
    assert words[-1] == TEXT
    assert await scan.wait() == 0
    await laptop.camera.cover()
