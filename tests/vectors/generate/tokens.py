"""COSE_Sign1 tokens by themselves (SPEC section 4)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha512
from typing import Any

from nearproof.crypto import cbor
from nearproof.crypto.identity import kid
from nearproof.crypto.primitives import ed25519_public
from vectors.generate.case import Case, accepted, refused
from vectors.generate.cast import (
    FORGED,
    GRANT,
    IDENTITY,
    ISSUER,
    NEW,
    OFF_CURVE,
    OLD,
    STRANGER,
    TYPES,
    Token,
    drawn,
    grant_claims,
    pop,
    proof,
)

GOOD = Token(ISSUER, "grant", grant_claims())
ORDER = 2**252 + 27742317777372353535851937790883648493
"""L, the order of Ed25519's base point."""
HEADERS: dict[int, Any] = {1: -8, 4: ISSUER.kid, 16: TYPES["grant"]}


def token_cases() -> list[Case]:
    def ok(id: str, description: str, token: bytes, typ: str, public: bytes) -> Case:
        inputs = {"token": token, "typ": typ, "public": public}
        return accepted("tokens", "verify", id, description, **inputs)

    return [
        ok("grant", "A grant", GRANT, "grant", ISSUER.public),
        ok("proof", "A proof", proof(), "proof", OLD.public),
        ok("pop", "A PoP", pop(), "pop", NEW.public),
        ok(
            "pin",
            "The fourth typ, with claims of any shape",
            Token(OLD, "pin", {1: "anything"}).encode(),
            "pin",
            OLD.public,
        ),
        *_headers(),
        *_outer_shapes(),
        *_signatures(),
    ]


def _bad(
    id: str,
    code: str,
    description: str,
    token: bytes,
    *,
    typ: str = "grant",
    public: bytes = ISSUER.public,
) -> Case:
    inputs: dict[str, Any] = {"token": token, "typ": typ, "public": public}
    return refused("tokens", "verify", id, description, code=code, **inputs)


def _headers() -> list[Case]:
    def bad(id: str, description: str, **parts: Any) -> Case:
        return _bad(id, "headers", description, replace(GOOD, **parts).encode())

    without = {at: {k: v for k, v in HEADERS.items() if k != at} for at in HEADERS}
    return [
        bad("alg-19", "alg -19 (Ed25519 of RFC 9864)", headers=HEADERS | {1: -19}),
        bad("alg-es256", "alg -7", headers=HEADERS | {1: -7}),
        bad("alg-text", "alg as text", headers=HEADERS | {1: "EdDSA"}),
        bad("no-alg", "No alg", headers=without[1]),
        bad("no-kid", "No kid", headers=without[4]),
        bad("no-typ", "No typ", headers=without[16]),
        bad("kid-15", "A kid of 15 bytes", headers=HEADERS | {4: ISSUER.kid[:15]}),
        bad("kid-text", "A kid as text", headers=HEADERS | {4: ISSUER.kid.hex()}),
        bad("typ-proof", "A proof's typ", headers=HEADERS | {16: TYPES["proof"]}),
        bad("typ-number", "typ as a number", headers=HEADERS | {16: 61}),
        bad("typ-case", "typ in upper case", headers=HEADERS | {16: TYPES["grant"].upper()}),
        bad("content-type", "A content type beside the three", headers=HEADERS | {3: 60}),
        bad("crit", "crit, which nobody here understands", headers=HEADERS | {2: [16]}),
        bad("unprotected-kid", "The kid again, unprotected", unprotected={4: ISSUER.kid}),
        bad("unprotected-alg", "Another alg, unprotected", unprotected={1: -7}),
        bad("protected-array", "protected holds an array", protected=b"\x80"),
        bad("header-empty", "No protected header in its map", headers={}, protected=b"\xa0"),
    ]


