"""G, the grant: the issuer lets one OLD show one QR (SPEC, section 5).

A COSE_Sign1 by I over CWT claims (RFC 8392): iss, exp, nbf, cti, cnf = O's public key (RFC 8747),
and the private claim -70002, the policy.  It names no user: NEW sees it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nearproof.crypto import cbor, cose
from nearproof.crypto.errors import (
    EncodingError,
    KeyRefused,
    LocalError,
    RefusalCode,
    VerificationError,
)
from nearproof.crypto.identity import (
    DeviceKey,
    check_public_key,
    confirmation,
    read_confirmation,
)
from nearproof.crypto.messages import MAX_ROUNDS, TXN_SIZE
from nearproof.crypto.refusals import refused_at

LIFETIME: Final = 600
"""Seconds from nbf to exp."""
QR_TTL: Final = 180
"""Seconds that a QR waits for its m1."""
LAST_QR: Final = 300
"""No QR is shown in the last 300 seconds: 180 for m1 and 120 for the code must still fit."""

MAX_ISS: Final = 128
POLICY_CLAIM: Final = -70002

_ISS, _EXP, _NBF, _CTI, _CNF = 1, 4, 5, 7, 8
_QR_TTL, _ROUNDS = 1, 2


@dataclass(frozen=True, slots=True)
class Policy:
    """What the issuer allows one QR."""

    qr_ttl: int = QR_TTL
    """Seconds; PXP1 knows 180 only."""
    rounds: int = 4
    """Round-trip rounds, 0 to 16."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant whose signature has been verified."""

    raw: bytes = field(repr=False)
    """The token itself, to be handed on."""
    iss: str
    """What the issuer calls itself: for people; trust rests on the pinned key alone."""
    cti: bytes
    """16 bytes; the txn of the QR and of the proof."""
    nbf: int
    """UNIX seconds."""
    exp: int
    """UNIX seconds."""
    cnf: bytes
    """O's public key, 32 bytes; not yet judged (step 3)."""
    policy: Policy

    def check_policy(self) -> None:
        """Raise `VerificationError` (step 7, POLICY) unless the terms are those of PXP1."""
        if self.policy.qr_ttl != QR_TTL:
            raise VerificationError(7, RefusalCode.POLICY, f"qr_ttl is not {QR_TTL}")
        if self.exp != self.nbf + LIFETIME:
            raise VerificationError(7, RefusalCode.POLICY, f"exp is not nbf + {LIFETIME}")


def issue_grant(
    issuer: DeviceKey, *, iss: str, cti: bytes, nbf: int, old_public: bytes, policy: Policy
) -> bytes:
    """A new grant for the device with key `old_public`: a COSE_Sign1, about 220 bytes.

    `cti`: 16 random bytes, never used before.  Raises `KeyRefused` for a bad `old_public`,
    `LocalError` for anything else that no verifier would take.
    """
    check_public_key(old_public)
    claims: dict[int, cbor.Encodable] = {
        _ISS: iss,
        _EXP: nbf + LIFETIME,
        _NBF: nbf,
        _CTI: cti,
        _CNF: confirmation(old_public),
        POLICY_CLAIM: {_QR_TTL: policy.qr_ttl, _ROUNDS: policy.rounds},
    }
    try:
        raw = cose.sign1(issuer, cose.TYP_GRANT, claims)
        grant = _read(raw, cose.verify1(raw, cose.TYP_GRANT, issuer.public))
        grant.check_policy()
    except (EncodingError, VerificationError) as error:
        raise LocalError(f"no such grant can be issued: {error}") from None
    return raw


def verify_grant(data: bytes, issuer_public: bytes) -> Grant:
    """The grant, if the issuer's key (32 bytes) signed it: steps 1 and 2 for G alone.

    Raises `VerificationError`, or `LocalError` if the pinned key itself is unusable.
    """
    with refused_at(1):
        token = cose.parse(data, cose.TYP_GRANT)
    return open_grant(data, token, issuer_public)


def open_grant(data: bytes, token: cose.Unverified, issuer_public: bytes) -> Grant:
    """Step 2 alone, for a token that has been parsed from `data`; raises as `verify_grant`."""
    try:
        check_public_key(issuer_public)
    except KeyRefused as error:
        raise LocalError(f"the pinned issuer key is unusable: {error}") from None
    codes = RefusalCode.GRANT_CLAIMS, RefusalCode.GRANT_SIGNATURE
    with refused_at(2, shape=codes[0], signature=codes[1]):
        return _read(data, token.verify(issuer_public))


def _read(raw: bytes, claims: dict[int, cbor.Value]) -> Grant:
    with cbor.MapReader(claims) as fields:
        grant = Grant(
            raw=raw,
            iss=fields.text(_ISS),
            exp=fields.uint32(_EXP),
            nbf=fields.uint32(_NBF),
            cti=fields.octets(_CTI, TXN_SIZE),
            cnf=read_confirmation(fields.item(_CNF)),
            policy=_read_policy(fields.item(POLICY_CLAIM)),
        )
    if not 1 <= len(grant.iss) <= MAX_ISS or not all(" " <= c <= "~" for c in grant.iss):
        raise EncodingError(f"iss is not 1 to {MAX_ISS} printable ASCII characters")
    return grant


def _read_policy(value: cbor.Value) -> Policy:
    with cbor.MapReader(value) as fields:
        return Policy(fields.uint32(_QR_TTL), fields.integer(_ROUNDS, 0, MAX_ROUNDS))
