"""What the daemon asks its two camera processes, and what they answer.

Decoded strictly: an answer of another shape counts as the death of its sender.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from nearproof.qr.errors import CameraReason
from nearproof.qr.store import FRAME_SIZE, PHOTO_SIZE, PREVIEW_SIZE

Count = Annotated[int, msgspec.Meta(ge=0)]
Pixels = Annotated[int, msgspec.Meta(ge=1, le=FRAME_SIZE)]


class _Wire(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Tagged with its name."""


# -- to and from the capturing process ------------------------------------------------------


class Ready(_Wire, frozen=True):
    """The first word of the capturing process: everything is loaded."""


class Open(_Wire, frozen=True):
    """Open this source (the words of `source_spec`); the one before is closed."""

    source: str
    preview: bool


class Opened(_Wire, frozen=True):
    """The source delivers frames from now on."""

    name: str


class Next(_Wire, frozen=True):
    """Put the next frame into the store."""


class Frame(_Wire, frozen=True):
    """A grey frame lies in the store, and a preview beside it if one was wanted."""

    width: Pixels
    height: Pixels
    still: bool
    preview_width: Annotated[int, msgspec.Meta(ge=0, le=PREVIEW_SIZE)] = 0
    preview_height: Annotated[int, msgspec.Meta(ge=0, le=PREVIEW_SIZE)] = 0


class End(_Wire, frozen=True):
    """There are no more frames."""


class Photograph(_Wire, frozen=True):
    """Put the last frame into the store as a small PNG."""


class Photo(_Wire, frozen=True):
    """A PNG of so many bytes lies in the store; none if 0."""

    size: Annotated[int, msgspec.Meta(ge=0, le=PHOTO_SIZE)]


class Failure(_Wire, frozen=True):
    """What `CameraError` carries."""

    reason: CameraReason
    detail: str


CaptureQuestion = Open | Next | Photograph
CaptureAnswer = Opened | Frame | End | Photo | Failure


# -- to and from the decoder's process ------------------------------------------------------


class Rehearsed(_Wire, frozen=True):
    """The first word of the decoder's process, and what it has to do without."""

    confined: bool
    zbar: bool


class Look(_Wire, frozen=True):
    """Read the frame in the store."""

    width: Pixels
    height: Pixels
    still: bool


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a frame looks like in which nothing was read."""

    light: float  # 99th percentile of the frame, grey levels 0..255
    texture: float = 0.0  # of the most code-like place, 0..24; 0 without one
    extent: int = 0  # longer side of that place, pixels
    edge: float = 0.0  # how wide its edges are, pixels; 0 without one


class Seen(_Wire, frozen=True):
    """What the frame held.  `measure` only when no code at all was read."""

    texts: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=1024)]], msgspec.Meta(max_length=8)
    ]
    foreign: bool
    milliseconds: float
    measure: Measure | None


READY: Final[msgspec.json.Decoder[Ready]] = msgspec.json.Decoder(Ready)
CAPTURE_QUESTIONS: Final[msgspec.json.Decoder[CaptureQuestion]] = msgspec.json.Decoder(
    CaptureQuestion
)
CAPTURE_ANSWERS: Final[msgspec.json.Decoder[CaptureAnswer]] = msgspec.json.Decoder(CaptureAnswer)
REHEARSED: Final[msgspec.json.Decoder[Rehearsed]] = msgspec.json.Decoder(Rehearsed)
LOOKS: Final[msgspec.json.Decoder[Look]] = msgspec.json.Decoder(Look)
SEEN: Final[msgspec.json.Decoder[Seen]] = msgspec.json.Decoder(Seen)
