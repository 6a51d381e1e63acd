"""What hostile pictures and dying processes cost: a frame, and nothing of the daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

import cv2
import numpy as np
import pytest

from nearproof.qr import scanner as scanner_module
from nearproof.qr.advice import AdviceReason
from nearproof.qr.channel import Asker
from nearproof.qr.errors import CameraError, CameraReason
from nearproof.qr.render import png
from nearproof.qr.scanner import Preview, ScanAdvice, ScanItem, Scanner
from qr.samples import TEXT, png_claiming, write_png
from qr.scans import advice, has_ended, scan, texts


async def test_the_confined_processes_write_no_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file cut short by their limits would break the environment for every later start."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "cache"))
    path = tmp_path / "qr.png"
    write_png(path, TEXT)
    assert texts(await scan(f"image:{path}")) == [TEXT]
    assert not (tmp_path / "cache").exists()


async def first_preview(scanner: Scanner) -> None:
    """Returns when frames flow."""
    async for item in scanner:
        if isinstance(item, Preview):
            return


async def rest_of(scanner: Scanner, path: Path) -> list[ScanItem]:
    """The items from the decoder's restart on; the QR appears only then."""
    items: list[ScanItem] = []
    async for item in scanner:
        if items or isinstance(item, ScanAdvice):
            items.append(item)
        if len(items) == 1:
            write_png(path, TEXT)
    return [item for item in items if not isinstance(item, Preview)]


@pytest.mark.parametrize("blow", [signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP])
async def test_a_decoder_that_crashes_or_hangs_costs_a_frame(
    tmp_path: Path, blow: signal.Signals
) -> None:
    """It is replaced, which is said; the QR that is shown then is read."""
    path = tmp_path / "qr.png"
    async with Scanner(f"lens:{path}", preview=True, frame_timeout=0.5) as scanner:
        await first_preview(scanner)
        struck, capture = scanner.decoder.pid, scanner.capture.pid
        assert struck is not None
        os.kill(struck, blow)
        items = await rest_of(scanner, path)
        assert advice(items)[0] is AdviceReason.WORKER_RESTARTED
        assert texts(items) == [TEXT]
        assert scanner.capture.pid == capture, "the camera stayed open"
        await has_ended(struck)


async def test_a_decoder_may_die_again_and_again(tmp_path: Path) -> None:
    """As before a poster that crashes it: the scan goes on between the crashes."""
    path = tmp_path / "qr.png"
    async with Scanner(f"lens:{path}", preview=True) as scanner:
        for _ in range(3):
            await first_preview(scanner)
            os.kill(scanner.decoder.pid or 0, signal.SIGSEGV)
            async for item in scanner:
                if item == ScanAdvice(AdviceReason.WORKER_RESTARTED):
                    break
        write_png(path, TEXT)
        assert texts([item async for item in scanner]) == [TEXT]


async def test_a_capturing_process_that_dies_fails_the_scan_of_a_file(tmp_path: Path) -> None:
    """A picture that crashes its reader would do so again."""
    async with Scanner(f"lens:{tmp_path}/qr.png", preview=True) as scanner:
        await first_preview(scanner)
        os.kill(scanner.capture.pid or 0, signal.SIGSEGV)
        with pytest.raises(CameraError) as failure:
            async for _ in scanner:
                pass
    assert failure.value.reason is CameraReason.UNREADABLE


async def test_a_decoder_that_does_not_start_fails_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken installation is said in the words of the loader, not retried for ever."""
    monkeypatch.setattr(
        scanner_module, "Asker", lambda module: Asker(module.replace("decode", "missing"))
    )
    with pytest.raises(CameraError) as failure:
        await scan(f"lens:{tmp_path}/qr.png")
    assert failure.value.reason is CameraReason.NO_DECODER
    assert "No module named nearproof.qr.missing_child" in failure.value.detail


async def test_a_decoder_without_its_libraries_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libseccomp2 or libzbar0 missing: the scan goes on, weaker, and nobody is left to guess."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    monkeypatch.setattr(
        scanner_module,
        "Asker",
        lambda module: Asker(module.replace("nearproof.qr.decode_child", "qr.stub_decoder")),
    )
    for number in range(3):
        write_png(tmp_path / f"{number}.png", TEXT)
    items = await scan(f"frames:{tmp_path}")
    assert advice(items) == [
        AdviceReason.UNCONFINED,
        AdviceReason.NO_ZBAR,
        *[AdviceReason.WORKER_RESTARTED] * 3,
    ]


@pytest.fixture
def busy_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """The capturing process is one whose camera is busy at first; see `stub_camera`."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    monkeypatch.setattr(scanner_module, "RETRY", 0.01)
    monkeypatch.setattr(
        scanner_module,
        "Asker",
        lambda module: Asker(module.replace("nearproof.qr.capture_child", "qr.stub_camera")),
    )


