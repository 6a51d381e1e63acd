"""The proof, the proof of possession, and the bundle of both with the grant (SPEC, section 8).

The functions here make and read tokens; whether they belong together is for `verifier`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nearproof.crypto import cbor, cose
from nearproof.crypto.errors import EncodingError
from nearproof.crypto.identity import KID_SIZE, DeviceKey, confirmation, read_confirmation
from nearproof.crypto.messages import EID_SIZE, MAX_ROUNDS, RSSI_RANGE, TXN_SIZE
from nearproof.crypto.primitives import equal, sha256

MAX_BUNDLE: Final = 4096
"""Bytes."""

PROFILE: Final = "urn:uuid:6e702d00-5058-5031-8000-6e6561727066"
"""The eat_profile (RFC 9711 4.3.2) of a PXP1 proof."""
METHOD: Final = "ble-gatt-1"
"""How nearness was shown: a BLE connection and a check code typed by a person."""
CODE_TYPED: Final = 1
"""The person typed the right check code, at the only try."""
PROXIMITY_CLAIM: Final = -70001

MAX_RTT_US: Final = 2_000_000

_ISS, _IAT, _CNF, _NONCE, _EAT_PROFILE = 1, 6, 8, 10, 265


@dataclass(frozen=True, slots=True)
class Transcript:
    """What ties a token to one session."""

    h: bytes
    """The Noise handshake hash, 32 bytes."""
    txn: bytes
    """16 bytes."""
    qrh: bytes
    """SHA-256 of the QR's 70 bytes, 32 bytes."""
    eid: bytes = field(repr=False)
    """16 bytes; out of logs while it is on the air."""


@dataclass(frozen=True, slots=True)
class Rtt:
    """Round-trip times that OLD measured, in microseconds; all zero if none was answered."""

    median_us: int = 0
    """The lower median."""
    min_us: int = 0
    n: int = 0
    """How many rounds were answered."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The claims of a proof."""

    iss: str
    """Kid of O, lower-case hex."""
    iat: int
    """UNIX seconds on OLD's clock: when the right code was typed."""
    new_public: bytes
    """D, 32 bytes."""
    transcript: Transcript
    qr_iat: int
    """UNIX seconds on OLD's clock: when the QR was made."""
    rtt: Rtt
    rssi: int | None
    """dBm of the advert as NEW says it heard it."""
    profile: str = PROFILE
    method: str = METHOD


@dataclass(frozen=True, slots=True)
class Pop:
    """The claims of a proof of possession."""

    transcript: Transcript
    old_kid: bytes
    """16 bytes."""
    new_key_hash: bytes
    """SHA-256 of D, 32 bytes."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What NEW hands to the backend."""

    proof: bytes = field(repr=False)
    grant: bytes = field(repr=False)
    pop: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bundle's bytes: {1: proof, 2: G, 3: PoP}, each a byte string."""
        return cbor.encode({1: self.proof, 2: self.grant, 3: self.pop})

    @classmethod
    def decode(cls, data: bytes) -> Bundle:
        """Raises `EncodingError`; the tokens are not judged here."""
        with cbor.MapReader(cbor.decode(data, max_size=MAX_BUNDLE)) as fields:
            return cls(fields.blob(1), fields.blob(2), fields.blob(3))


def make_proof(old_key: DeviceKey, proof: Proof) -> bytes:
    """Sign a proof with O: a COSE_Sign1, about 410 bytes."""
    session = proof.transcript
    proximity: dict[int, cbor.Encodable] = {
        1: session.h,
        2: session.qrh,
        3: session.eid,
        4: proof.qr_iat,
        5: [proof.rtt.median_us, proof.rtt.min_us, proof.rtt.n],
        7: CODE_TYPED,
        8: proof.method,
    }
    if proof.rssi is not None:
        proximity[6] = proof.rssi
    claims: dict[int, cbor.Encodable] = {
        _ISS: proof.iss,
        _IAT: proof.iat,
        _CNF: confirmation(proof.new_public),
        _NONCE: session.txn,
        _EAT_PROFILE: proof.profile,
        PROXIMITY_CLAIM: proximity,
    }
    return cose.sign1(old_key, cose.TYP_PROOF, claims)


def read_proof(claims: dict[int, cbor.Value]) -> Proof:
    """Read verified claims.  Raises `EncodingError`; profile and method are read, not judged."""
    with cbor.MapReader(claims) as fields:
        iss = fields.text(_ISS)
        iat = fields.uint32(_IAT)
        new_public = read_confirmation(fields.item(_CNF))
        txn = fields.octets(_NONCE, TXN_SIZE)
        profile = fields.text(_EAT_PROFILE)
        proximity = fields.item(PROXIMITY_CLAIM)
    with cbor.MapReader(proximity) as fields:
        fields.constant(7, CODE_TYPED)
        return Proof(
            iss=iss,
            iat=iat,
            new_public=new_public,
            transcript=Transcript(
                fields.octets(1, 32), txn, fields.octets(2, 32), fields.octets(3, EID_SIZE)
            ),
            qr_iat=fields.uint32(4),
            rtt=_read_rtt(fields.array(5)),
            rssi=fields.integer(6, *RSSI_RANGE) if 6 in fields else None,
            profile=profile,
            method=fields.text(8),
        )


def make_pop(new_key: DeviceKey, transcript: Transcript, old_kid: bytes) -> bytes:
    """D signs the session it takes part in: a COSE_Sign1, about 290 bytes."""
    claims: dict[int, cbor.Encodable] = {
        1: transcript.h,
        2: transcript.txn,
        3: transcript.qrh,
        4: transcript.eid,
        5: old_kid,
        6: sha256(new_key.public),
    }
    return cose.sign1(new_key, cose.TYP_POP, claims)


def read_pop(claims: dict[int, cbor.Value], new_public: bytes) -> Pop:
    """Read claims verified under D.  Raises `EncodingError`, also if they hash another key."""
    with cbor.MapReader(claims) as fields:
        transcript = Transcript(
            h=fields.octets(1, 32),
            txn=fields.octets(2, TXN_SIZE),
            qrh=fields.octets(3, 32),
            eid=fields.octets(4, EID_SIZE),
        )
        pop = Pop(transcript, fields.octets(5, KID_SIZE), fields.octets(6, 32))
    if not equal(pop.new_key_hash, sha256(new_public)):
        raise EncodingError("the PoP holds the hash of another key")
    return pop


def _read_rtt(values: list[cbor.Value]) -> Rtt:
    match values:
        case [int(median), int(low), int(n)]:
            answered = 0 <= low <= median <= MAX_RTT_US and 1 <= n <= MAX_ROUNDS
            if answered or median == low == n == 0:
                return Rtt(median, low, n)
        case _:
            pass
    raise EncodingError("rtt is not [lower median, min, n]")
