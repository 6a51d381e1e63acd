"""What can be wrong with the desktop, each with a reason that a person can act on."""

from __future__ import annotations

from enum import StrEnum


class NotifierReason(StrEnum):
    """Why nothing can be shown on the desktop."""

    NO_SESSION_BUS = "no_session_bus"
    NO_NOTIFIER = "no_notifier"
    NOTICE_REFUSED = "notice_refused"


class NotifierError(Exception):
    """Nothing can be shown on the desktop; `detail` is for people and logs."""

    def __init__(self, reason: NotifierReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


class FingerprintReason(StrEnum):
    """Why the fingerprint reader gives no answer.  "That is not the finger" is an answer."""

    NO_FPRINTD = "no_fprintd"
    NO_READER = "no_reader"
    NO_FINGER = "no_finger"
    NOT_AT_SEAT = "not_at_seat"
    READER_BUSY = "reader_busy"
    READER_GONE = "reader_gone"
    READER_FAILED = "reader_failed"
    NO_TOUCH = "no_touch"
    NO_MATCH = "no_match"  # where only a finger that is known will do


class FingerprintError(Exception):
    """The fingerprint reader gave no answer; `detail` is for people and logs."""

    def __init__(self, reason: FingerprintReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


class ScreenReason(StrEnum):
    """Who else sees this screen."""

    SCREEN_SHARED = "screen_shared"
    SCREEN_REMOTE = "screen_remote"


class ScreenExposed(Exception):
    """Others see this screen; `detail` says what shows it."""

    def __init__(self, reason: ScreenReason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")
