"""What the backend may say, and what may keep it from saying it."""

from __future__ import annotations

from nearproof.crypto.errors import RefusalCode
from nearproof.daemon.backend.wire import ServiceCode
from nearproof.daemon.join import JoinReason
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose
from nearproof.daemon.provider import ProviderReason

_E, _W = Exit, Whose

BACKEND: Rows = (
    Outcome(
        ProviderReason.UNREACHABLE,
        _E.BACKEND,
        _W.BACKEND,
        "The backend cannot be reached ({detail}). Nothing is lost: try again later.",
    ),
    Outcome(
        ProviderReason.WRONG_CERTIFICATE,
        _E.BACKEND,
        _W.BACKEND,
        "Another server answers at the backend's address. Nothing was sent to it. Check the "
        "network, or join again with the operator's line.",
    ),
    Outcome(
        ProviderReason.LYING,
        _E.BACKEND,
        _W.BACKEND,
        "The backend gave an answer that makes no sense ({detail}). Nothing was changed here.",
    ),
    Outcome(
        ProviderReason.UNAVAILABLE,
        _E.TRY_AGAIN,
        _W.BACKEND,
        "The backend cannot work just now ({detail}). Try again in a while.",
    ),
    Outcome(
        ProviderReason.WAITING,
        _E.WAITING,
        _W.NOBODY,
        "The waiting time is not over: {duration} left.",
    ),
    Outcome(
        ProviderReason.REFUSED,
        _E.BACKEND,
        _W.BACKEND,
        "The backend refused ({code}: {detail}).",
    ),
    Outcome(
        ServiceCode.BUSY,
        _E.TRY_AGAIN,
        _W.BACKEND,
        "The backend cannot work just now ({detail}). Try again in a while.",
    ),
    Outcome(
        ServiceCode.UNKNOWN_DEVICE,
        _E.REVOKED,
        _W.BACKEND,
        "The backend does not know this laptop. Activate it, or join the right backend.",
    ),
    Outcome(
        ServiceCode.DEVICE_REVOKED,
        _E.REVOKED,
        _W.BACKEND,
        "This laptop has been revoked: it can no longer act for the account.",
    ),
    Outcome(
        ServiceCode.INVITE,
        _E.WRONG_CODE,
        _W.YOURS,
        "That activation code is wrong, used, or older than a day. Ask for a new one.",
    ),
    Outcome(
        ServiceCode.WRONG_PIN,
        _E.LOCKED,
        _W.YOURS,
        "Wrong PIN, and it is locked now. Try again in {duration}.",
    ),
    Outcome(
        ServiceCode.PIN_LOCKED,
        _E.LOCKED,
        _W.YOURS,
        "The PIN is locked after wrong tries: {duration} left.",
    ),
    Outcome(
        ServiceCode.DEVICE_DEAD,
        _E.LOCKED,
        _W.YOURS,
        "Nine wrong PINs: this laptop is blocked for good. Use another one.",
    ),
    Outcome(
        ServiceCode.NO_SLOT,
        _E.THREE_DEVICES,
        _W.YOURS,
        "The account has three active laptops. Revoke one of them first.",
    ),
    Outcome(
        ServiceCode.STARTS_USED_UP,
        _E.LOCKED,
        _W.YOURS,
        "Too many copies today. Try again in {duration}.",
    ),
    Outcome(
        ServiceCode.TOO_NEW,
        _E.WAITING,
        _W.NOBODY,
        "For a day a new laptop may neither copy, nor revoke or cancel others: {duration} left.",
    ),
    Outcome(
        ServiceCode.PHONE_CHANGED,
        _E.WAITING,
        _W.NOBODY,
        "The phone number was changed a short while ago: it counts in {duration}.",
    ),
    Outcome(
        ServiceCode.NAMES_USED_UP,
        _E.LOCKED,
        _W.YOURS,
        "Three user IDs were tried. Cancel, and start again on the old laptop.",
    ),
    Outcome(
        ServiceCode.CODES_USED_UP,
        _E.LOCKED,
        _W.YOURS,
        "Three codes were sent. Cancel, and start again on the old laptop.",
    ),
    Outcome(
        ServiceCode.CEREMONY_RUNNING,
        _E.BACKEND,
        _W.YOURS,
        "Another laptop of this account is already copying. Finish that, or run `nearproof old "
        "cancel` there.",
    ),
    Outcome(
        ServiceCode.CEREMONY_OVER,
        _E.TRY_AGAIN,
        _W.NOBODY,
        "That copy is over. Run `nearproof old copy` to order a new one.",
    ),
    Outcome(
        ServiceCode.GRANTS_USED_UP,
        _E.LOCKED,
        _W.YOURS,
        "All QR codes of this copy are used up. Run `nearproof old cancel`, then order a new copy.",
    ),
    Outcome(
        ServiceCode.ALREADY_USED,
        _E.BACKEND,
        _W.NOBODY,
        "This copy is already done: used by “{detail}”. If that is not yours, revoke it.",
    ),
    *(
        Outcome(
            code,
            _E.PROOF_REFUSED,
            _W.NOBODY,
            "The backend no longer takes this proof ({detail}): it waited too long, or the old "
            "laptop has shown another QR code since. Run `nearproof old copy` and scan afresh.",
        )
        for code in (
            RefusalCode.LATE,
            RefusalCode.CEREMONY_NOT_LIVE,
            RefusalCode.GRANT_NOT_CURRENT,
            RefusalCode.ALREADY_USED,
            RefusalCode.KEY_REDEEMED,
        )
    ),
    Outcome(
        RefusalCode.OLD_NOT_ACTIVE,
        _E.REVOKED,
        _W.NOBODY,
        "The old laptop has been revoked since: nothing can be copied from it.",
    ),
    Outcome(
        RefusalCode.WRONG_ACCOUNT,
        _E.PROOF_REFUSED,
        _W.YOURS,
        "The old laptop does not belong to that user ID. If you typed your own, the QR code was "
        "not your laptop's: stop. Otherwise run this again and type it right.",
    ),
    Outcome(
        JoinReason.MALFORMED,
        _E.USAGE,
        _W.YOURS,
        "That is no join line ({detail}). Copy the whole line that `nearproof backend serve` "
        "printed.",
    ),
    Outcome(
        JoinReason.UNREACHABLE,
        _E.BACKEND,
        _W.BACKEND,
        "No backend answers there ({detail}).",
    ),
    Outcome(
        JoinReason.WRONG_CERTIFICATE,
        _E.BACKEND,
        _W.BACKEND,
        "Another server answers there ({detail}). Not joined.",
    ),
)