@pytest.mark.usefixtures("busy_camera")
async def test_a_busy_camera_is_waited_for() -> None:
    """Each new hindrance is said once; when it is free the scan goes on."""
    items = await scan("camera")
    assert advice(items) == [AdviceReason.BUSY, AdviceReason.PERMISSION]


@pytest.mark.usefixtures("busy_camera")
async def test_a_busy_camera_is_not_waited_for_without_patience() -> None:
    """The scan fails at the first refusal."""
    with pytest.raises(CameraError) as failure:
        await scan("camera", patience=0.0)
    assert failure.value.reason is CameraReason.BUSY


@pytest.mark.skipif(find_library("seccomp") is None, reason="libseccomp2 is not installed")
async def test_the_decoder_is_confined_while_it_looks_at_frames(tmp_path: Path) -> None:
    """By the kernel's word: filter mode, no new privileges, and frames for reading only."""
    async with Scanner(f"lens:{tmp_path}/qr.png", preview=True) as scanner:
        items = []
        async for item in scanner:
            items.append(item)
            if len(items) > 5:
                break
        assert advice(items) == []
        assert {"Seccomp:\t2", "NoNewPrivs:\t1"} <= status_of(scanner.decoder.pid)
        assert modes_of_frames(scanner.decoder.pid) == {os.O_RDONLY}
        assert modes_of_frames(scanner.capture.pid) == {os.O_RDWR}


def status_of(pid: int | None) -> set[str]:
    """The lines of the process's status."""
    return set(Path(f"/proc/{pid}/status").read_text().splitlines())


def modes_of_frames(pid: int | None) -> set[int]:
    """How the process may use the memory of the frames through its descriptors."""
    modes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        if "nearproof-frames" in os.readlink(fd):
            flags = Path(f"/proc/{pid}/fdinfo/{fd.name}").read_text().split("flags:")[1]
            modes.add(int(flags.split()[0], 8) & os.O_ACCMODE)
    return modes


def noise_png() -> bytes:
    """A large picture in which everything looks like something."""
    pixels = np.random.default_rng(0).integers(0, 2, (3000, 4000), dtype=np.uint8) * 255
    return cv2.imencode(".png", pixels)[1].tobytes()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "cut": lambda: png(TEXT)[:300],
    "bomb of 900 megapixels": lambda: png_claiming(30_000, 30_000),
    "64 million pixels in a row": lambda: png_claiming(64_000_000, 1),
    "random bytes": lambda: np.random.default_rng(0).bytes(100_000),
    "random bytes called PNG": lambda: b"\x89PNG\r\n\x1a\n" + np.random.default_rng(0).bytes(9999),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_picture_is_refused_in_bounded_time(
    tmp_path: Path, make: Callable[[], bytes]
) -> None:
    """As unreadable; and the next honest attempt works."""
    path = tmp_path / "x.png"
    path.write_bytes(make())
    async with asyncio.timeout(20):
        with pytest.raises(CameraError) as failure:
            await scan(f"image:{path}")
    assert failure.value.reason is CameraReason.UNREADABLE
    write_png(path, TEXT)
    assert texts(await scan(f"image:{path}")) == [TEXT]


async def test_a_picture_of_twelve_megapixels_of_noise_is_survived(tmp_path: Path) -> None:
    """zbar finds thousands of edges in it: read as nothing, or given up, within its time."""
    path = tmp_path / "noise.png"
    path.write_bytes(noise_png())
    began = time.monotonic()
    items = await scan(f"image:{path}")
    assert texts(items) == []
    assert time.monotonic() - began < 60


async def test_a_scan_leaves_no_descriptor_and_no_process_behind(tmp_path: Path) -> None:
    """However it ended: by a sighting, by a failure, by leaving in the middle."""
    write_png(tmp_path / "qr.png", TEXT)

    def held() -> int:
        return len(os.listdir("/proc/self/fd"))

    await scan(f"image:{tmp_path}/qr.png")
    before = held()
    await scan(f"image:{tmp_path}/qr.png")
    with pytest.raises(CameraError):
        await scan("image:/none.png")
    async with Scanner(f"lens:{tmp_path}/none.png", preview=True) as scanner:
        pids = scanner.capture.pid, scanner.decoder.pid
        await first_preview(scanner)
    assert held() == before
    for pid in pids:
        await has_ended(pid)


async def test_a_cancelled_scan_ends_its_processes(tmp_path: Path) -> None:
    """The daemon's user presses Ctrl-C."""
    pids: list[int | None] = []
    frames_flow = asyncio.Event()

    async def scan_for_ever() -> None:
        async with Scanner(f"lens:{tmp_path}/none.png", preview=True) as scanner:
            pids.extend((scanner.capture.pid, scanner.decoder.pid))
            async for _ in scanner:
                frames_flow.set()

    task = asyncio.create_task(scan_for_ever())
    await frames_flow.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for pid in pids:
        await has_ended(pid)
