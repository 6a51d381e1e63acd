"""The camera that NEW scans with."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

from nearproof.daemon.doctor.checks import (
    NOT_YET,
    Area,
    Check,
    Result,
    Role,
    Target,
    fail,
    ok,
    skipped,
)
from nearproof.daemon.new import TYPED
from nearproof.daemon.outcomes.kinds import Exit
from nearproof.qr import devices
from nearproof.qr.errors import CameraError, CameraReason
from nearproof.qr.source_spec import SourceKind, parse_source


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What opening the camera told.

    `source` is the setting, `camera` whether it names one, `name` what the driver calls it;
    `reason` and `detail` say why it cannot be had.  `other` is the path of one that can.
    """

    source: str
    camera: bool = True
    name: str = ""
    reason: CameraReason | None = None
    detail: str = ""
    other: str = ""


async def gather(target: Target) -> CameraFacts:
    """Open the camera for a moment; its light may flash.  Raises CameraError(BAD_SOURCE)."""
    source = target.settings.camera
    spec = None if source == TYPED else parse_source(source)
    if spec is None or spec.kind is not SourceKind.CAMERA:
        return CameraFacts(source, camera=False)
    try:
        if spec.path is None:
            return CameraFacts(source, name=devices.first_camera().name)
        devices.check(spec.path)
    except CameraError as error:
        return CameraFacts(source, reason=error.reason, detail=error.detail, other=_other())
    names = [each.name for each in devices.devices() if each.path == spec.path]
    return CameraFacts(source, name=names[0] if names else str(spec.path))


def _other() -> str:
    try:
        return str(devices.first_camera().path)
    except CameraError:
        return ""


def device(facts: CameraFacts) -> Result:
    """A camera is there and free."""
    if not facts.camera:
        return _no_camera_needed(facts)
    instead = f"nearproof new copy --camera {facts.other}" if facts.other else ""
    match facts.reason:
        case None:
            return ok("{camera}", camera=facts.name)
        case CameraReason.PERMISSION:
            return ok("{source} is there", source=facts.source)
        case CameraReason.BUSY:
            return fail(
                "another program uses the camera ({detail}); the fix names it",
                f"fuser -v {shlex.quote(facts.source) if '/' in facts.source else '/dev/video*'}",
                detail=facts.detail,
            )
        case CameraReason.GONE:
            return fail(
                "the camera does not answer ({detail}); plug it in again",
                instead or "v4l2-ctl --list-devices",
                detail=facts.detail,
            )
        case _:
            return fail(
                "no camera ({detail}); plug one in, or type the text above the QR code",
                instead or "nearproof new copy --typed",
                detail=facts.detail,
            )


def rights(facts: CameraFacts) -> Result:
    """This user may open the camera."""
    if not facts.camera:
        return _no_camera_needed(facts)
    match facts.reason:
        case None | CameraReason.BUSY:
            return ok("this user may open the camera")
        case CameraReason.PERMISSION:
            return fail(
                "this user may not open the camera ({detail}); log in again after the fix",
                'sudo usermod -aG video "$USER"',
                detail=facts.detail,
            )
        case _:
            return NOT_YET


def _no_camera_needed(facts: CameraFacts) -> Result:
    if facts.source == TYPED:
        return skipped("the text above the QR code is typed: that needs no camera")
    return skipped("the QR code comes from {source}, not from a camera", source=facts.source)


_NEW: Final = frozenset({Role.NEW})

CAMERA: Final = Area(
    gather,
    (
        Check("cam.device", _NEW, Exit.CAMERA, device),
        Check("cam.rights", _NEW, Exit.PERMISSION, rights),
    ),
)
