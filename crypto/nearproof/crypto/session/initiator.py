"""NEW's half of the cryptography: one scan's keys, and what a message does with them.

Nothing here changes: a message that opens yields a new value, which the session may keep.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nearproof.crypto import handshake, noise
from nearproof.crypto.errors import SealBroken
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import ACK, M1, M2, T1, T2, QrPayload
from nearproof.crypto.primitives import aead_open, aead_seal
from nearproof.crypto.proof import Bundle, Transcript, make_pop
from nearproof.crypto.verifier import VerifiedBundle, verify_bundle


@dataclass(frozen=True, slots=True)
class Initiator:
    """One scan of one QR: r serves this one and no other."""

    qr: QrPayload
    device_key: DeviceKey
    label: str
    issuer_public: bytes
    r: bytes = field(repr=False)

    def start(self, eid: bytes, e: bytes) -> Candidate:
        """Make m1 for one advert, with the ephemeral key `e` (32 random bytes)."""
        m1 = M1(handshake.commitment(self.r, self.device_key.public))
        initiated = noise.initiate(
            psk=handshake.psk(self.qr, eid),
            prologue=handshake.prologue(self.qr, eid),
            rs=self.qr.q_public,
            e=e,
            payload=m1.encode(),
        )
        return Candidate(self, eid, initiated)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An advert that may be OLD's, and the one m1 ever made for it."""

    _initiator: Initiator
    eid: bytes = field(repr=False)
    _initiated: noise.Initiated

    @property
    def m1(self) -> bytes:
        """The message."""
        return self._initiated.message

    def join(self, message: bytes, rssi: int | None) -> Joined:
        """Read m2, and make t1 with the advert's `rssi` (dBm).

        Raises `SealBroken`, `KeyRefused`, `EncodingError`, or `UnknownVersion`.
        """
        payload, session = self._initiated.finish(message)
        m2 = M2.decode(payload)
        new = self._initiator
        transcript = Transcript(session.h, new.qr.txn, new.qr.qrh, self.eid)
        pop = make_pop(new.device_key, transcript, m2.old_kid)
        t1 = T1(new.device_key.public, new.r, new.label, pop, rssi)
        sealed = aead_seal(session.k1, 0, t1.encode())
        return Joined(new, message, m2, t1, sealed, session, transcript)


@dataclass(frozen=True, slots=True)
class Joined:
    """OLD has answered: this one is final."""

    _initiator: Initiator
    m2: bytes = field(repr=False)
    _said: M2
    _t1: T1
    t1: bytes = field(repr=False)
    _session: noise.Session
    _transcript: Transcript

    @property
    def eid(self) -> bytes:
        """The EID of OLD, 16 bytes."""
        return self._transcript.eid

    @property
    def rounds(self) -> int:
        """How many rounds OLD announced."""
        return self._said.rounds

    def check_code(self) -> str:
        """The six digits to show, once t1 is out."""
        return handshake.check_code(self._session, self._t1.r, self._t1.new_public)

    def answer_round(self, challenge: bytes) -> bytes:
        """The 8 bytes that answer i | c_i."""
        return handshake.round_answer(handshake.rounds_key(self._session), challenge)

    def open_t2(self, message: bytes) -> bytes:
        """The plaintext.  Raises `SealBroken`."""
        return aead_open(self._session.k2, 0, message)

    def judge_t2(self, plaintext: bytes) -> bytes:
        """The bundle, if it holds and is of this very session.  Raises a `PeerError`."""
        t2 = T2.decode(plaintext)
        bundle = Bundle(t2.proof, t2.grant, self._t1.pop).encode()
        self._check_ours(verify_bundle(bundle, self._initiator.issuer_public))
        return bundle

    def _check_ours(self, says: VerifiedBundle) -> None:
        # Proof and PoP agree (step 5), and the PoP is our own, so these are ours already; said
        # again here, since all rests on it.
        theirs = Transcript(says.h, says.txn, says.qrh, says.eid), says.new_public, says.old_kid
        ours = self._transcript, self._initiator.device_key.public, self._said.old_kid
        if theirs != ours:
            raise SealBroken("the proof is of another session, D or O")
        if says.grant.policy.rounds != self._said.rounds:
            raise SealBroken("m2 announced other rounds than the grant allows")
        if (says.qr_iat, says.rssi) != (self._initiator.qr.iat, self._t1.rssi):
            raise SealBroken("the proof holds another QR time or rssi than ours")

    def seal_ack(self) -> bytes:
        """The message ack, the same bytes each time."""
        return aead_seal(self._session.k1, 1, ACK)
