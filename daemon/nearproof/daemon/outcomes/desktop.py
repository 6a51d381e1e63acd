"""What can be wrong with the desktop: its notifier, its fingerprint reader, who sees it."""

from __future__ import annotations

from typing import Final

from nearproof.daemon.desktop.errors import FingerprintReason, NotifierReason, ScreenReason
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose

_E, _W = Exit, Whose
_USE_PIN: Final = "Use your PIN instead."

DESKTOP: Rows = (
    Outcome(
        NotifierReason.NO_SESSION_BUS,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "Nothing can be shown on the desktop: there is no session bus ({detail}). "
        "`nearproof status` tells the same.",
    ),
    Outcome(
        NotifierReason.NO_NOTIFIER,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "This desktop shows no notifications ({detail}). Install a notification daemon, or look "
        "with `nearproof status`.",
    ),
    Outcome(
        NotifierReason.NOTICE_REFUSED,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "The desktop refused a notification ({detail}). `nearproof status` tells the same.",
    ),
    Outcome(
        FingerprintReason.NO_FPRINTD,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        f"The fingerprint service is not installed ({{detail}}): install fprintd. {_USE_PIN}",
    ),
    Outcome(
        FingerprintReason.NO_READER,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        f"This laptop has no fingerprint reader that Linux knows. {_USE_PIN}",
    ),
    Outcome(
        FingerprintReason.NO_FINGER,
        _E.TRY_AGAIN,
        _W.YOURS,
        f"The fingerprint reader does not know your finger yet. Run: fprintd-enroll. {_USE_PIN}",
    ),
    Outcome(
        FingerprintReason.NOT_AT_SEAT,
        _E.PERMISSION,
        _W.YOURS,
        "The fingerprint reader only serves whoever is logged in at this laptop itself "
        f"({{detail}}). {_USE_PIN}",
    ),
    Outcome(
        FingerprintReason.READER_BUSY,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "Another program is using the fingerprint reader. Try again, or use your PIN instead.",
    ),
    Outcome(
        FingerprintReason.READER_GONE,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        f"The fingerprint reader was unplugged. {_USE_PIN}",
    ),
    Outcome(
        FingerprintReason.READER_FAILED,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        f"The fingerprint reader failed ({{detail}}). Is it plugged in? {_USE_PIN}",
    ),
    Outcome(
        FingerprintReason.NO_TOUCH,
        _E.TRY_AGAIN,
        _W.YOURS,
        "No finger was laid on the reader ({detail}). Try again, or use your PIN instead.",
    ),
    Outcome(
        FingerprintReason.NO_MATCH,
        _E.TRY_AGAIN,
        _W.YOURS,
        "That is not an enrolled finger: nothing was changed. Try again.",
    ),
    Outcome(
        ScreenReason.SCREEN_SHARED,
        _E.TRY_AGAIN,
        _W.YOURS,
        "This screen is being shared or recorded ({detail}), and whoever sees the QR code can "
        "scan it. Stop that and try again, or use --allow-shared-screen.",
    ),
    Outcome(
        ScreenReason.SCREEN_REMOTE,
        _E.TRY_AGAIN,
        _W.YOURS,
        "This terminal is shown on another machine ({detail}). Sit down at this laptop, or use "
        "--allow-shared-screen.",
    ),
)
