"""The QR's 70 bytes and the plaintexts of the five messages (SPEC, sections 2 and 7).

Every codec is exact: `decode` refuses with `EncodingError` (the QR: `QrError`) whatever `encode`
would not have made.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Final

from nearproof.crypto import cbor
from nearproof.crypto.errors import (
    EncodingError,
    KeyRefused,
    LocalError,
    QrError,
    QrReason,
    UnknownVersion,
)
from nearproof.crypto.identity import KID_SIZE
from nearproof.crypto.primitives import KEY_SIZE, sha256, x25519

VERSION: Final = 1
"""PXP1: the version in the QR, in m1 and in m2."""

QR_SIZE: Final = 70
SECRET_SIZE: Final = 16
TXN_SIZE: Final = 16
EID_SIZE: Final = 16

MAX_MESSAGE: Final = 2048
"""Bytes of any message on the air."""
MAX_M1: Final = 256
"""Bytes of m1, the one message that a stranger can send."""

ATT_VERSION: Final = 0x82
"""The ATT error that answers an m1 of another version."""

MAX_ROUNDS: Final = 16
MAX_LABEL: Final = 32
"""Characters (code points) of a label."""

# The letters that show as nothing: the Hangul fillers (Default_Ignorable_Code_Point, UAX 44).
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0")

# HCI reports an RSSI of -127..20 dBm (Core Spec Vol 4 Part E 7.7.65.2); 127 stands for unknown.
RSSI_RANGE: Final = (-127, 20)

# Any scalar will do: each is a multiple of 8 (RFC 7748 5), which takes every low-order point,
# and no other, to zero.
_PROBE: Final = bytes(range(KEY_SIZE))


@dataclass(frozen=True, slots=True)
class QrPayload:
    """What the QR carries (SPEC, section 2).  Whoever reads it can form m1: the repr hides it."""

    secret: bytes = field(repr=False)
    """16 random bytes."""
    q_public: bytes
    """OLD's X25519 key for this QR, 32 bytes."""
    txn: bytes
    """The grant's cti, 16 bytes."""
    iat: int
    """OLD's time when it was made, UNIX seconds."""

    def __post_init__(self) -> None:
        sizes = (len(self.secret), len(self.q_public), len(self.txn))
        if sizes != (SECRET_SIZE, KEY_SIZE, TXN_SIZE) or not 0 <= self.iat < 2**32:
            raise LocalError("not the parts of a QR payload")

    def encode(self) -> bytes:
        """The 70 bytes: ver 1 | flags 1 | secret 16 | q_public 32 | txn 16 | iat 4, big-endian."""
        iat = self.iat.to_bytes(4, "big")
        return bytes([VERSION, 0]) + self.secret + self.q_public + self.txn + iat

    @classmethod
    def decode(cls, data: bytes) -> QrPayload:
        """Read the 70 bytes.

        Raises `QrError`: UNKNOWN_VERSION for another version or any flag, DAMAGED for another
        size or a low-order key (with which every X25519 result is zero).
        """
        if len(data) != QR_SIZE:
            raise QrError(QrReason.DAMAGED, f"bytes: {len(data)} / {QR_SIZE}")
        if data[0] != VERSION or data[1] != 0:
            raise QrError(QrReason.UNKNOWN_VERSION, f"{data[0]}.{data[1]}")
        payload = cls(data[2:18], data[18:50], data[50:66], int.from_bytes(data[66:], "big"))
        try:
            x25519(_PROBE, payload.q_public)
        except KeyRefused:
            raise QrError(QrReason.DAMAGED, "a low-order key") from None
        return payload

    @property
    def qrh(self) -> bytes:
        """SHA-256 of the 70 bytes (32 bytes): names the QR without giving it away."""
        return sha256(self.encode())


@dataclass(frozen=True, slots=True)
class M1:
    """NEW's first payload: the commitment to r and D."""

    com: bytes
    """32 bytes."""

    def encode(self) -> bytes:
        """The plaintext of m1, 38 bytes."""
        return cbor.encode({1: VERSION, 2: self.com})

    @classmethod
    def decode(cls, data: bytes) -> M1:
        """Raises `UnknownVersion` for another version, whatever else it holds."""
        with _versioned(data) as fields:
            return cls(fields.octets(2, 32))


