"""Which V4L2 cameras there are, and whether one can be had, without OpenCV.

OpenCV says only "not opened"; the three ioctl-level questions here tell absent, forbidden,
busy and "not a camera" apart.  Sources: Linux uapi/linux/videodev2.h, and the kernel's
vb2_ioctl_reqbufs and uvc_acquire_privileges, which refuse a device that streams for others.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nearproof.qr.errors import CameraError, CameraReason

_SYSFS: Final = Path("/sys/class/video4linux")
_QUERYCAP: Final = 0x80685600  # _IOR('V', 0, struct v4l2_capability), 104 bytes
_REQBUFS: Final = 0xC0145608  # _IOWR('V', 8, struct v4l2_requestbuffers), 20 bytes
_CAP_DEVICE_CAPS: Final = 0x80000000
_CAP_CAPTURE: Final = 0x00000001 | 0x00001000  # single- and multi-planar
_BUF_TYPE_CAPTURE: Final = 1
_MEMORY_MMAP: Final = 1

_REASONS: Final = {
    errno.ENOENT: CameraReason.NO_CAMERA,
    errno.ENXIO: CameraReason.NO_CAMERA,
    errno.ENOTTY: CameraReason.NO_CAMERA,  # not a V4L2 device at all
    errno.ENOTDIR: CameraReason.NO_CAMERA,
    errno.EACCES: CameraReason.PERMISSION,
    errno.EPERM: CameraReason.PERMISSION,
    errno.EBUSY: CameraReason.BUSY,
    errno.ENODEV: CameraReason.GONE,
    errno.EIO: CameraReason.GONE,
}


@dataclass(frozen=True, slots=True)
class Device:
    """One video node of this machine."""

    path: Path
    name: str  # as the driver calls it, "Integrated Camera: Integrated C"


def devices(sysfs: Path = _SYSFS) -> list[Device]:
    """Every video node, in the order of their numbers; also those that are no cameras."""
    nodes = sorted(sysfs.glob("video*"), key=lambda node: (len(node.name), node.name))
    return [Device(Path("/dev", node.name), _name(node)) for node in nodes]


def first_camera(sysfs: Path = _SYSFS) -> Device:
    """The first node that captures and can be had; else the best reason why none can.

    Raises CameraError: BUSY or PERMISSION if a camera is there, NO_CAMERA otherwise.
    """
    best = CameraError(CameraReason.NO_CAMERA, "this machine shows no camera")
    for device in devices(sysfs):
        try:
            check(device.path)
        except CameraError as refusal:
            if refusal.reason in (CameraReason.BUSY, CameraReason.PERMISSION):
                best = refusal
        else:
            return device
    raise best


def check(path: Path) -> None:
    """Open the camera, ask whether it captures and is free, and close it again.

    Raises CameraError: NO_CAMERA, PERMISSION, BUSY or GONE.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not _capabilities(fd) & _CAP_CAPTURE:
                raise CameraError(CameraReason.NO_CAMERA, f"{path}: no camera")
            # Zero buffers change nothing; a queue that belongs to somebody else says EBUSY.
            fcntl.ioctl(fd, _REQBUFS, struct.pack("5I", 0, _BUF_TYPE_CAPTURE, _MEMORY_MMAP, 0, 0))
        finally:
            os.close(fd)
    except OSError as error:
        raise refusal_of(error, path) from None


def refusal_of(error: OSError, path: Path) -> CameraError:
    """What the kernel's answer means for a camera."""
    reason = _REASONS.get(error.errno or 0, CameraReason.GONE)
    return CameraError(reason, f"{path}: {os.strerror(error.errno or 0)}")


def _capabilities(fd: int) -> int:
    answer = fcntl.ioctl(fd, _QUERYCAP, bytes(104))
    whole, this_node = struct.unpack_from("II", answer, 84)
    return int(this_node if whole & _CAP_DEVICE_CAPS else whole)


def _name(node: Path) -> str:
    try:
        return (node / "name").read_text(errors="replace").strip()
    except OSError:
        return node.name
