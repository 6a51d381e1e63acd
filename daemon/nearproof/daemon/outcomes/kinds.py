"""What an outcome is: exit code, whose mistake, and its text."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from typing import NamedTuple

import msgspec


class Exit(IntEnum):
    """Exit codes of every command (README, Exit codes)."""

    DONE = 0
    USAGE = 2
    ATTACK_SUCCEEDED = 3  # not 1, which a dying interpreter gives as well
    WAITING = 10
    QR_EXPIRED = 11
    NOT_NEAR = 12
    WRONG_CODE = 13
    LOCKED = 14
    THREE_DEVICES = 15
    REVOKED = 16
    PROOF_REFUSED = 17
    PEER = 18
    CANCELLED = 19
    BLUETOOTH = 20
    CAMERA = 21
    PERMISSION = 22
    QR_UNUSABLE = 23
    DAMAGED = 24
    BACKEND = 30
    BUG = 70
    TRY_AGAIN = 75


class Whose(StrEnum):
    """Whose mistake it was, so that the right person acts."""

    NOBODY = "nobody"
    YOURS = "yours"
    PEER = "peer"
    BACKEND = "backend"
    LAPTOP = "laptop"
    OURS = "ours"


class Outcome(NamedTuple):
    """One way to end.

    `of` is the member of a reason enum where an error has one, else its class.  The text is in
    English (the catalogue translates it), and may name `{detail}`, `{code}` and `{duration}`.
    """

    of: Enum | type[BaseException]
    exit: Exit
    whose: Whose
    text: str


Rows = tuple[Outcome, ...]


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a command failed, as another process is told: `explain` and its text, filled in.

    `verifier_step` and `code` are the verifier's, where it is the one that refuses.
    """

    reason: str
    exit: int
    whose: str
    en: str
    da: str
    verifier_step: int | None = None
    code: str | None = None
