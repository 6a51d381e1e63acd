"""Where frames come from, and what files and devices that are no such thing are called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearproof.qr.decode import Decoder
from nearproof.qr.errors import CameraError, CameraReason
from nearproof.qr.prefix import is_ours
from nearproof.qr.render import png
from nearproof.qr.source_spec import SourceKind, SourceSpec, parse_source
from nearproof.qr.sources import Lens, Source, open_source, read_picture
from nearproof.qr.store import FRAME_SIZE
from qr.samples import OTHER_TEXT, TEXT, picture, png_claiming, write_png


def texts_in(source: Source) -> list[str]:
    found: list[str] = []
    while (frame := source.read()) is not None:
        grey = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        found += Decoder(is_ours).read(grey).texts
    source.close()
    return found


def reason_for(text: str) -> CameraReason:
    with pytest.raises(CameraError) as refused:
        source = open_source(parse_source(text))
        source.read()
    return refused.value.reason


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("camera", SourceSpec(SourceKind.CAMERA, None)),
        ("camera:2", SourceSpec(SourceKind.CAMERA, Path("/dev/video2"))),
        ("camera:/dev/v4l/by-id/x", SourceSpec(SourceKind.CAMERA, Path("/dev/v4l/by-id/x"))),
        ("/dev/video0", SourceSpec(SourceKind.CAMERA, Path("/dev/video0"))),
        ("image:a b.png", SourceSpec(SourceKind.IMAGE, Path("a b.png"))),
        ("image:a?seed=1", SourceSpec(SourceKind.IMAGE, Path("a?seed=1"))),
        ("video:/x/y.mkv", SourceSpec(SourceKind.VIDEO, Path("/x/y.mkv"))),
        ("frames:dir", SourceSpec(SourceKind.FRAMES, Path("dir"))),
        ("lens:q.png", SourceSpec(SourceKind.LENS, Path("q.png"))),
        ("lens:q.png?seed=7", SourceSpec(SourceKind.LENS, Path("q.png"), 7)),
    ],
)
def test_a_source_is_named_in_words(text: str, spec: SourceSpec) -> None:
    """And writing the parsed spec gives words for the same source."""
    assert parse_source(text) == spec
    assert parse_source(str(spec)) == spec


@pytest.mark.parametrize(
    "text", ["", "camera:", "camera:x", "camera:../x", "image:", "lens:", "lens:?seed=1", "http:x"]
)
def test_words_that_name_no_source_are_refused(text: str) -> None:
    """With a text that says what would do."""
    assert reason_for(text) is CameraReason.BAD_SOURCE


@given(st.text(max_size=40))
def test_any_words_are_a_source_or_bad(text: str) -> None:
    """Parsing raises nothing else, and opens nothing."""
    try:
        parse_source(text)
    except CameraError as error:
        assert error.reason is CameraReason.BAD_SOURCE


def test_an_image_is_one_frame(tmp_path: Path) -> None:
    """Read once, marked as still."""
    path = tmp_path / "q.png"
    write_png(path, TEXT)
    source = open_source(parse_source(f"image:{path}"))
    assert source.still
    assert texts_in(source) == [TEXT]


def test_a_folder_of_frames_is_read_by_name(tmp_path: Path) -> None:
    """Other files are passed over, a broken picture costs one frame."""
    write_png(tmp_path / "2.png", OTHER_TEXT)
    cv2.imwrite(str(tmp_path / "1.jpg"), picture(TEXT))
    (tmp_path / "0.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    source = open_source(parse_source(f"frames:{tmp_path}"))
    assert not source.still
    assert texts_in(source) == [TEXT, OTHER_TEXT]


def test_a_video_is_read_to_its_end(tmp_path: Path) -> None:
    """Three frames in, three codes out."""
    path = tmp_path / "q.avi"
    frame = cv2.cvtColor(picture(scale=10), cv2.COLOR_GRAY2BGR)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, frame.shape[1::-1])
    for _ in range(3):
        writer.write(frame)
    writer.release()
    assert texts_in(open_source(parse_source(f"video:{path}"))) == [TEXT] * 3


def test_the_lens_sees_the_newest_version_of_the_picture(tmp_path: Path) -> None:
    """An empty desk before there is one, then each version, then an empty desk again."""
    path = tmp_path / "q.png"
    lens = Lens(path, seed=3)

    def sees() -> set[str]:
        grey = [cv2.cvtColor(lens.read(), cv2.COLOR_BGR2GRAY) for _ in range(4)]
        return {text for frame in grey for text in Decoder(is_ours).read(frame).texts}

    assert sees() == set()
    path.write_bytes(png(TEXT)[:200])  # half written
    assert sees() == set()
    for text in (TEXT, OTHER_TEXT):
        write_png(path, text)
        assert sees() == {text}
    path.unlink()
    assert sees() == set()


def test_the_lens_repeats_itself_for_a_seed(tmp_path: Path) -> None:
    """However long the picture was waited for."""
    path = tmp_path / "q.png"
    one, two, other = Lens(path, 5), Lens(path, 5), Lens(path, 6)
    for _ in range(3):
        two.read()
    write_png(path, TEXT)
    first = [one.read() for _ in range(3)]
    assert all(np.array_equal(frame, two.read()) for frame in first)
    assert not np.array_equal(first[0], other.read())


@pytest.mark.parametrize("kind", ["image", "video", "frames"])
def test_a_missing_file_is_called_missing(tmp_path: Path, kind: str) -> None:
    """For each kind of source that needs one."""
    assert reason_for(f"{kind}:{tmp_path}/none") is CameraReason.NO_FILE


def test_an_empty_folder_holds_no_frames(tmp_path: Path) -> None:
    """It is said at once, not by an empty scan."""
    assert reason_for(f"frames:{tmp_path}") is CameraReason.NO_FILE


HOSTILE = {
    "empty": b"",
    "text": b"this is not a picture",
    "cut header": png(TEXT)[:20],
    "cut body": b"\x89PNG\r\n\x1a\n" + b"\xff" * 4000,
    "bomb": png_claiming(60_000, 60_000),
    "wider than arithmetic": png_claiming(2**31 - 1, 1),
    "longer than OpenCV remaps": png_claiming(1, 40_000),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_picture_is_unreadable(tmp_path: Path, data: bytes) -> None:
    """Empty, cut, foreign, or claiming more pixels than are decoded."""
    path = tmp_path / "x.png"
    path.write_bytes(data)
    assert reason_for(f"image:{path}") is CameraReason.UNREADABLE


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe without a writer, a device without an end, a folder."""
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(CameraError) as refused:
            read_picture(path)
        assert refused.value.reason is CameraReason.UNREADABLE


