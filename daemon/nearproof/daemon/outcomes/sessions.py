"""How a session may end (`crypto.session.actions.EndReason`)."""

from __future__ import annotations

from nearproof.crypto.session.actions import EndReason
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose

_E, _W = Exit, Whose
_ANEW = "run `nearproof old copy` again for a new QR code; there is no new waiting time."
_NEW_QR = f"R{_ANEW[1:]}"

SESSION: Rows = (
    Outcome(
        EndReason.CANCELLED,
        _E.CANCELLED,
        _W.NOBODY,
        "Cancelled. Nothing was copied.",
    ),
    Outcome(
        EndReason.QR_EXPIRED,
        _E.QR_EXPIRED,
        _W.YOURS,
        f"The QR code ran out: no laptop nearby scanned it within 3 minutes. {_NEW_QR}",
    ),
    Outcome(
        EndReason.OTHER_DEVICE,
        _E.PEER,
        _W.PEER,
        "Another device has your QR code, or the new laptop scanned it twice. Nothing was "
        f"copied. If somebody asked you to send the code, stop here. Otherwise: {_ANEW}",
    ),
    Outcome(
        EndReason.BAD_T1,
        _E.PEER,
        _W.PEER,
        f"The other laptop sent something that does not hold. {_NEW_QR}",
    ),
    Outcome(
        EndReason.WRONG_CODE,
        _E.WRONG_CODE,
        _W.YOURS,
        "The code was not the one that belongs to this laptop. Nothing was copied, and your "
        "other devices have been told. If somebody read you the code, it was fraud: stop. "
        f"Otherwise: {_ANEW}",
    ),
    Outcome(
        EndReason.CODE_TOO_LATE,
        _E.TRY_AGAIN,
        _W.YOURS,
        f"The code was not typed within 2 minutes. {_NEW_QR}",
    ),
    Outcome(
        EndReason.PEER_SILENT,
        _E.TRY_AGAIN,
        _W.PEER,
        f"A laptop scanned the QR code but did not go on. {_NEW_QR}",
    ),
    Outcome(
        EndReason.UNCONFIRMED,
        _E.TRY_AGAIN,
        _W.NOBODY,
        "The proof was handed over, but the new laptop did not confirm it. Look there: if it "
        "did not go on, run `nearproof old copy` again.",
    ),
    Outcome(
        EndReason.NOT_NEAR,
        _E.NOT_NEAR,
        _W.NOBODY,
        "The old laptop was not found: it is out of range, or its QR code has expired. Put the "
        "laptops side by side, check that Bluetooth is on at both, and scan a fresh QR code.",
    ),
    Outcome(
        EndReason.NO_ANSWER,
        _E.NOT_NEAR,
        _W.PEER,
        "The old laptop was seen but gave no valid answer. If it asks for a code, cancel there: "
        "another device may have your QR code. Then scan a fresh one.",
    ),
    Outcome(
        EndReason.NO_PROOF,
        _E.TRY_AGAIN,
        _W.NOBODY,
        "No proof came: the code was not typed on the old laptop in time, or it was another "
        "laptop's. Scan a fresh QR code.",
    ),
    Outcome(
        EndReason.BAD_PROOF,
        _E.PROOF_REFUSED,
        _W.PEER,
        "The proof that the old laptop sent does not hold. Nothing was stored.",
    ),
    Outcome(
        EndReason.VERSION,
        _E.PEER,
        _W.PEER,
        "The other laptop speaks another version: update nearproof on both.",
    ),
)
