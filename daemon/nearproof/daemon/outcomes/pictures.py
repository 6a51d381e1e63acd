"""What can be wrong with a QR code, a camera or a window."""

from __future__ import annotations

from nearproof.crypto.errors import QrReason
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose
from nearproof.qr.errors import CameraReason, WindowError, WrongCapacity

_E, _W = Exit, Whose
_NEW_QR = "Run `nearproof old copy` again for a new QR code; there is no new waiting time."
_NY_QR = "Kør `nearproof old copy` igen og få en ny QR-kode; der er ingen ny ventetid."

QR: Rows = (
    Outcome(
        QrReason.FOREIGN,
        _E.QR_UNUSABLE,
        _W.YOURS,
        "That QR code is not one of ours. Scan the one on the old laptop's screen.",
        "Det er ikke en af vores QR-koder. Scan den på den gamle bærbares skærm.",
    ),
    Outcome(
        QrReason.UNKNOWN_VERSION,
        _E.QR_UNUSABLE,
        _W.PEER,
        "That QR code is of a version that this program does not know: update nearproof here.",
        "QR-koden har en version, som dette program ikke kender: opdatér nearproof her.",
    ),
    Outcome(
        QrReason.DAMAGED,
        _E.QR_UNUSABLE,
        _W.YOURS,
        "No whole QR code could be read ({detail}). Scan or type it again.",
        "Ingen hel QR-kode kunne læses ({detail}). Scan eller indtast den igen.",
    ),
    Outcome(
        QrReason.OTHER_ROLE,
        _E.QR_UNUSABLE,
        _W.YOURS,
        "That is one of our codes, but for another command. Here the QR code of "
        "`nearproof old copy` is needed.",
        "Det er en af vores koder, men til en anden kommando. Her skal QR-koden fra "
        "`nearproof old copy` bruges.",
    ),
    Outcome(
        QrReason.EXPIRED,
        _E.QR_EXPIRED,
        _W.YOURS,
        f"That QR code has expired. {_NEW_QR}",
        f"QR-koden er udløbet. {_NY_QR}",
    ),
    Outcome(
        CameraReason.NO_CAMERA,
        _E.CAMERA,
        _W.LAPTOP,
        "No camera found ({detail}). Plug one in, or use --image FILE or --typed.",
        "Intet kamera fundet ({detail}). Tilslut et, eller brug --image FIL eller --typed.",
    ),
    Outcome(
        CameraReason.BUSY,
        _E.CAMERA,
        _W.LAPTOP,
        "The camera is in use by another program ({detail}). Close that and try again.",
        "Kameraet bruges af et andet program ({detail}). Luk det, og prøv igen.",
    ),
    Outcome(
        CameraReason.PERMISSION,
        _E.PERMISSION,
        _W.LAPTOP,
        "This user may not open the camera ({detail}). Run: sudo usermod -aG video $USER, "
        "then log in again.",
        "Denne bruger må ikke åbne kameraet ({detail}). Kør: sudo usermod -aG video $USER, "
        "og log ind igen.",
    ),
    Outcome(
        CameraReason.GONE,
        _E.CAMERA,
        _W.LAPTOP,
        "The camera stopped delivering pictures ({detail}). Plug it in again and retry.",
        "Kameraet leverer ikke længere billeder ({detail}). Tilslut det igen, og prøv igen.",
    ),
    Outcome(
        CameraReason.NO_FILE,
        _E.CAMERA,
        _W.YOURS,
        "There is no such picture ({detail}).",
        "Billedet findes ikke ({detail}).",
    ),
    Outcome(
        CameraReason.UNREADABLE,
        _E.CAMERA,
        _W.YOURS,
        "That file is not a picture that can be read ({detail}).",
        "Filen er ikke et billede, der kan læses ({detail}).",
    ),
    Outcome(
        CameraReason.BAD_SOURCE,
        _E.USAGE,
        _W.YOURS,
        "That names no camera: {detail}.",
        "Det er ikke navnet på et kamera: {detail}.",
    ),
    Outcome(
        CameraReason.NO_DECODER,
        _E.CAMERA,
        _W.LAPTOP,
        "The QR reader does not start ({detail}). Is libzbar0 installed?",
        "QR-læseren starter ikke ({detail}). Er libzbar0 installeret?",
    ),
    Outcome(
        WindowError,
        _E.USAGE,
        _W.LAPTOP,
        "No window can be opened ({detail}). Use --show terminal, or png:FILE.",
        "Der kan ikke åbnes et vindue ({detail}). Brug --show terminal eller png:FIL.",
    ),
    Outcome(
        WrongCapacity,
        _E.BUG,
        _W.OURS,
        "The QR code cannot be drawn ({detail}). This is a bug: please report it.",
        "QR-koden kan ikke tegnes ({detail}). Det er en programfejl: meld den gerne.",
    ),
)
