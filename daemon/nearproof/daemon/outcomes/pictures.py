"""What can be wrong with a QR code, a camera or a window."""

from __future__ import annotations

from nearproof.crypto.errors import QrReason
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose
from nearproof.qr.errors import CameraReason, WindowError, WrongCapacity

_E, _W = Exit, Whose
_NEW_QR = "Run `nearproof old copy` again for a new QR code; there is no new waiting time."

QR: Rows = (
    Outcome(
        QrReason.FOREIGN,
        _E.QR_UNUSABLE,
        _W.YOURS,
        "That QR code is not one of ours. Scan the one on the old laptop's screen.",
    ),
    Outcome(
        QrReason.UNKNOWN_VERSION,
        _E.QR_UNUSABLE,
        _W.PEER,
        "That QR code is of a version that this program does not know: update nearproof here.",
    ),
    Outcome(
        QrReason.DAMAGED,
        _E.QR_UNUSABLE,
        _W.YOURS,
        "No whole QR code could be read ({detail}). Scan or type it again.",
    ),
    Outcome(
        QrReason.OTHER_ROLE,
        _E.QR_UNUSABLE,
        _W.YOURS,
        "That is one of our codes, but for another command. Here the QR code of "
        "`nearproof old copy` is needed.",
    ),
    Outcome(
        QrReason.EXPIRED,
        _E.QR_EXPIRED,
        _W.YOURS,
        f"That QR code has expired. {_NEW_QR}",
    ),
    Outcome(
        CameraReason.NO_CAMERA,
        _E.CAMERA,
        _W.LAPTOP,
        "No camera found ({detail}). Plug one in, or use --image FILE or --typed.",
    ),
    Outcome(
        CameraReason.BUSY,
        _E.CAMERA,
        _W.LAPTOP,
        "The camera is in use by another program ({detail}). Close that and try again.",
    ),
    Outcome(
        CameraReason.PERMISSION,
        _E.PERMISSION,
        _W.LAPTOP,
        "This user may not open the camera ({detail}). Run: sudo usermod -aG video $USER, "
        "then log in again.",
    ),
    Outcome(
        CameraReason.GONE,
        _E.CAMERA,
        _W.LAPTOP,
        "The camera stopped delivering pictures ({detail}). Plug it in again and retry.",
    ),
    Outcome(
        CameraReason.NO_FILE,
        _E.CAMERA,
        _W.YOURS,
        "There is no such picture ({detail}).",
    ),
    Outcome(
        CameraReason.UNREADABLE,
        _E.CAMERA,
        _W.YOURS,
        "That file is not a picture that can be read ({detail}).",
    ),
    Outcome(
        CameraReason.BAD_SOURCE,
        _E.USAGE,
        _W.YOURS,
        "That names no camera: {detail}.",
    ),
    Outcome(
        CameraReason.NO_DECODER,
        _E.CAMERA,
        _W.LAPTOP,
        "The QR reader does not start ({detail}). Is libzbar0 installed?",
    ),
    Outcome(
        WindowError,
        _E.USAGE,
        _W.LAPTOP,
        "No window can be opened ({detail}). Use --show terminal, or png:FILE.",
    ),
    Outcome(
        WrongCapacity,
        _E.BUG,
        _W.OURS,
        "The QR code cannot be drawn ({detail}). This is a bug: please report it.",
    ),
)