def test_a_video_that_is_none_is_unreadable(tmp_path: Path) -> None:
    """Also one that would have the decoder fetch something from the network."""
    path = tmp_path / "x.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    assert reason_for(f"video:{path}") is CameraReason.UNREADABLE
    assert reason_for(f"video:{tmp_path}") is CameraReason.UNREADABLE


def test_a_large_photograph_is_shrunk_to_fit(tmp_path: Path) -> None:
    """36 megapixels of a telephone: the store has room for 16."""
    path = tmp_path / "large.png"
    canvas = np.full((6000, 6000), 128, np.uint8)
    code = picture(scale=30)
    canvas[2000 : 2000 + code.shape[0], 2000 : 2000 + code.shape[1]] = code
    cv2.imwrite(str(path), canvas)
    small = read_picture(path)
    assert small.size <= FRAME_SIZE
    assert Decoder(is_ours).read(small, thorough=True).texts == (TEXT,)


def test_a_bomb_takes_neither_memory_nor_time(tmp_path: Path) -> None:
    """Decoding is refused by the header: the process stays below 400 MB."""
    path = tmp_path / "bomb.png"
    path.write_bytes(HOSTILE["bomb"])
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from nearproof.qr.sources import read_picture\n"
        "from nearproof.qr.errors import CameraError\n"
        "try: read_picture(Path(sys.argv[1]))\n"
        "except CameraError as error: print(error.reason)\n"
        # Not ru_maxrss, which begins with the peak of the process that forked this one.
        "status = Path('/proc/self/status').read_text().split()\n"
        "print(status[status.index('VmHWM:') + 1])\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    reason, peak_kib = done.stdout.split()
    assert reason == CameraReason.UNREADABLE
    assert int(peak_kib) < 400_000
