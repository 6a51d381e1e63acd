"""The laptops' cameras."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rig.pair import Rig

pytestmark = [pytest.mark.rig, pytest.mark.asyncio(loop_scope="module")]

# Reads frames as the product does, and prints the first one's QR code.
READER = """
import cv2, zxingcpp
camera = cv2.VideoCapture(0, cv2.CAP_V4L2)
camera.set(cv2.CAP_PROP_FRAME_WIDTH, 1280)
camera.set(cv2.CAP_PROP_FRAME_HEIGHT, 720)
for _ in range(20):
    ok, frame = camera.read()
    assert ok
    found = zxingcpp.read_barcodes(frame)
    if found:
        print(frame.shape, found[0].text)
        break
"""


def frame_with(text: str) -> cv2.typing.MatLike:
    """A frame with a QR code in its middle."""
    code = cv2.QRCodeEncoder.create().encode(text)
    code = cv2.resize(code, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    frame = np.full((720, 1280, 3), 255, np.uint8)
    height, width = code.shape
    frame[200 : 200 + height, 400 : 400 + width] = code[:, :, np.newaxis]
    return frame


async def test_opencv_sees_what_is_shown(rig: Rig) -> None:
    """Frames put before the camera are read from /dev/video0, and so are later ones."""
    laptop = rig.laptops[1]
    for text in ("first", "second"):
        await laptop.camera.show(frame_with(text))
        seen = await laptop.run("python", "-c", READER)
        assert seen.text == f"(720, 1280, 3) {text}"
    await laptop.camera.cover()
    assert (await laptop.run("python", "-c", READER)).text == ""


async def test_camera_unplugged_and_plugged_in(rig: Rig) -> None:
    """A camera can go and come back."""
    laptop = rig.laptops[1]
    await laptop.camera.unplug()
    assert "video0" not in (await laptop.run("ls", "/dev")).text.split()
    await laptop.camera.plug_in()
    await laptop.camera.show(frame_with("back"))
    assert "back" in (await laptop.run("python", "-c", READER)).text
    await laptop.camera.cover()


async def test_a_frame_of_another_size_is_refused(rig: Rig) -> None:
    """The camera is a 720p one."""
    with pytest.raises(ValueError, match="shape"):
        await rig.laptops[0].camera.show(np.zeros((10, 10, 3), np.uint8))
