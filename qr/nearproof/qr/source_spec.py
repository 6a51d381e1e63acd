"""The words that name a source of frames, parsed without opening anything.

`camera`, `camera:0`, `/dev/video0`, `image:FILE`, `video:FILE`, `frames:DIR`,
`lens:FILE[?seed=N]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nearproof.qr.errors import CameraError, CameraReason


class SourceKind(StrEnum):
    """Where frames come from."""

    CAMERA = "camera"  # a V4L2 device
    IMAGE = "image"  # one picture
    VIDEO = "video"
    FRAMES = "frames"  # a folder of pictures, in the order of their names
    LENS = "lens"  # the lens model photographs the newest version of a picture


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One source.  `path` is None for "the first camera there is"."""

    kind: SourceKind
    path: Path | None
    seed: int = 0

    def __str__(self) -> str:
        """The spec in its parsed form; `parse_source` of it is equal."""
        where = "" if self.path is None else f":{self.path}"
        return f"{self.kind}{where}" + (f"?seed={self.seed}" if self.seed else "")


def parse_source(text: str) -> SourceSpec:
    """The source that `text` names.  Raises CameraError(BAD_SOURCE)."""
    if text.startswith("/dev/"):
        return SourceSpec(SourceKind.CAMERA, Path(text))
    word, colon, rest = text.partition(":")
    try:
        kind = SourceKind(word)
    except ValueError:
        raise _bad(
            text, f"it begins with one of these: {', '.join(('/dev/', *SourceKind))}"
        ) from None
    if kind is SourceKind.CAMERA:
        return SourceSpec(kind, _device(text, rest) if colon else None)
    seed = 0
    if kind is SourceKind.LENS and (seeded := re.fullmatch(r"(.*)\?seed=(\d{1,18})", rest)):
        rest, seed = seeded[1], int(seeded[2])
    if not rest or "\0" in rest:
        raise _bad(text, "a file name is missing")
    return SourceSpec(kind, Path(rest), seed)


def _device(text: str, rest: str) -> Path:
    if re.fullmatch(r"\d{1,3}", rest):
        return Path(f"/dev/video{int(rest)}")
    if rest.startswith("/dev/"):
        return Path(rest)
    raise _bad(text, "a camera is a number or a path below /dev")


def _bad(text: str, why: str) -> CameraError:
    return CameraError(CameraReason.BAD_SOURCE, f"{text!r}: {why}")
