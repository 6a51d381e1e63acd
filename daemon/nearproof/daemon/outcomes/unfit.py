"""What keeps a step from being done at all: a laptop, a program or a moment that does not fit."""

from __future__ import annotations

from nearproof.daemon.backend.wire import ServiceCode
from nearproof.daemon.laptop import Unready
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose
from nearproof.daemon.provider import ProviderReason

_E, _W = Exit, Whose

UNFIT: Rows = (
    Outcome(
        Unready.BLUETOOTH,
        _E.BLUETOOTH,
        _W.LAPTOP,
        "Bluetooth is not ready here ({detail}). Nothing has been ordered or spent: mend that "
        "and run this again.",
    ),
    Outcome(
        Unready.CAMERA,
        _E.CAMERA,
        _W.LAPTOP,
        "The camera is not ready ({detail}). Mend that and run this again, or use --typed.",
    ),
    Outcome(
        Unready.PERMISSION,
        _E.PERMISSION,
        _W.LAPTOP,
        "This user may not use what is needed here ({detail}). Nothing has been ordered or "
        "spent: mend that and run this again.",
    ),
    Outcome(
        ProviderReason.OTHER_VERSION,
        _E.BACKEND,
        _W.LAPTOP,
        "The backend and this program are not of one version ({detail}). Update nearproof on "
        "whichever is older.",
    ),
    *(
        Outcome(
            code,
            _E.BACKEND,
            _W.OURS,
            "The backend did not understand this laptop ({code}). Update nearproof here and on the "
            "backend's machine.",
        )
        for code in (
            ServiceCode.MALFORMED,
            ServiceCode.TOO_LARGE,
            ServiceCode.MEDIA_TYPE,
            ServiceCode.METHOD,
            ServiceCode.NOT_FOUND,
            ServiceCode.SIGNATURE,
            ServiceCode.IDEMPOTENCY_KEY,
            ServiceCode.IDEMPOTENCY_CONFLICT,
        )
    ),
    *(
        Outcome(
            code,
            _E.TRY_AGAIN,
            _W.BACKEND,
            "The backend cannot work just now ({detail}). Try again in a while.",
        )
        for code in (ServiceCode.BUSY, ServiceCode.INTERNAL)
    ),
    Outcome(
        ServiceCode.SIGNATURE_TIME,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "This laptop's clock jumped while it talked to the backend. Run this again.",
    ),
    Outcome(
        ServiceCode.CHALLENGE,
        _E.TRY_AGAIN,
        _W.NOBODY,
        "The PIN was typed too long after the backend had asked for it. Run this again.",
    ),
    Outcome(
        ServiceCode.PIN_NEEDED,
        _E.TRY_AGAIN,
        _W.YOURS,
        "The backend wants the PIN again. Run this again and type it.",
    ),
    Outcome(
        ServiceCode.CONSENT,
        _E.CANCELLED,
        _W.YOURS,
        "Nothing is copied without your “yes”.",
    ),
    Outcome(
        ServiceCode.KEY_KNOWN,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "The backend already knows this laptop's new key. Run this again with a new code.",
    ),
    Outcome(
        ServiceCode.NOT_ITS_OLD,
        _E.USAGE,
        _W.YOURS,
        "Another laptop of the account has ordered this copy. Go on there.",
    ),
    Outcome(
        ServiceCode.NOT_ITS_NEW,
        _E.USAGE,
        _W.YOURS,
        "The backend does not enrol this laptop. Start again on the old one.",
    ),
    Outcome(
        ServiceCode.OUT_OF_TURN,
        _E.TRY_AGAIN,
        _W.NOBODY,
        "That step is not due. Run this again: it goes on where it stands.",
    ),
    Outcome(
        ServiceCode.WAITING,
        _E.WAITING,
        _W.NOBODY,
        "The waiting time is not over: {duration} left.",
    ),
    Outcome(
        ServiceCode.CODE_VOID,
        _E.WRONG_CODE,
        _W.YOURS,
        "That SMS code is too old, or was tried too often. Run this again for another.",
    ),
    Outcome(
        ServiceCode.WRONG_SMS_CODE,
        _E.WRONG_CODE,
        _W.YOURS,
        "Wrong SMS code. Run this again to go on.",
    ),
)
