"""OLD's half of the cryptography: one QR's keys, and what a message does with them.

Nothing here changes: a message that opens yields a new value, which the session may keep.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nearproof.crypto import advert, cose, handshake, noise
from nearproof.crypto.errors import KeyRefused, SealBroken
from nearproof.crypto.grant import Grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import ACK, M1, M2, SECRET_SIZE, T1, T2, QrPayload
from nearproof.crypto.primitives import (
    KEY_SIZE,
    Randomness,
    aead_open,
    aead_seal,
    equal,
    x25519_public,
)
from nearproof.crypto.proof import Proof, Rtt, Transcript, make_proof, read_pop


@dataclass(frozen=True, slots=True)
class Opened:
    """An m1 that opened and has our version and shape."""

    message: bytes = field(repr=False)
    com: bytes = field(repr=False)
    accepted: noise.Accepted


@dataclass(frozen=True, slots=True)
class Peer:
    """A t1 that holds."""

    message: bytes = field(repr=False)
    said: T1
    code: str = field(repr=False)
    """The six digits that NEW shows."""


@dataclass(frozen=True, slots=True)
class Responder:
    """The keys of one QR."""

    device_key: DeviceKey
    grant: Grant
    qr: QrPayload
    eid: bytes = field(repr=False)
    _q: bytes = field(repr=False)

    @classmethod
    def create(
        cls, device_key: DeviceKey, grant: Grant, iat: int, randomness: Randomness
    ) -> Responder:
        """Draw Q (32 bytes), the secret (16) and the advert's nonce (10), in this order."""
        q = randomness(KEY_SIZE)
        qr = QrPayload(randomness(SECRET_SIZE), x25519_public(q), grant.cti, iat)
        return cls(device_key, grant, qr, advert.seal(qr, randomness(advert.NONCE_SIZE)), q)

    def open_m1(self, message: bytes) -> Opened:
        """Raises `SealBroken`, `KeyRefused`, `EncodingError`, or `UnknownVersion`."""
        accepted = noise.accept(
            psk=handshake.psk(self.qr, self.eid),
            prologue=handshake.prologue(self.qr, self.eid),
            s=self._q,
            message=message,
        )
        return Opened(message, M1.decode(accepted.payload).com, accepted)

    def bind(self, opened: Opened, e: bytes) -> Binding:
        """Answer this m1 with the ephemeral key `e` (32 random bytes)."""
        m2 = M2(self.grant.policy.rounds, self.device_key.kid)
        reply, session = opened.accepted.reply(e=e, payload=m2.encode())
        transcript = Transcript(session.h, self.qr.txn, self.qr.qrh, self.eid)
        return Binding(self, opened.message, reply, opened.com, session, transcript)


@dataclass(frozen=True, slots=True)
class Binding:
    """The QR, tied to the NEW that sent the first valid m1."""

    _responder: Responder
    m1: bytes = field(repr=False)
    m2: bytes = field(repr=False)
    _com: bytes = field(repr=False)
    _session: noise.Session
    _transcript: Transcript

    def open_t1(self, message: bytes) -> bytes:
        """The plaintext.  Raises `SealBroken`."""
        return aead_open(self._session.k1, 0, message)

    def judge_t1(self, message: bytes, plaintext: bytes) -> Peer:
        """NEW, if everything in t1 holds; the commitment first, since the code rests on it.

        Raises a `PeerError`.
        """
        t1 = T1.decode(plaintext)
        if not equal(handshake.commitment(t1.r, t1.new_public), self._com):
            raise SealBroken("t1 does not open the commitment of m1")
        if equal(t1.new_public, self._responder.device_key.public):
            raise KeyRefused("D is O")
        # verify1 refuses a bad D before it looks at the signature.
        pop = read_pop(cose.verify1(t1.pop, cose.TYP_POP, t1.new_public), t1.new_public)
        if (pop.transcript, pop.old_kid) != (self._transcript, self._responder.device_key.kid):
            raise SealBroken("the PoP is of another session")
        return Peer(message, t1, handshake.check_code(self._session, t1.r, t1.new_public))

    def rounds_key(self) -> bytes:
        """k_rtt."""
        return handshake.rounds_key(self._session)

    def prove(self, peer: Peer, rtt: Rtt, iat: int) -> bytes:
        """The message t2 with a proof made at `iat` (UNIX seconds): to be made once."""
        key = self._responder.device_key
        proof = Proof(
            iss=key.kid.hex(),
            iat=iat,
            new_public=peer.said.new_public,
            transcript=self._transcript,
            qr_iat=self._responder.qr.iat,
            rtt=rtt,
            rssi=peer.said.rssi,
        )
        t2 = T2(make_proof(key, proof), self._responder.grant.raw)
        return aead_seal(self._session.k2, 0, t2.encode())

    def open_ack(self, message: bytes) -> None:
        """Raises `SealBroken` unless NEW confirms."""
        if not equal(aead_open(self._session.k1, 1, message), ACK):
            raise SealBroken("an ack that says something else")
