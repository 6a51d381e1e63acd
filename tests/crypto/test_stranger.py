"""A second NEW, written from the SPEC alone, completes a ceremony with our OLD.

It stands on `noiseprotocol`, `cbor2`, `hashlib` and `cryptography` and imports nothing of ours,
so that a formula that is wrong on both of our sides alike shows here.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from noise.connection import Keypair, NoiseConnection

from crypto.pair import BOOT, ISSUER, OLD_KEY, old_session, only, stream
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.transitions import OldState
from nearproof.crypto.verifier import verify_bundle


def hk(ikm: bytes, salt: bytes, info: bytes) -> bytes:
    """SPEC 1: HKDF-SHA-256, one block."""
    prk = hmac.digest(salt or bytes(32), ikm, "sha256")
    return hmac.digest(prk, info + b"\x01", "sha256")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Stranger:
    """NEW, by the page."""

    def __init__(self, qr: bytes, eid: bytes) -> None:
        draw = stream("stranger")
        self.key = Ed25519PrivateKey.from_private_bytes(draw(32))
        self.public = self.key.public_key().public_bytes_raw()
        self.r = draw(32)
        self.secret, q_public, self.txn = qr[2:18], qr[18:50], qr[50:66]
        self.qrh, self.eid = sha256(qr), eid
        self.noise = NoiseConnection.from_name(b"Noise_NKpsk0_25519_ChaChaPoly_SHA256")
        self.noise.set_psks(hk(self.secret, eid, b"PXP1 psk" + self.qrh))
        self.noise.set_prologue(b"PXP1" + self.qrh + eid)
        self.noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, q_public)
        self.noise.set_as_initiator()
        self.noise.start_handshake()

    def knows_eid(self) -> bool:
        """SPEC 3."""
        k_eid = hk(self.secret, b"", b"PXP1 eid" + self.qrh)
        tag = hmac.digest(k_eid, b"adv" + self.eid[:10], "sha256")
        return self.eid[10:] == tag[:6]

    def m1(self) -> bytes:
        com = sha256(b"PXP1 com" + self.r + self.public)
        return bytes(self.noise.write_message(cbor2.dumps({1: 1, 2: com})))

    def read_m2(self, m2: bytes) -> None:
        state = self.noise.noise_protocol.symmetric_state  # the connection forgets it at the end
        said = cbor2.loads(bytes(self.noise.read_message(m2)))
        assert set(said) == {1, 2, 3} and said[1] == 1
        self.rounds, self.old_kid = said[2], said[3]
        self.h = self.noise.get_handshake_hash()
        self.ck: bytes = state.ck

    def sign1(self, typ: str, claims: dict[int, Any]) -> bytes:
        """SPEC 4."""
        kid = sha256(b"\xa3\x01\x01\x20\x06\x21\x58\x20" + self.public)[:16]
        protected = cbor2.dumps({1: -8, 4: kid, 16: typ})
        payload = cbor2.dumps(claims)
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
        return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, self.key.sign(signed)]))

    def t1(self) -> bytes:
        claims = {
            1: self.h,
            2: self.txn,
            3: self.qrh,
            4: self.eid,
            5: self.old_kid,
            6: sha256(self.public),
        }
        self.pop = self.sign1("application/nearproof-pop+cbor", claims)
        plain = {1: self.public, 2: self.r, 3: "stranger", 4: self.pop, 5: -70}
        return bytes(self.noise.encrypt(cbor2.dumps(plain)))

    def code(self) -> str:
        key = hk(self.ck, b"", b"PXP1 check" + self.h + self.r + self.public)
        return f"{int.from_bytes(key[:8], 'big') % 1_000_000:06d}"

    def answer(self, challenge: bytes) -> bytes:
        k_rtt = hk(self.ck, b"", b"PXP1 rtt")
        return hmac.digest(k_rtt, challenge, "sha256")[:8]

    def bundle(self, t2: bytes) -> bytes:
        said = cbor2.loads(bytes(self.noise.decrypt(t2)))
        return cbor2.dumps({1: said[1], 2: said[2], 3: self.pop})

    def ack(self) -> bytes:
        return bytes(self.noise.encrypt(cbor2.dumps({1: 1})))


def test_a_stranger_completes_a_ceremony() -> None:
    """Every formula of the page, from the EID to the bundle."""
    old = old_session("stranger")
    old.started(BOOT)
    new = Stranger(old.qr.encode(), only(old.outputs(), a.Advertise).eid)
    assert new.knows_eid()

    def say(message: bytes) -> list[a.Output]:
        old.receive("link", message, BOOT)
        return old.outputs()

    old.connected("link", BOOT)
    new.read_m2(only(say(new.m1()), a.SendMessage).message)
    assert (new.rounds, new.old_kid) == (4, OLD_KEY.kid)
    assert only(say(new.t1()), a.CodeWanted).label == "stranger"
    old.rounds_subscribed("link", BOOT)
    challenge = only(old.outputs(), a.SendRound).value
    old.receive_round("link", new.answer(challenge), BOOT + 1234)
    assert only(old.outputs(), a.RoundTimed).rtt == 1234
    old.enter_code(new.code(), BOOT + 5000)
    bundle = new.bundle(only(old.outputs(), a.SendMessage).message)
    says = verify_bundle(bundle, ISSUER.public)
    assert (says.new_public, says.rssi) == (new.public, -70)
    assert (says.rtt.median_us, says.rtt.n) == (1234, 1)
    old.receive("link", new.ack(), BOOT + 6000)
    assert old.state is OldState.DONE


def test_the_bundle_as_a_stranger_reads_it() -> None:
    """SPEC 5 and 8, key by key, with a general CBOR decoder."""
    old = old_session("reader")
    old.started(BOOT)
    new = Stranger(old.qr.encode(), only(old.outputs(), a.Advertise).eid)
    old.connected("link", BOOT)
    old.receive("link", new.m1(), BOOT)
    new.read_m2(only(old.outputs(), a.SendMessage).message)
    old.receive("link", new.t1(), BOOT)
    old.enter_code(new.code(), BOOT)
    t2 = [output for output in old.outputs() if isinstance(output, a.SendMessage)][-1].message
    bundle = cbor2.loads(new.bundle(t2))
    claims = {name: cbor2.loads(cbor2.loads(bundle[name]).value[2]) for name in (1, 2, 3)}
    iat = int.from_bytes(old.qr.encode()[66:], "big")
    cose_key = {1: 1, -1: 6, -2: new.public}
    assert claims[1] == {
        1: OLD_KEY.kid.hex(),
        6: iat,
        8: {1: cose_key},
        10: new.txn,
        265: "urn:uuid:6e702d00-5058-5031-8000-6e6561727066",
        -70001: {
            1: new.h,
            2: new.qrh,
            3: new.eid,
            4: iat,
            5: [0, 0, 0],
            6: -70,
            7: 1,
            8: "ble-gatt-1",
        },
    }
    assert claims[2] == {
        1: "test",
        4: iat + 600,
        5: iat,
        7: new.txn,
        8: {1: {1: 1, -1: 6, -2: OLD_KEY.public}},
        -70002: {1: 180, 2: 4},
    }
    assert list(claims[2]) == [1, 4, 5, 7, 8, -70002]