@dataclass(frozen=True, slots=True)
class M2:
    """OLD's answer."""

    rounds: int
    """How many round-trip rounds OLD may open: the grant's policy."""
    old_kid: bytes
    """Kid of O, 16 bytes."""

    def encode(self) -> bytes:
        """The plaintext of m2, 23 bytes."""
        return cbor.encode({1: VERSION, 2: self.rounds, 3: self.old_kid})

    @classmethod
    def decode(cls, data: bytes) -> M2:
        """Raises `UnknownVersion` for another version, whatever else it holds."""
        with _versioned(data) as fields:
            return cls(fields.integer(2, 0, MAX_ROUNDS), fields.octets(3, KID_SIZE))


@dataclass(frozen=True, slots=True)
class T1:
    """NEW opens its commitment and says who it is."""

    new_public: bytes
    """D, 32 bytes, not yet judged."""
    r: bytes = field(repr=False)
    """The 32 bytes under the commitment."""
    label: str
    pop: bytes = field(repr=False)
    """A COSE_Sign1 by D."""
    rssi: int | None
    """dBm of the advert as NEW heard it; None if its radio did not say."""

    def encode(self) -> bytes:
        """The plaintext of t1; an unknown rssi is an absent key."""
        fields: dict[int, cbor.Encodable] = {
            1: self.new_public,
            2: self.r,
            3: self.label,
            4: self.pop,
        }
        if self.rssi is not None:
            fields[5] = self.rssi
        return cbor.encode(fields)

    @classmethod
    def decode(cls, data: bytes) -> T1:
        """Raises `EncodingError`; the label is checked, the keys and the PoP are not."""
        with cbor.MapReader(cbor.decode(data, max_size=MAX_MESSAGE)) as fields:
            t1 = cls(
                new_public=fields.octets(1, KEY_SIZE),
                r=fields.octets(2, 32),
                label=fields.text(3),
                pop=fields.blob(4),
                rssi=fields.integer(5, *RSSI_RANGE) if 5 in fields else None,
            )
        check_label(t1.label)
        return t1


@dataclass(frozen=True, slots=True)
class T2:
    """OLD hands over the proof and its grant."""

    proof: bytes = field(repr=False)
    grant: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The plaintext of t2."""
        return cbor.encode({1: self.proof, 2: self.grant})

    @classmethod
    def decode(cls, data: bytes) -> T2:
        """Raises `EncodingError`; the tokens are not judged here."""
        with cbor.MapReader(cbor.decode(data, max_size=MAX_MESSAGE)) as fields:
            return cls(fields.blob(1), fields.blob(2))


ACK: Final = cbor.encode({1: 1})
"""The plaintext of ack, 3 bytes: there is only one."""


def check_label(label: str) -> None:
    """Raise `EncodingError` unless OLD may show this label (SPEC, section 7).

    1 to 32 characters in NFC: visible letters, decimal digits, space and `-_.`, no space at
    either end.
    """
    if not 1 <= len(label) <= MAX_LABEL or label != label.strip(" "):
        raise EncodingError(f"a label has 1 to {MAX_LABEL} characters, no space at either end")
    if not unicodedata.is_normalized("NFC", label):
        raise EncodingError("a label is in NFC")
    if not all(map(_is_label_character, label)):
        raise EncodingError("a label holds letters, digits, space, hyphen, underscore and dot")


def tidy_label(text: str, default: str = "laptop") -> str:
    """The nearest label to what a host or a user calls this laptop; `default` if none is left."""
    text = unicodedata.normalize("NFC", text)
    kept = "".join(c if _is_label_character(c) else "-" for c in text)
    return kept.strip(" -")[:MAX_LABEL].rstrip(" -") or default


def _is_label_character(character: str) -> bool:
    category = unicodedata.category(character)
    letter = category.startswith("L") and character not in _FILLERS
    return letter or category == "Nd" or character in " -_."


def _versioned(data: bytes) -> cbor.MapReader:
    """A reader of what follows the version under key 1, once that is known to be ours."""
    fields = cbor.MapReader(cbor.decode(data, max_size=MAX_MESSAGE))
    version = fields.integer(1, 0, 2**64 - 1)
    if version != VERSION:
        raise UnknownVersion(f"version {version}")
    return fields
