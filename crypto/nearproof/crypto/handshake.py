"""PXP1 on top of Noise: what is mixed in, and what is drawn from the result (SPEC, section 6)."""

from __future__ import annotations

import re
from typing import Final

from nearproof.crypto.errors import MalformedCode
from nearproof.crypto.messages import QrPayload
from nearproof.crypto.noise import Session
from nearproof.crypto.primitives import hkdf, hmac_sha256, sha256

CODE_DIGITS: Final = 6

_TYPED: Final = re.compile(r"([0-9]{3})[ -]?([0-9]{3})")


def prologue(qr: QrPayload, eid: bytes) -> bytes:
    """The Noise prologue: both sides must mean the same QR and the same advert."""
    return b"PXP1" + qr.qrh + eid


def psk(qr: QrPayload, eid: bytes) -> bytes:
    """The Noise psk, 32 bytes: needs the QR and the advert that is on the air."""
    return hkdf(qr.secret, eid, b"PXP1 psk" + qr.qrh)


def commitment(r: bytes, new_public: bytes) -> bytes:
    """com, 32 bytes: binds NEW to r (32 bytes) and D before it has seen anything of OLD's."""
    return sha256(b"PXP1 com" + r + new_public)


def check_code(session: Session, r: bytes, new_public: bytes) -> str:
    """The six digits that NEW shows and the user types on OLD."""
    info = b"PXP1 check" + session.h + r + new_public
    number = int.from_bytes(hkdf(session.ck, b"", info)[:8], "big")
    return f"{number % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def typed_code(text: str) -> str:
    """The digits of "123456", "123 456" or "123-456", blanks around them ignored.

    Raises `MalformedCode` for anything else: that was no try.
    """
    match = _TYPED.fullmatch(text.strip())
    if match is None:
        raise MalformedCode("the code has six digits")
    return "".join(match.groups())


def rounds_key(session: Session) -> bytes:
    """k_rtt, 32 bytes."""
    return hkdf(session.ck, b"", b"PXP1 rtt")


def round_answer(key: bytes, challenge: bytes) -> bytes:
    """NEW's 8-byte answer to a challenge i | c_i (1 + 8 bytes)."""
    return hmac_sha256(key, challenge)[:8]
