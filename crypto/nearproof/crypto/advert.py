"""The advert: a 128-bit service UUID that only a reader of the QR can recognise (SPEC, section 3).

EID = N | HMAC-SHA-256(K_eid, "adv" | N)[:6] with N fresh for each QR.  To everybody else it is
16 random bytes.
"""

from __future__ import annotations

from typing import Final

from nearproof.crypto.errors import LocalError
from nearproof.crypto.messages import EID_SIZE, QrPayload
from nearproof.crypto.primitives import equal, hkdf, hmac_sha256

NONCE_SIZE: Final = 10


def seal(qr: QrPayload, nonce: bytes) -> bytes:
    """The 16-byte EID of this QR for a nonce N of 10 random bytes, used for one QR.

    Byte 0 is the first pair of digits of the UUID's string.  Raises `LocalError` for a nonce of
    another size.
    """
    if len(nonce) != NONCE_SIZE:
        raise LocalError(f"the advert's nonce has {NONCE_SIZE} bytes")
    key = hkdf(qr.secret, b"", b"PXP1 eid" + qr.qrh)
    return nonce + hmac_sha256(key, b"adv" + nonce)[: EID_SIZE - NONCE_SIZE]


def match(qr: QrPayload, uuid: bytes) -> bool:
    """Whether an advertised UUID (16 bytes, big-endian) is an EID of this QR.

    A stranger's UUID matches with probability 2^-48; the handshake then fails.
    """
    return len(uuid) == EID_SIZE and equal(uuid, seal(qr, uuid[:NONCE_SIZE]))
