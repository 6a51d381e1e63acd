"""What an SMS says.  The first of every ceremony says how to cancel it."""

from __future__ import annotations

from typing import Final, Literal

from nearproof.daemon.backend.outbox import SmsKind

Language = Literal["en", "da"]

_TEXTS: Final[dict[SmsKind, tuple[str, str]]] = {
    SmsKind.COPY_STARTED: (
        "nearproof: copying {account} to another laptop was started. Not you? Cancel at once on "
        "any of your laptops with: nearproof old cancel. Or call your provider.",
        "nearproof: Kopiering af {account} til en anden bærbar er startet. Ikke dig? Annullér "
        "straks på en af dine bærbare med: nearproof old cancel. Eller ring til din udbyder.",
    ),
    SmsKind.ACTIVATION_STARTED: (
        "nearproof: activating {account} on a laptop was started with an activation code. Not "
        "you? Cancel at once on any of your laptops with: nearproof old cancel. Or call your "
        "provider.",
        "nearproof: Aktivering af {account} på en bærbar er startet med en aktiveringskode. Ikke "
        "dig? Annullér straks på en af dine bærbare med: nearproof old cancel. Eller ring til din "
        "udbyder.",
    ),
    SmsKind.CODE: (
        "nearproof: your temporary code is {code}. Type it on your new laptop only, if it stands "
        "in front of you. Never tell it to anybody.",
        "nearproof: Din midlertidige kode er {code}. Indtast den kun på din nye bærbare, hvis den "
        "står foran dig. Sig den aldrig til nogen.",
    ),
    SmsKind.ACTIVATED: (
        "nearproof: {account} is now active on another laptop. Not you? Revoke it: nearproof "
        "devices revoke. Or call your provider.",
        "nearproof: {account} er nu aktiv på endnu en bærbar. Ikke dig? Spær den: nearproof "
        "devices revoke. Eller ring til din udbyder.",
    ),
}


def sms_text(kind: SmsKind, language: Language, *, account: str, code: str) -> str:
    """The whole text of one SMS."""
    return _TEXTS[kind][0 if language == "en" else 1].format(account=account, code=code)
