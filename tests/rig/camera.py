"""A laptop's camera, /dev/video0: it sees the frames that are put before it."""

from __future__ import annotations

from pathlib import Path

from cv2.typing import MatLike

from rig.shell import GuestProcess, Shell

CAPTURE, OUTPUT = "/dev/video0", "/dev/video1"
SIZE = "width=1280,height=720,pixelformat=BGR3"  # both ends have to agree


class Camera:
    """The kernel's vivid driver, whose output device is looped to its capture device."""

    def __init__(self, shell: Shell, share: Path) -> None:
        self._shell = shell
        self._file = share / "frame.bgr"
        self._stream: GuestProcess | None = None
        self._looped = False

    async def prepare(self) -> None:
        """Loop the output to the camera; show nothing yet.

        Before anything captures: the driver lets nobody change the format under a stream.
        """
        if self._looped:
            return
        for device, option in (
            (CAPTURE, f"--set-fmt-video={SIZE}"),
            (CAPTURE, "--set-ctrl=loop_video=1"),
            (OUTPUT, f"--set-fmt-video-out={SIZE}"),
        ):
            await self._shell.run("v4l2-ctl", "-d", device, option)
        self._looped = True

    async def show(self, frame: MatLike) -> None:
        """Let it see `frame`, BGR uint8 (720, 1280, 3), from now on.

        Returns when the first is on its way.  Raises `GuestError` if the driver refuses.
        """
        if frame.shape != (720, 1280, 3):
            raise ValueError(f"a frame of shape {frame.shape}, not (720, 1280, 3)")
        await self.cover()
        self._file.write_bytes(frame.tobytes())
        await self.prepare()
        self._stream = self._shell.spawn(
            *("v4l2-ctl", "-d", OUTPUT, "--stream-out-mmap=3", "--stream-loop"),
            f"--stream-from=/run/rig/{self._file.name}",
        )
        await self._stream.stderr.read(1)  # a mark for every frame

    async def cover(self) -> None:
        """Let it see nothing; nothing happens if it already does."""
        if self._stream is not None:
            await self._stream.__aexit__()
            self._stream = None

    async def unplug(self) -> None:
        """Take the camera away."""
        await self.cover()
        await self._bind("unbind")

    async def plug_in(self) -> None:
        """Bring it back."""
        await self._bind("bind")

    async def _bind(self, how: str) -> None:
        self._looped = False
        path = f"/sys/bus/platform/drivers/vivid/{how}"
        await self._shell.run("sh", "-c", f"echo vivid.0 > {path}")
