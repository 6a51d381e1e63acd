"""Who and what the cases are about: fixed keys, one QR, one session, and tokens to spoil."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nearproof.crypto import advert, cbor, cose
from nearproof.crypto.grant import POLICY_CLAIM, Policy, issue_grant
from nearproof.crypto.identity import DeviceKey, confirmation
from nearproof.crypto.messages import QrPayload
from nearproof.crypto.primitives import sha256, x25519_public
from nearproof.crypto.proof import METHOD, PROFILE, PROXIMITY_CLAIM

NBF = 1_800_000_000
EXP = NBF + 600
QR_IAT = NBF + 20
IAT = NBF + 60


def drawn(name: str, size: int = 32) -> bytes:
    """Bytes that stand for random ones, the same in every run."""
    return sha256(b"PXP1 vectors: " + name.encode())[:size]


def key(name: str) -> DeviceKey:
    return DeviceKey.from_seed(drawn(f"seed of {name}"))


ISSUER, OLD, NEW, STRANGER = key("I"), key("O"), key("D"), key("a stranger")
CTI = drawn("cti", 16)
Q = drawn("Q")
QR = QrPayload(drawn("secret", 16), x25519_public(Q), CTI, QR_IAT)
NONCE = drawn("N", 10)
EID = advert.seal(QR, NONCE)
H = drawn("h")  # of no handshake: the verifier cannot know
IDENTITY = bytes([1]) + bytes(31)
"""The neutral element: as a key it would verify one constant signature of every message."""
FORGED = IDENTITY + bytes(32)
"""That signature: R is the identity, S is 0."""
OFF_CURVE = bytes([2]) + bytes(31)

Claims = dict[int, Any]


def grant_claims(**changes: Any) -> Claims:
    return {
        1: changes.get("iss", "demo"),
        4: changes.get("exp", EXP),
        5: changes.get("nbf", NBF),
        7: changes.get("cti", CTI),
        8: changes.get("cnf", confirmation(changes.get("old", OLD.public))),
        POLICY_CLAIM: {1: changes.get("qr_ttl", 180), 2: changes.get("rounds", 4)},
    }


def proof_claims(**changes: Any) -> Claims:
    proximity = {
        1: changes.get("h", H),
        2: changes.get("qrh", QR.qrh),
        3: changes.get("eid", EID),
        4: changes.get("qr_iat", QR_IAT),
        5: changes.get("rtt", [31_000, 29_500, 4]),
        6: changes.get("rssi", -61),
        7: changes.get("code", 1),
        8: changes.get("method", METHOD),
    }
    if proximity[6] is None:
        del proximity[6]
    return {
        1: changes.get("iss", OLD.kid.hex()),
        6: changes.get("iat", IAT),
        8: confirmation(changes.get("new", NEW.public)),
        10: changes.get("txn", CTI),
        265: changes.get("profile", PROFILE),
        PROXIMITY_CLAIM: proximity | changes.get("more", {}),
    }


def pop_claims(**changes: Any) -> Claims:
    return {
        1: changes.get("h", H),
        2: changes.get("txn", CTI),
        3: changes.get("qrh", QR.qrh),
        4: changes.get("eid", EID),
        5: changes.get("old_kid", OLD.kid),
        6: changes.get("hash", sha256(NEW.public)),
    }


TYPES = {"grant": cose.TYP_GRANT, "proof": cose.TYP_PROOF, "pop": cose.TYP_POP, "pin": cose.TYP_PIN}
GRANT = issue_grant(ISSUER, iss="demo", cti=CTI, nbf=NBF, old_public=OLD.public, policy=Policy())


@dataclass
class Token:
    """A COSE_Sign1 of which every part may be spoilt; what is left alone is right."""

    signer: DeviceKey
    typ: str
    claims: Claims
    headers: Claims | None = None
    protected: bytes | None = None
    unprotected: Any = None
    payload: bytes | None = None
    signature: bytes | None = None
    tag: int = 18
    kid: bytes | None = None

    def encode(self) -> bytes:
        headers = self.headers
        if headers is None:
            headers = {1: -8, 4: self.kid or self.signer.kid, 16: TYPES[self.typ]}
        protected = self.protected if self.protected is not None else cbor.encode(headers)
        payload = self.payload if self.payload is not None else cbor.encode(self.claims)
        signed = cbor.encode(["Signature1", protected, b"", payload])
        signature = self.signature if self.signature is not None else self.signer.sign(signed)
        parts = [protected, self.unprotected or {}, payload, signature]
        return cbor.encode(cbor.Tag(self.tag, parts))


def grant(claims: Claims | None = None, **parts: Any) -> bytes:
    return Token(parts.pop("signer", ISSUER), "grant", claims or grant_claims(), **parts).encode()


def proof(claims: Claims | None = None, **parts: Any) -> bytes:
    return Token(parts.pop("signer", OLD), "proof", claims or proof_claims(), **parts).encode()


def pop(claims: Claims | None = None, **parts: Any) -> bytes:
    return Token(parts.pop("signer", NEW), "pop", claims or pop_claims(), **parts).encode()


def bundle(
    *, proof_: bytes | None = None, grant_: bytes | None = None, pop_: bytes | None = None
) -> bytes:
    return cbor.encode({1: proof_ or proof(), 2: grant_ or grant(), 3: pop_ or pop()})


assert grant() == GRANT
