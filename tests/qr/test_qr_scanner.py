"""A scan as the daemon sees it: sightings, advice and failures, with real processes behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp

from nearproof.qr.advice import AdviceReason
from nearproof.qr.errors import CameraError, CameraReason
from nearproof.qr.lens import Shot
from nearproof.qr.scanner import Preview, ScanAdvice, ScanItem, Scanner, Sighting
from qr.samples import OTHER_TEXT, TEXT, photo, picture, read_png, write_png
from qr.scans import advice, has_ended, scan, texts

JOIN = "NEARPROOF-JOIN HTTPS://ID.EXAMPLE"


def framed(text: str) -> cv2.typing.MatLike:
    """Any text as a QR on white."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCodeModel2)
    modules = np.array(code.to_image(scale=8), dtype=np.uint8)
    return cv2.copyMakeBorder(modules, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(255,))


async def test_a_qr_that_appears_before_the_lens_is_sighted(tmp_path: Path) -> None:
    """The scan runs first, the QR comes later; the iteration ends by itself."""
    path = tmp_path / "qr.png"
    items: list[ScanItem] = []
    async with Scanner(f"lens:{path}?seed=1", preview=True, photo=True) as scanner:
        async for item in scanner:
            items.append(item)
            if not path.exists():
                write_png(path, TEXT)
    assert texts(items) == [TEXT]
    sighting = items[-1]
    previews = [item for item in items if isinstance(item, Preview)]
    assert isinstance(sighting, Sighting) and sighting.frame_no == len(previews) >= 2
    assert 0 < sighting.decode_ms < 2000
    assert all(len(one.grey) == one.width * one.height == 96 * 54 for one in previews)
    assert sighting.photo is not None
    assert read_png(sighting.photo).shape == (360, 640)


async def test_the_camera_is_released_before_the_sighting_is_delivered(tmp_path: Path) -> None:
    """Its light goes out at once, however long the daemon keeps the scanner open."""
    write_png(tmp_path / "qr.png", TEXT)
    async with Scanner(f"lens:{tmp_path}/qr.png") as scanner:
        pid = scanner.capture.pid
        assert [isinstance(item, Sighting) async for item in scanner] == [True]
        await has_ended(pid)


async def test_neither_text_nor_pictures_show_in_a_repr(tmp_path: Path) -> None:
    """Items get logged; who reads the QR can form m1."""
    write_png(tmp_path / "qr.png", TEXT)
    items = await scan(f"image:{tmp_path}/qr.png", preview=True, photo=True)
    assert texts(items) == [TEXT]
    for item in items:
        assert TEXT[10:20] not in repr(item)
        assert "\\x" not in repr(item)


async def test_other_texts_of_ours_are_reported_once_and_the_scan_goes_on(tmp_path: Path) -> None:
    """The daemon says what it was shown; the right QR may still come, and ends the scan."""
    shown = [framed(JOIN), framed(JOIN), picture(TEXT), picture(OTHER_TEXT)]
    for number, frame in enumerate(shown):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame)
    assert texts(await scan(f"frames:{tmp_path}")) == [JOIN, TEXT]


async def test_the_confined_decoder_still_reads_by_zbar(tmp_path: Path) -> None:
    """zbar opens tables lazily: all of it was rehearsed before the filter was set."""
    cv2.imwrite(str(tmp_path / "gaps.png"), photo(Shot(row_gap=0.25)))
    assert texts(await scan(f"image:{tmp_path}/gaps.png")) == [TEXT]


async def test_a_foreign_qr_is_advice_and_no_sighting(tmp_path: Path) -> None:
    """Its text goes nowhere."""
    cv2.imwrite(str(tmp_path / "q.png"), framed("https://example.org"))
    assert await scan(f"image:{tmp_path}/q.png") == [ScanAdvice(AdviceReason.FOREIGN)]


async def test_a_picture_without_a_qr_ends_the_scan_without_one(tmp_path: Path) -> None:
    """No sighting and no failure: the caller knows what it asked for."""
    cv2.imwrite(str(tmp_path / "desk.png"), photo(Shot(), text=None))
    assert await scan(f"image:{tmp_path}/desk.png") == []


@pytest.mark.parametrize(
    ("shot", "reason"),
    [
        (Shot(exposure=0.04), AdviceReason.DARK),
        (Shot(blur=6, width=300), AdviceReason.BLURRED),
        (Shot(width=50, noise=30), AdviceReason.TOO_SMALL),
    ],
)
async def test_bad_frames_that_keep_coming_lead_to_advice(
    tmp_path: Path, shot: Shot, reason: AdviceReason
) -> None:
    """One piece of it, when it has held for a while."""
    bad = tmp_path / "bad"
    cv2.imwrite(str(bad.with_suffix(".png")), photo(shot))
    (tmp_path / "frames").mkdir()
    for number in range(3000):  # far more than are seen before the advice comes
        (tmp_path / "frames" / f"{number:04}.png").symlink_to("../bad.png")
    async with Scanner(f"frames:{tmp_path}/frames") as scanner:
        async for item in scanner:
            assert item == ScanAdvice(reason)
            break


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("image:/none.png", CameraReason.NO_FILE),
        ("video:/none.mkv", CameraReason.NO_FILE),
        ("frames:/none", CameraReason.NO_FILE),
        (f"image:{__file__}", CameraReason.UNREADABLE),
    ],
)
async def test_a_file_that_cannot_be_read_fails_the_scan(source: str, reason: CameraReason) -> None:
    """Without waiting: a file does not come back by itself."""
    with pytest.raises(CameraError) as failure:
        await scan(source)
    assert failure.value.reason is reason


def test_words_that_name_no_source_fail_before_anything_is_started() -> None:
    """So that a typing error costs nothing."""
    with pytest.raises(CameraError) as failure:
        Scanner("cemera:0")
    assert failure.value.reason is CameraReason.BAD_SOURCE


async def test_a_missing_camera_is_advice_first_and_then_a_failure() -> None:
    """It may be plugged in within the patience; after that the scan fails."""
    items: list[ScanItem] = []
    with pytest.raises(CameraError) as failure:
        async with Scanner("/dev/video-none", patience=0.1) as scanner:
            async for item in scanner:
                items.append(item)
    assert advice(items) == [AdviceReason.NO_CAMERA]
    assert failure.value.reason is CameraReason.NO_CAMERA


async def test_a_scanner_may_be_left_before_it_is_asked_for_anything(tmp_path: Path) -> None:
    """It was only warmed up; both processes end."""
    async with Scanner(f"lens:{tmp_path}/qr.png") as scanner:
        pids = scanner.capture.pid, scanner.decoder.pid
    for pid in pids:
        await has_ended(pid)
    assert [item async for item in scanner] == []


def test_the_daemon_loads_no_decoder_and_no_camera_library() -> None:
    """Neither their memory nor their bugs: they live in the two other processes."""
    program = (
        "import sys\n"
        "import nearproof.qr.scanner, nearproof.qr.window, nearproof.qr.preview\n"
        "import nearproof.qr.devices, nearproof.qr.render\n"
        "print(sorted({'cv2', 'numpy', 'zxingcpp', 'pyzbar', 'PIL'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\n"
