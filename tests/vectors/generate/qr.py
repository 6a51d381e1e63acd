"""QR and advert (SPEC sections 2 and 3)."""

from __future__ import annotations

import base64
from uuid import UUID

from nearproof.crypto import advert
from nearproof.crypto.messages import QrPayload
from nearproof.qr.payload import to_text
from vectors.generate.case import Case, accepted, refused
from vectors.generate.cast import CTI, EID, NONCE, QR, drawn

# Every u-coordinate below 2^255 whose point has small order (RFC 7748 section 6.1; also those of
# the twist, which X25519 takes to zero all the same).
LOW_ORDER_U = {
    "zero": bytes(32),
    "one": bytes([1]) + bytes(31),
    "order-8": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    "order-8-twist": bytes.fromhex(
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"
    ),
    "p-minus-1": bytes.fromhex("ec" + "ff" * 30 + "7f"),
    "p": bytes.fromhex("ed" + "ff" * 30 + "7f"),
    "p-plus-1": bytes.fromhex("ee" + "ff" * 30 + "7f"),
}


def text_of(payload: bytes) -> str:
    return "PXP1:" + base64.b32encode(payload).decode().rstrip("=")


def qr_cases() -> list[Case]:
    good, raw = to_text(QR), QR.encode()
    typed = "-".join(good[at : at + 4] for at in range(0, len(good), 4)).lower()

    def ok(id: str, description: str, text: str) -> Case:
        return accepted("qr", "read", id, description, text=text)

    def bad(id: str, code: str, description: str, text: str) -> Case:
        return refused("qr", "read", id, description, code=code, text=text)

    return [
        ok("valid", "A QR's text", good),
        ok("latest-iat", "The largest iat", to_text(QrPayload(*_parts(), 2**32 - 1))),
        ok("typed", "Typed: lower case, a hyphen after every fourth symbol", typed),
        ok("spaced", "Typed: spaces, also within the prefix", " P XP1: " + good[5:] + " "),
        ok("line-breaks", "Tabs and line breaks", f"{good[:40]}\r\n\t{good[40:]}\n"),
        bad("foreign-url", "foreign", "A web address", "https://example.org/pxp1"),
        bad("foreign-empty", "foreign", "An empty text", ""),
        bad("foreign-bare", "foreign", "The right symbols without the prefix", good[5:]),
        bad("version-prefix", "unknown_version", "Prefix PXP2:", "PXP2:" + good[5:]),
        bad("version-prefix-001", "unknown_version", "Prefix PXP001:", "PXP001:" + good[5:]),
        bad("foreign-prefix", "foreign", "Prefix PXP1234: of four digits", "PXP1234:" + good[5:]),
        bad("version-2", "unknown_version", "Version byte 2", text_of(b"\x02" + raw[1:])),
        bad("version-0", "unknown_version", "Version byte 0", text_of(b"\x00" + raw[1:])),
        bad("flag-low", "unknown_version", "Flags 0x01", text_of(b"\x01\x01" + raw[2:])),
        bad("flag-high", "unknown_version", "Flags 0x80", text_of(b"\x01\x80" + raw[2:])),
        bad("short", "damaged", "The last symbol is missing", good[:-1]),
        bad("long", "damaged", "One symbol too many", good + "A"),
        bad("padding", "damaged", "Padded: 8 symbols of = at the end", good + "=" * 8),
        bad("in-padding", "damaged", "Padding in the place of symbols", good[:-6] + "=" * 6),
        bad("alphabet", "damaged", "0 and 1 are no symbols of base32", good[:-2] + "01"),
        bad("non-ascii", "damaged", "A dotless i is not an I typed small", good[:-1] + "\u0131"),
        bad("size-69", "damaged", "69 bytes", text_of(raw[:-1])),
        bad(
            "size-before-version", "damaged", "69 bytes of version 2", text_of(b"\x02" + raw[1:-1])
        ),
        bad("size-75", "damaged", "75 bytes", text_of(raw + bytes(5))),
        bad("empty", "damaged", "The prefix alone", "PXP1:"),
        *(
            bad(f"q-{name}", "damaged", f"Q_pub of low order: {name}", _with_q(u))
            for name, u in LOW_ORDER_U.items()
        ),
        bad(
            "q-high-bit",
            "damaged",
            "Q_pub 0 with the top bit set, which X25519 ignores",
            _with_q(bytes(31) + b"\x80"),
        ),
    ]


def advert_cases() -> list[Case]:
    raw = QR.encode()
    other = QrPayload(drawn("another secret", 16), *_parts()[1:], QR.iat)

    def bad(id: str, description: str, uuid: bytes, qr: bytes = raw) -> Case:
        return refused("advert", "match", id, description, qr=qr, uuid=str(UUID(bytes=uuid)))

    def flipped(bit: int) -> bytes:
        return bytes(b ^ (0x80 >> bit % 8 if at == bit // 8 else 0) for at, b in enumerate(EID))

    return [
        accepted(
            "advert", "seal", "seal", "EID, as a UUID, and as on the air", qr=raw, nonce=NONCE
        ),
        accepted("advert", "seal", "seal-zero", "No bits are forced", qr=raw, nonce=bytes(10)),
        accepted("advert", "match", "match", "Our own EID", qr=raw, uuid=str(UUID(bytes=EID))),
        accepted(
            "advert",
            "match",
            "upper-case",
            "A UUID's string in upper case",
            qr=raw,
            uuid=str(UUID(bytes=EID)).upper(),
        ),
        bad("reversed", "The bytes in the order of the air", EID[::-1]),
        bad("foreign", "A random UUID", drawn("foreign uuid", 16)),
        bad("zero", "All zero", bytes(16)),
        bad("other-qr", "An EID of another QR", advert.seal(other, NONCE)),
        bad("other-qr-reads", "Our EID, heard by a reader of another QR", EID, other.encode()),
        bad("flip-first", "The first bit of N flipped", flipped(0)),
        bad("flip-n", "The last bit of N flipped", flipped(79)),
        bad("flip-mac", "The first bit of the MAC flipped", flipped(80)),
        bad("flip-last", "The last bit of the MAC flipped", flipped(127)),
    ]


def _parts() -> tuple[bytes, bytes, bytes]:
    return QR.secret, QR.q_public, CTI


def _with_q(u: bytes) -> str:
    raw = QR.encode()
    return text_of(raw[:18] + u + raw[50:])
