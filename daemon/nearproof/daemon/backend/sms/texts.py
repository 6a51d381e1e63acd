"""What an SMS says.  The first of every ceremony says how to cancel it."""

from __future__ import annotations

from typing import Final

from nearproof.daemon.backend.outbox import SmsKind
from nearproof.daemon.locale import Language, filled

SMS_TEXTS: Final[dict[SmsKind, str]] = {
    SmsKind.COPY_STARTED: (
        "nearproof: copying {account} to another laptop was started. Not you? Cancel at once on "
        "any of your laptops with: nearproof old cancel. Or call your provider."
    ),
    SmsKind.ACTIVATION_STARTED: (
        "nearproof: activating {account} on a laptop was started with an activation code. Not "
        "you? Cancel at once on any of your laptops with: nearproof old cancel. Or call your "
        "provider."
    ),
    SmsKind.CODE: (
        "nearproof: your temporary code is {code}. Type it on your new laptop only, if it stands "
        "in front of you. Never tell it to anybody."
    ),
    SmsKind.ACTIVATED: (
        "nearproof: {account} is now active on another laptop. Not you? Revoke it: nearproof "
        "devices revoke. Or call your provider."
    ),
}


def sms_text(kind: SmsKind, language: Language, *, account: str, code: str) -> str:
    """The whole text of one SMS."""
    return filled(SMS_TEXTS[kind], language, account=account, code=code)
