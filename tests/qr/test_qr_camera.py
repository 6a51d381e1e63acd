"""The V4L2 camera: how it is set up, and what each way of failing is called."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np
import pytest
from cv2.typing import MatLike

from nearproof.qr.camera import Camera
from nearproof.qr.devices import check, devices, first_camera, refusal_of
from nearproof.qr.errors import CameraError, CameraReason

NODE = Path("/dev/video0")
WARM_UP = 4


class FakeCapture:
    """Stands for cv2.VideoCapture and the hardware behind it."""

    def __init__(self, frames: Iterator[MatLike | None], *, opens: bool = True) -> None:
        self.log: list[str | tuple[int, float]] = []
        self._frames = frames
        self._opens = opens

    def isOpened(self) -> bool:
        return self._opens

    def set(self, prop: int, value: float, /) -> bool:
        self.log.append((prop, value))
        return True

    def get(self, prop: int, /) -> float:
        return dict(entry for entry in self.log if not isinstance(entry, str))[prop]

    def read(self) -> tuple[bool, MatLike | None]:
        self.log.append("read")
        frame = next(self._frames)
        return frame is not None, frame

    def release(self) -> None:
        self.log.append("release")


def noise(count: int) -> list[MatLike]:
    """Frames no two of which are equal, as a sensor delivers them."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (72, 128, 3), dtype=np.uint8) for _ in range(count)]


def camera(
    *frames: MatLike | None, checker: Callable[[Path], None] = lambda path: None
) -> tuple[Camera, FakeCapture]:
    """A camera that warms up, then delivers `frames`, then nothing any more."""
    capture = FakeCapture(chain(noise(WARM_UP), frames, repeat(None)))
    return Camera(NODE, lambda path: capture, checker), capture


def test_everything_is_asked_for_before_the_first_read() -> None:
    """MJPG, size, rate and a queue of one; drivers ignore what comes later."""
    opened, capture = camera()
    settings = capture.log[: capture.log.index("read")]
    assert settings == [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 30),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ]
    assert opened.mode == "1280x720 MJPG 30/s"


def test_the_first_frames_are_dropped() -> None:
    """They are over- or underexposed, or garbage."""
    frame = noise(9)[-1]
    opened, _ = camera(frame)
    assert np.array_equal(opened.read(), frame)


def test_a_bad_frame_or_two_are_passed_over() -> None:
    """A torn USB packet is no unplugged camera."""
    good = noise(3)
    opened, _ = camera(good[0], None, None, good[1], None, good[2])
    assert [opened.read() is not None for _ in range(3)] == [True] * 3


def test_a_camera_that_stops_delivering_is_gone() -> None:
    """Three bad frames; the device is released before it is said."""
    opened, capture = camera(*noise(2))
    opened.read(), opened.read()
    with pytest.raises(CameraError) as failure:
        opened.read()
    assert failure.value.reason is CameraReason.GONE
    assert capture.log[-1] == "release"


def test_a_camera_that_repeats_its_last_frame_is_gone() -> None:
    """After an unplug OpenCV may go on saying that all is well."""
    frame = noise(1)[0]
    opened, _ = camera(frame, *repeat(frame, 3))
    opened.read()
    with pytest.raises(CameraError) as failure:
        opened.read()
    assert failure.value.reason is CameraReason.GONE


def test_the_kernel_is_asked_why_a_camera_went() -> None:
    """Its answer is better than a guess."""
    answers = iter([None, CameraError(CameraReason.PERMISSION)])

    def checker(path: Path) -> None:
        if (answer := next(answers)) is not None:
            raise answer

    opened, _ = camera(checker=checker)
    with pytest.raises(CameraError) as failure:
        opened.read()
    assert failure.value.reason is CameraReason.PERMISSION


def test_a_camera_that_does_not_open_is_busy() -> None:
    """The check found it free a moment ago: somebody was faster."""
    capture = FakeCapture(iter(()), opens=False)
    with pytest.raises(CameraError) as failure:
        Camera(NODE, lambda path: capture, lambda path: None)
    assert failure.value.reason is CameraReason.BUSY


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOENT, CameraReason.NO_CAMERA),
        (errno.ENOTTY, CameraReason.NO_CAMERA),
        (errno.EACCES, CameraReason.PERMISSION),
        (errno.EBUSY, CameraReason.BUSY),
        (errno.ENODEV, CameraReason.GONE),
        (errno.EPIPE, CameraReason.GONE),
    ],
)
def test_each_answer_of_the_kernel_has_its_reason(number: int, reason: CameraReason) -> None:
    """So that the user is told what to do."""
    assert refusal_of(OSError(number, ""), NODE).reason is reason


@pytest.mark.parametrize("path", ["/dev/none", "/dev/null", "/dev/null/video0", __file__])
def test_what_is_no_camera_is_called_so(path: str) -> None:
    """Absent, another device, a file."""
    with pytest.raises(CameraError) as refused:
        check(Path(path))
    assert refused.value.reason is CameraReason.NO_CAMERA


def test_video_nodes_are_listed_by_number_and_name(tmp_path: Path) -> None:
    """As sysfs has them; video10 comes after video2."""
    for node, name in (("video10", "Dock"), ("video2", "Integrated Camera\n")):
        (tmp_path / node).mkdir()
        (tmp_path / node / "name").write_text(name)
    (tmp_path / "video3").mkdir()
    listed = [(str(device.path), device.name) for device in devices(tmp_path)]
    assert listed == [
        ("/dev/video2", "Integrated Camera"),
        ("/dev/video3", "video3"),
        ("/dev/video10", "Dock"),
    ]


def test_a_machine_without_a_camera_says_so(tmp_path: Path) -> None:
    """Also when sysfs has no such folder."""
    with pytest.raises(CameraError) as refused:
        first_camera(tmp_path / "none")
    assert refused.value.reason is CameraReason.NO_CAMERA
