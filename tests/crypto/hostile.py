"""A NEW and an OLD by hand: honest by default, and free to say anything under the real keys."""

from __future__ import annotations

from typing import Any

from crypto.pair import ISSUER, NEW_KEY, OLD_KEY, grant_for, stream
from nearproof.crypto import advert, cbor, handshake, noise
from nearproof.crypto.grant import Grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import ACK, M1, M2, T1, T2, QrPayload
from nearproof.crypto.primitives import aead_open, aead_seal, x25519_public
from nearproof.crypto.proof import Proof, Rtt, Transcript, make_pop, make_proof


def raw_sign1(
    key: DeviceKey,
    protected: cbor.Encodable,
    claims: cbor.Encodable,
    *,
    unprotected: cbor.Encodable | None = None,
    tag: int = 18,
) -> bytes:
    """A correctly signed COSE_Sign1 with whatever headers and payload."""
    head, payload = cbor.encode(protected), cbor.encode(claims)
    signature = key.sign(cbor.encode(["Signature1", head, b"", payload]))
    parts: Any = [head, {} if unprotected is None else unprotected, payload, signature]
    return cbor.encode(cbor.Tag(tag, parts))


class HandNew:
    """Plays NEW against a real OldSession."""

    def __init__(
        self, qr: QrPayload, eid: bytes, seed: object = 0, *, key: DeviceKey = NEW_KEY
    ) -> None:
        self.qr, self.eid, self.key = qr, eid, key
        draw = stream(f"hand new {seed}")
        self.r, self.e = draw(32), draw(32)
        self._initiated = self._initiate(M1(handshake.commitment(self.r, key.public)).encode())
        self.m1 = self._initiated.message

    def _initiate(self, payload: bytes) -> noise.Initiated:
        return noise.initiate(
            psk=handshake.psk(self.qr, self.eid),
            prologue=handshake.prologue(self.qr, self.eid),
            rs=self.qr.q_public,
            e=self.e,
            payload=payload,
        )

    def m1_with(self, payload: bytes) -> bytes:
        return self._initiate(payload).message

    def read_m2(self, m2: bytes) -> M2:
        payload, self.session = self._initiated.finish(m2)
        self.said = M2.decode(payload)
        self.transcript = Transcript(self.session.h, self.qr.txn, self.qr.qrh, self.eid)
        return self.said

    def pop(self, **changes: bytes) -> bytes:
        fields = {
            "h": self.transcript.h,
            "txn": self.transcript.txn,
            "qrh": self.transcript.qrh,
            "eid": self.transcript.eid,
            "old_kid": self.said.old_kid,
        } | changes
        old_kid = fields.pop("old_kid")
        return make_pop(self.key, Transcript(**fields), old_kid)

    def t1(self, **changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "new_public": self.key.public,
            "r": self.r,
            "label": "hand",
            "pop": self.pop(),
            "rssi": -50,
        }
        return self.t1_with(T1(**(fields | changes)).encode())

    def t1_with(self, plaintext: bytes) -> bytes:
        return aead_seal(self.session.k1, 0, plaintext)

    @property
    def code(self) -> str:
        return handshake.check_code(self.session, self.r, self.key.public)

    def read_t2(self, t2: bytes) -> T2:
        return T2.decode(aead_open(self.session.k2, 0, t2))

    def ack(self, plaintext: bytes = ACK) -> bytes:
        return aead_seal(self.session.k1, 1, plaintext)

    def answer(self, challenge: bytes) -> bytes:
        return handshake.round_answer(handshake.rounds_key(self.session), challenge)


class HandOld:
    """Plays OLD against a real NewSession."""

    def __init__(
        self, seed: object = 0, *, key: DeviceKey = OLD_KEY, grant: Grant | None = None
    ) -> None:
        self.key = key
        self.grant = grant or grant_for(seed, old=key, issuer=ISSUER)
        draw = stream(f"hand old {seed}")
        self.q, self.e = draw(32), draw(32)
        iat = self.grant.nbf + 1
        self.qr = QrPayload(draw(16), x25519_public(self.q), self.grant.cti, iat)
        self.eid = advert.seal(self.qr, draw(10))

    def accept(self, m1: bytes, *, e: bytes | None = None, payload: bytes | None = None) -> bytes:
        """m2."""
        accepted = noise.accept(
            psk=handshake.psk(self.qr, self.eid),
            prologue=handshake.prologue(self.qr, self.eid),
            s=self.q,
            message=m1,
        )
        honest = M2(self.grant.policy.rounds, self.key.kid).encode()
        m2, self.session = accepted.reply(
            e=self.e if e is None else e, payload=honest if payload is None else payload
        )
        self.transcript = Transcript(self.session.h, self.qr.txn, self.qr.qrh, self.eid)
        return m2

    def read_t1(self, t1: bytes) -> T1:
        self.t1 = T1.decode(aead_open(self.session.k1, 0, t1))
        return self.t1

    def proof(self, **changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "iss": self.key.kid.hex(),
            "iat": self.qr.iat + 20,
            "new_public": self.t1.new_public,
            "transcript": self.transcript,
            "qr_iat": self.qr.iat,
            "rtt": Rtt(60_000, 50_000, 4),
            "rssi": self.t1.rssi,
        }
        return make_proof(self.key, Proof(**(fields | changes)))

    def t2(self, proof: bytes | None = None, grant: bytes | None = None) -> bytes:
        said = T2(proof or self.proof(), grant or self.grant.raw)
        return self.t2_with(said.encode())

    def t2_with(self, plaintext: bytes) -> bytes:
        return aead_seal(self.session.k2, 0, plaintext)


def claims_of(token: bytes) -> dict[int, cbor.Value]:
    """The claims of any token, unverified, to be changed and signed anew."""
    parts = cbor.decode(token, max_size=4096, tag=18)
    assert isinstance(parts, list)
    payload = parts[2]
    assert isinstance(payload, bytes)
    claims = cbor.decode(payload, max_size=4096)
    assert isinstance(claims, dict)
    return claims


def headers(key: DeviceKey, typ: str) -> dict[int, cbor.Encodable]:
    """The right protected headers."""
    return {1: -8, 4: key.kid, 16: typ}
