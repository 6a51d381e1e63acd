"""SPEC sections 2 and 3: what the QR holds, and the advert that belongs to it."""

from __future__ import annotations

import base64
import binascii
import re
import string
from dataclasses import dataclass

from vectors.pxp1.primitives import hk, mac, sha256, x25519
from vectors.pxp1.refused import Refused

PREFIX = "PXP1:"
SIZE = 70
OTHER_VERSION = re.compile(r"PXP(?!1:)[0-9]{1,3}:")
TYPED = str.maketrans(string.ascii_lowercase, string.ascii_uppercase, " \t\r\n-")


@dataclass(frozen=True)
class Qr:
    raw: bytes
    secret: bytes
    q_public: bytes
    txn: bytes
    iat: int

    @property
    def qrh(self) -> bytes:
        return sha256(self.raw)

    @property
    def prologue(self) -> bytes:
        """Without the EID, which follows."""
        return b"PXP1" + self.qrh


def read_text(text: str) -> Qr:
    text = text.translate(TYPED)
    if OTHER_VERSION.match(text):
        raise Refused("qr", "unknown_version")
    if not text.startswith(PREFIX):
        raise Refused("qr", "foreign")
    symbols = text.removeprefix(PREFIX)
    if len(symbols) != 112:
        raise Refused("qr", "damaged")
    try:
        raw = base64.b32decode(symbols)
    except (binascii.Error, ValueError):
        raise Refused("qr", "damaged") from None
    return read(raw)


def read(raw: bytes) -> Qr:
    if len(raw) != SIZE:
        raise Refused("qr", "damaged")
    if raw[0] != 1 or raw[1] != 0:
        raise Refused("qr", "unknown_version")
    qr = Qr(raw, raw[2:18], raw[18:50], raw[50:66], int.from_bytes(raw[66:], "big"))
    try:
        x25519(b"\x40" * 32, qr.q_public)
    except Refused:
        raise Refused("qr", "damaged") from None
    return qr


def write_text(raw: bytes) -> str:
    return PREFIX + base64.b32encode(raw).decode()


def seal_advert(qr: Qr, nonce: bytes) -> bytes:
    key = hk(qr.secret, b"", b"PXP1 eid" + qr.qrh)
    return nonce + mac(key, b"adv" + nonce)[:6]


def match_advert(qr: Qr, uuid: bytes) -> bool:
    return len(uuid) == 16 and uuid == seal_advert(qr, uuid[:10])