def _outer_shapes() -> list[Case]:
    def bad(id: str, description: str, token: bytes) -> Case:
        return _bad(id, "encoding", description, token)

    parts = cbor.decode(GRANT, max_size=2048, tag=18)
    assert isinstance(parts, list)
    protected, unprotected, payload, signature = parts
    claims = grant_claims() | {1: "x" * 1900}
    return [
        bad("empty", "No bytes", b""),
        bad("untagged", "The array without its tag", GRANT[1:]),
        bad("tag-17", "Tag 17, a COSE_Mac0", replace(GOOD, tag=17).encode()),
        bad("tag-98", "Tag 98, a COSE_Sign", replace(GOOD, tag=98).encode()),
        bad("tag-61", "Tag 61 (CWT) before tag 18", b"\xd8\x3d" + GRANT),
        bad("tag-long", "Tag 18 with an argument of one byte", b"\xd8\x12" + GRANT[1:]),
        bad("three-parts", "No signature", _tagged([protected, unprotected, payload])),
        bad("five-parts", "Something after the signature", _tagged([*parts, b""])),
        bad("trailing", "A byte after the token", GRANT + b"\0"),
        bad("cut", "The last byte is missing", GRANT[:-1]),
        bad("protected-map", "protected not in a byte string", _tagged([HEADERS, *parts[1:]])),
        bad("protected-empty", "protected of no bytes", replace(GOOD, protected=b"").encode()),
        bad("protected-twice", "A header twice", replace(GOOD, protected=_twice()).encode()),
        bad(
            "unprotected-array",
            "unprotected is an array",
            _tagged([protected, [], payload, signature]),
        ),
        bad("payload-array", "The payload is an array", replace(GOOD, payload=b"\x80").encode()),
        bad("payload-empty", "The payload has no bytes", replace(GOOD, payload=b"").encode()),
        bad("payload-nil", "A detached payload", GRANT.replace(cbor.encode(payload), b"\xf6", 1)),
        bad(
            "payload-float",
            "A float in the payload",
            replace(GOOD, payload=_payload("f93c00")).encode(),
        ),
        bad(
            "payload-text-key",
            "A claim named by text",
            replace(GOOD, payload=b"\xa1\x61a\x01").encode(),
        ),
        bad(
            "payload-tag", "A tag in the payload", replace(GOOD, payload=_payload("c101")).encode()
        ),
        bad(
            "payload-tagged", "The payload tagged", replace(GOOD, payload=b"\xd8\x3d\xa0").encode()
        ),
        bad(
            "protected-tag", "A tag in a header", replace(GOOD, protected=_payload("c127")).encode()
        ),
        bad("signature-63", "A signature of 63 bytes", replace(GOOD, signature=bytes(63)).encode()),
        bad("signature-65", "A signature of 65 bytes", replace(GOOD, signature=bytes(65)).encode()),
        bad("too-long", "More than 2,048 bytes", replace(GOOD, claims=claims).encode()),
    ]


def _signatures() -> list[Case]:
    def bad(id: str, description: str, token: bytes, **more: Any) -> Case:
        return _bad(id, "signature", description, token, **more)

    signature = GRANT[-64:]
    s = int.from_bytes(signature[32:], "little") + ORDER
    malleated = signature[:32] + s.to_bytes(32, "little")
    return [
        bad(
            "other-signer",
            "Signed by a stranger with its own kid",
            replace(GOOD, signer=STRANGER).encode(),
        ),
        bad(
            "stranger-as-issuer",
            "Signed by a stranger with the issuer's kid",
            replace(GOOD, signer=STRANGER, kid=ISSUER.kid).encode(),
        ),
        bad(
            "kid-of-stranger",
            "The right signature over a stranger's kid",
            replace(GOOD, kid=STRANGER.kid).encode(),
        ),
        bad(
            "bit-in-r", "A bit of R flipped", replace(GOOD, signature=_flip(signature, 0)).encode()
        ),
        bad(
            "bit-in-s", "A bit of S flipped", replace(GOOD, signature=_flip(signature, 32)).encode()
        ),
        bad(
            "s-plus-order",
            "S + L: the signature's other spelling",
            replace(GOOD, signature=malleated).encode(),
        ),
        bad(
            "cofactor",
            "R plus the point of order 2: the equation holds with the cofactor alone",
            _cofactored().encode(),
        ),
        bad("zero", "A signature of zeros", replace(GOOD, signature=bytes(64)).encode()),
        bad(
            "payload-changed",
            "Other claims under the old signature",
            replace(GOOD, claims=grant_claims(rounds=16), signature=signature).encode(),
        ),
        bad(
            "off-curve",
            "A key that is no point",
            Token(STRANGER, "grant", grant_claims(), kid=kid(OFF_CURVE)).encode(),
            public=OFF_CURVE,
        ),
        refused(
            "tokens",
            "verify",
            "identity-key",
            "The neutral element as key, and the signature that fits every message under it",
            token=Token(
                STRANGER, "grant", grant_claims(), kid=kid(IDENTITY), signature=FORGED
            ).encode(),
            typ="grant",
            public=IDENTITY,
            at_layer="keys",
        ),
    ]


def _cofactored() -> Token:
    """A token by I whose R is r B + (0, -1): adding that point negates both coordinates."""
    signed = cbor.encode(["Signature1", cbor.encode(HEADERS), b"", cbor.encode(GOOD.claims)])
    nonce = drawn("seed of r")
    r_point = int.from_bytes(ed25519_public(nonce), "little")
    y, sign = r_point % 2**255, r_point >> 255
    big_r = (2**255 - 19 - y | (1 - sign) << 255).to_bytes(32, "little")
    k = int.from_bytes(sha512(big_r + ISSUER.public + signed).digest(), "little")
    s = (_scalar(nonce) + k * _scalar(ISSUER.seed())) % ORDER
    return replace(GOOD, signature=big_r + s.to_bytes(32, "little"))


def _scalar(seed: bytes) -> int:
    """The secret scalar of an Ed25519 seed (RFC 8032 5.1.5)."""
    low = int.from_bytes(sha512(seed).digest()[:32], "little")
    return low % 2**254 // 8 * 8 + 2**254


def _tagged(parts: Any) -> bytes:
    return cbor.encode(cbor.Tag(18, parts))


def _twice() -> bytes:
    one = cbor.encode(HEADERS)
    return b"\xa4" + one[1:3] + one[1:]


def _payload(value: str) -> bytes:
    return b"\xa1\x01" + bytes.fromhex(value)


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
