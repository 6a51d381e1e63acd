"""The QR's text: `PXP1:` and 112 symbols of base32 (SPEC, section 2; RFC 4648 section 6).

Upper case and no padding keep it within QR's alphanumeric mode; zbar corrupts byte mode.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from nearproof.crypto.errors import QrError, QrReason
from nearproof.crypto.messages import QR_SIZE, QrPayload
from nearproof.qr.prefix import PXP1, Prefix, prefix_of

SYMBOLS: Final = QR_SIZE * 8 // 5  # 112: 560 bits leave no padding and no spare bits
TEXT_SIZE: Final = len(PXP1) + SYMBOLS
_MAX_TYPED: Final = 1024  # characters, with every space and hyphen somebody may type
_EXACT: Final = re.compile(f"[A-Z2-7]{{{SYMBOLS}}}", re.ASCII)
# ASCII only: str.upper() would turn a dotless i into I.
_TYPED: Final = str.maketrans(
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", " \t\r\n-"
)


def to_text(payload: QrPayload) -> str:
    """The 117 characters that the QR shows.  Secret while the QR is live."""
    return PXP1 + base64.b32encode(payload.encode()).decode("ascii")


def from_text(text: str) -> QrPayload:
    """The payload in a scanned or typed text; spaces, hyphens and case do not matter.

    Raises `QrError`: FOREIGN for anything that is not this project's, OTHER_ROLE for this
    project's other texts, UNKNOWN_VERSION, or DAMAGED.  No error quotes the text.
    """
    if len(text) > _MAX_TYPED:
        raise QrError(QrReason.FOREIGN, "too long")
    match prefix_of(text):
        case Prefix.OTHER_ROLE:
            raise QrError(QrReason.OTHER_ROLE)
        case Prefix.OTHER_VERSION:
            raise QrError(QrReason.UNKNOWN_VERSION)
        case _:
            pass
    typed = text.translate(_TYPED)
    if prefix_of(typed) is Prefix.OTHER_VERSION:  # typed with a space within the prefix
        raise QrError(QrReason.UNKNOWN_VERSION)
    if not typed.startswith(PXP1):
        raise QrError(QrReason.FOREIGN)
    symbols = typed.removeprefix(PXP1)
    if not _EXACT.fullmatch(symbols):
        raise QrError(QrReason.DAMAGED, f"characters of base32: {len(symbols)} / {SYMBOLS}")
    return QrPayload.decode(base64.b32decode(symbols))
