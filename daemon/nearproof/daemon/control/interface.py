"""`io.nearproof.Laptop` in types, as `io.nearproof.Laptop.varlink` describes it.

What may stand in a `repr` is decided here too: no answer and no QR text does.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nearproof.daemon.account import Copy, Listed, Status
from nearproof.daemon.locale import Language
from nearproof.daemon.outcomes.kinds import Failure

INTERFACE: Final = "io.nearproof.Laptop"
FAILED: Final = f"{INTERFACE}.Failed"
NO_SUCH_QUESTION: Final = f"{INTERFACE}.NoSuchQuestion"

__all__ = ["Copy", "Failure", "Listed", "Status"]


def description() -> str:
    """The published interface file."""
    from importlib import resources  # 1 MiB, which a daemon at rest is spared

    file = resources.files("nearproof.daemon.control") / f"{INTERFACE}.varlink"
    return file.read_text(encoding="utf-8")


class Shy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A message whose content does not show in a repr."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


# -- what is said -----------------------------------------------------------------------------


class Told(Shy, frozen=True, omit_defaults=False):
    """One event."""

    event: str
    step: str
    fields: dict[str, Any]


class Question(Shy, frozen=True, omit_defaults=False):
    """One line is wanted."""

    number: int
    what: str
    step: str
    hidden: bool
    fields: dict[str, Any]


class Frame(Shy, frozen=True, omit_defaults=False):
    """A picture of the camera, one byte a pixel."""

    width: int
    height: int
    grey: bytes


class Said(Shy, frozen=True):
    """One thing that a running command says: exactly one of its fields but `command`."""

    command: str
    told: Told | None = None
    asked: Question | None = None
    dropped: int | None = None
    qr: str | None = None
    qr_gone: bool | None = None
    frame: Frame | None = None
    text: str | None = None


class SaidReply(Shy, frozen=True):
    """A reply of a method that takes a person through something; empty at the end."""

    said: Said | None = None
    bundle: bytes | None = None


# -- what is asked ----------------------------------------------------------------------------


class Nothing(Shy, frozen=True):
    """No parameters."""


class Guided(Shy, frozen=True):
    """What every method that takes a person through something takes."""

    language: Language | None = None
    preview: bool | None = None


class OldCopy(Guided, frozen=True):
    """`nearproof old copy`; the radio's spec as in `daemon.radio`."""

    radio: str | None = None


class NewCopy(Guided, frozen=True):
    """`nearproof new copy`; paths are absolute."""

    radio: str | None = None
    camera: str | None = None
    label: str | None = None
    user: str | None = None
    proof: str | None = None
    photo: str | None = None


class NewActivate(Guided, frozen=True):
    """`nearproof new activate`."""

    label: str | None = None


class NewCancel(Guided, frozen=True):
    """`nearproof new cancel`."""


class Prove(Guided, frozen=True):
    """A proof for another program."""

    radio: str | None = None
    camera: str | None = None
    label: str | None = None


class Choose(Guided, frozen=True):
    """`nearproof choices`; None: ask, if both are."""

    fingerprint: bool | None = None
    notifications: bool | None = None


class Answer(Shy, frozen=True):
    """What was typed; None: nobody will."""

    command: str
    question: int
    value: str | None = None


class Revoke(Shy, frozen=True):
    """The key id of a laptop, 32 hex digits."""

    kid: str


# -- what comes back --------------------------------------------------------------------------


class StatusReply(Shy, frozen=True):
    """Of `Status`."""

    status: Status


class Devices(Shy, frozen=True, omit_defaults=False):
    """Of `Devices`."""

    devices: tuple[Listed, ...]


class Cancelled(Shy, frozen=True, omit_defaults=False):
    """Of `Cancel`."""

    cancelled: bool
    account: str


class Failed(Shy, frozen=True):
    """Parameters of the error `Failed`."""

    failure: Failure
