"""The verifier: does a bundle prove that NEW stood at OLD (SPEC, section 9)?

Steps 1 to 7 need the issuer's public key and nothing else.  Step 8 is the backend's, but for the
clock, which `at` stands for offline.  The first check that fails names the refusal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nearproof.crypto import cose
from nearproof.crypto.errors import RefusalCode, VerificationError
from nearproof.crypto.grant import Grant, open_grant
from nearproof.crypto.identity import kid as kid_of
from nearproof.crypto.primitives import equal
from nearproof.crypto.proof import (
    CODE_TYPED,
    MAX_BUNDLE,
    METHOD,
    PROFILE,
    Bundle,
    Pop,
    Proof,
    Rtt,
    read_pop,
    read_proof,
)
from nearproof.crypto.refusals import refused_at

MAX_AGE: Final = 300
"""Seconds from the QR to the proof: 180 for m1 and 120 for the code."""


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """What a bundle that passed says."""

    grant: Grant
    old_public: bytes
    """O, 32 bytes."""
    old_kid: bytes
    new_public: bytes
    """D, 32 bytes."""
    new_kid: bytes
    txn: bytes
    h: bytes
    qrh: bytes
    eid: bytes = field(repr=False)
    qr_iat: int
    """UNIX seconds on OLD's clock."""
    iat: int
    """UNIX seconds on OLD's clock."""
    rtt: Rtt
    rssi: int | None
    code: int
    """1: the check code was typed."""
    method: str
    expiry_judged: bool
    """Whether `at` was given; without it the grant may have expired long ago."""


def verify_bundle(data: bytes, issuer_public: bytes, *, at: int | None = None) -> VerifiedBundle:
    """Judge a bundle under the pinned issuer key (32 bytes), at the UNIX time `at` if given.

    Raises `VerificationError` with the step and the code of the first check that failed, or
    `LocalError` if the pinned key itself is unusable.
    """
    bundle, grant_token, proof_token, pop_token = _parse(data)
    grant = open_grant(bundle.grant, grant_token, issuer_public)
    proof = _open_proof(proof_token, grant)
    pop = _open_pop(pop_token, proof, grant)
    _check_bindings(grant, proof, pop)
    _check_times(grant, proof)
    _check_policy(grant, proof)
    if at is not None:
        _check_clock(grant, at)
    return VerifiedBundle(
        grant=grant,
        old_public=grant.cnf,
        old_kid=kid_of(grant.cnf),
        new_public=proof.new_public,
        new_kid=kid_of(proof.new_public),
        txn=proof.transcript.txn,
        h=proof.transcript.h,
        qrh=proof.transcript.qrh,
        eid=proof.transcript.eid,
        qr_iat=proof.qr_iat,
        iat=proof.iat,
        rtt=proof.rtt,
        rssi=proof.rssi,
        code=CODE_TYPED,
        method=proof.method,
        expiry_judged=at is not None,
    )


def _parse(
    data: bytes,
) -> tuple[Bundle, cose.Unverified, cose.Unverified, cose.Unverified]:
    """Step 1: size, strict CBOR, exact headers."""
    if not 1 <= len(data) <= MAX_BUNDLE:
        raise VerificationError(1, RefusalCode.SIZE, f"{len(data)} bytes")
    with refused_at(1):
        bundle = Bundle.decode(data)
        return (
            bundle,
            cose.parse(bundle.grant, cose.TYP_GRANT),
            cose.parse(bundle.proof, cose.TYP_PROOF),
            cose.parse(bundle.pop, cose.TYP_POP),
        )


def _open_proof(token: cose.Unverified, grant: Grant) -> Proof:
    """Step 3: the proof under G.cnf (step 2 is `open_grant`)."""
    with refused_at(
        3,
        shape=RefusalCode.PROOF_CLAIMS,
        key=RefusalCode.OLD_KEY,
        signature=RefusalCode.PROOF_SIGNATURE,
    ):
        proof = read_proof(token.verify(grant.cnf))
    if proof.iss != kid_of(grant.cnf).hex():
        raise VerificationError(3, RefusalCode.PROOF_CLAIMS, "iss is not the kid of O")
    return proof


def _open_pop(token: cose.Unverified, proof: Proof, grant: Grant) -> Pop:
    """Step 4: the PoP under the proof's cnf, a good key that is not O's."""
    with refused_at(
        4,
        shape=RefusalCode.POP_CLAIMS,
        key=RefusalCode.NEW_KEY,
        signature=RefusalCode.POP_SIGNATURE,
    ):
        # A bad D is refused by verify; it cannot be O, which step 3 found good.
        if equal(proof.new_public, grant.cnf):
            raise VerificationError(4, RefusalCode.SAME_KEY, "D is O")
        return read_pop(token.verify(proof.new_public), proof.new_public)


def _check_bindings(grant: Grant, proof: Proof, pop: Pop) -> None:
    """Step 5: all three speak of one transaction, one session and one O."""
    if not grant.cti == proof.transcript.txn == pop.transcript.txn:
        raise VerificationError(5, RefusalCode.TXN_MISMATCH, "txn differs between the tokens")
    if proof.transcript != pop.transcript:
        raise VerificationError(
            5, RefusalCode.SESSION_MISMATCH, "h, qrh or EID differ between proof and PoP"
        )
    if pop.old_kid != kid_of(grant.cnf):
        raise VerificationError(5, RefusalCode.OLD_KID_MISMATCH, "the PoP names another O")


def _check_times(grant: Grant, proof: Proof) -> None:
    """Step 6: the order of times."""
    if not grant.nbf <= proof.qr_iat <= proof.iat <= grant.exp:
        raise VerificationError(6, RefusalCode.TIME_ORDER, "not nbf <= QR iat <= iat <= exp")
    if proof.iat - proof.qr_iat > MAX_AGE:
        raise VerificationError(
            6, RefusalCode.TIME_ORDER, f"the proof is more than {MAX_AGE} s younger than the QR"
        )


def _check_policy(grant: Grant, proof: Proof) -> None:
    """Step 7: the issuer's terms and ours."""
    grant.check_policy()
    if proof.rtt.n > grant.policy.rounds:
        raise VerificationError(7, RefusalCode.POLICY, "more rounds than the grant allows")
    if proof.profile != PROFILE or proof.method != METHOD:
        raise VerificationError(7, RefusalCode.PROFILE, "another profile or method")


def _check_clock(grant: Grant, at: int) -> None:
    """The offline half of step 8: the grant's life against the caller's clock."""
    if at < grant.nbf:
        raise VerificationError(8, RefusalCode.NOT_YET_VALID, f"before nbf {grant.nbf}")
    if at > grant.exp:
        raise VerificationError(8, RefusalCode.EXPIRED, f"after exp {grant.exp}")
