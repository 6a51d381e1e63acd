"""SPEC sections 5, 8 and 9: what grant, proof and PoP claim, and the order of judging them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vectors.pxp1 import cbor, tokens
from vectors.pxp1.messages import MAX_ROUNDS, is_bytes, is_rssi, is_unsigned, shape
from vectors.pxp1.primitives import check_key, kid, sha256
from vectors.pxp1.refused import Refused

MAX_BUNDLE = 4096
UINT32 = 2**32 - 1
LIFE = 600
QR_LIFE = 300
QR_TTL = 180
MAX_RTT = 2_000_000
POLICY = -70002
PROXIMITY = -70001
PROFILE = "urn:uuid:6e702d00-5058-5031-8000-6e6561727066"
METHOD = "ble-gatt-1"


@dataclass(frozen=True)
class Grant:
    raw: bytes
    iss: str
    cti: bytes
    nbf: int
    exp: int
    old_public: bytes
    qr_ttl: int
    rounds: int


@dataclass(frozen=True)
class Proof:
    raw: bytes
    iat: int
    new_public: bytes
    nonce: bytes
    profile: str
    h: bytes
    qrh: bytes
    eid: bytes
    qr_iat: int
    rtt: tuple[int, int, int]
    rssi: int | None
    method: str


@dataclass(frozen=True)
class Pop:
    raw: bytes
    h: bytes
    txn: bytes
    qrh: bytes
    eid: bytes
    old_kid: bytes
    device_hash: bytes


@dataclass(frozen=True)
class Judged:
    """An accepted bundle."""

    grant: Grant
    proof: Proof
    pop: Pop
    expiry_judged: bool


def verify_bundle(data: bytes, issuer: bytes, *, at: int | None = None) -> Judged:
    """Steps 1 to 7, and the two offline checks of step 8 if there is a time."""
    grant_token, proof_token, pop_token = _outer(data)
    grant = _grant(grant_token, issuer)
    proof = _proof(proof_token, grant)
    pop = _pop(pop_token, grant, proof)
    _compare(grant, proof, pop)
    _policy(grant, proof)
    if at is not None:
        _require(grant.nbf <= at, 8, "not_yet_valid")
        _require(at <= grant.exp, 8, "expired")
    return Judged(grant, proof, pop, at is not None)


def verify_grant(data: bytes, issuer: bytes) -> Grant:
    """A grant alone: its part of step 1, and step 2."""
    return _grant(_token(data, "grant"), issuer)


@dataclass(frozen=True)
class _Read:
    raw: bytes
    token: tokens.Token


def _outer(data: bytes) -> tuple[_Read, _Read, _Read]:
    _require(1 <= len(data) <= MAX_BUNDLE, 1, "size")
    with _renamed(1, "encoding"):
        bundle = cbor.decode(data)
    _require(shape(bundle, {1, 2, 3}), 1, "encoding")
    _require(all(isinstance(token, bytes) for token in bundle.values()), 1, "encoding")
    grant = _token(bundle[2], "grant")
    proof = _token(bundle[1], "proof")
    return grant, proof, _token(bundle[3], "pop")


def _token(data: bytes, kind: str) -> _Read:
    try:
        return _Read(data, tokens.read(data, kind))
    except Refused as refused:
        raise Refused("verifier", refused.code, step=1) from None


def _grant(read: _Read, issuer: bytes) -> Grant:
    claims: Any = read.token.claims
    with _renamed(2, "grant_signature"):
        _require(read.token.signed_by(issuer), 2, "grant_signature")
    _require(
        shape(claims, {1, 4, 5, 7, 8, POLICY})
        and _is_iss(claims[1])
        and is_unsigned(claims[4], UINT32)
        and is_unsigned(claims[5], UINT32)
        and is_bytes(claims[7], 16)
        and _is_cnf(claims[8])
        and shape(claims[POLICY], {1, 2})
        and is_unsigned(claims[POLICY][1], 2**64 - 1)
        and is_unsigned(claims[POLICY][2], MAX_ROUNDS),
        2,
        "grant_claims",
    )
    policy = claims[POLICY]
    public = claims[8][1][-2]
    return Grant(read.raw, claims[1], claims[7], claims[5], claims[4], public, policy[1], policy[2])


def _proof(read: _Read, grant: Grant) -> Proof:
    claims: Any = read.token.claims
    with _renamed(3, "old_key"):
        check_key(grant.old_public)
    _require(read.token.signed_by(grant.old_public), 3, "proof_signature")
    _require(
        shape(claims, {1, 6, 8, 10, 265, PROXIMITY})
        and claims[1] == kid(grant.old_public).hex()
        and is_unsigned(claims[6], UINT32)
        and _is_cnf(claims[8])
        and is_bytes(claims[10], 16)
        and isinstance(claims[265], str)
        and _is_proximity(claims[PROXIMITY]),
        3,
        "proof_claims",
    )
    near = claims[PROXIMITY]
    return Proof(
        raw=read.raw,
        iat=claims[6],
        new_public=claims[8][1][-2],
        nonce=claims[10],
        profile=claims[265],
        h=near[1],
        qrh=near[2],
        eid=near[3],
        qr_iat=near[4],
        rtt=(near[5][0], near[5][1], near[5][2]),
        rssi=near.get(6),
        method=near[8],
    )


def _pop(read: _Read, grant: Grant, proof: Proof) -> Pop:
    with _renamed(4, "new_key"):
        check_key(proof.new_public)
    _require(proof.new_public != grant.old_public, 4, "same_key")
    _require(read.token.signed_by(proof.new_public), 4, "pop_signature")
    pop = pop_claims(read.raw, read.token)
    _require(pop.device_hash == sha256(proof.new_public), 4, "pop_claims")
    return pop


def pop_claims(raw: bytes, token: tokens.Token) -> Pop:
    claims: Any = token.claims
    sizes = {1: 32, 2: 16, 3: 32, 4: 16, 5: 16, 6: 32}
    fits = shape(claims, set(sizes)) and all(is_bytes(claims[k], n) for k, n in sizes.items())
    _require(fits, 4, "pop_claims")
    return Pop(raw, *(claims[key] for key in sizes))


def _compare(grant: Grant, proof: Proof, pop: Pop) -> None:
    _require(grant.cti == proof.nonce == pop.txn, 5, "txn_mismatch")
    same = (proof.h, proof.qrh, proof.eid) == (pop.h, pop.qrh, pop.eid)
    _require(same, 5, "session_mismatch")
    _require(pop.old_kid == kid(grant.old_public), 5, "old_kid_mismatch")
    ordered = grant.nbf <= proof.qr_iat <= proof.iat <= grant.exp
    _require(ordered and proof.iat - proof.qr_iat <= QR_LIFE, 6, "time_order")


def _policy(grant: Grant, proof: Proof) -> None:
    lives = grant.qr_ttl == QR_TTL and grant.exp == grant.nbf + LIFE
    _require(lives and proof.rtt[2] <= grant.rounds, 7, "policy")
    _require(proof.profile == PROFILE and proof.method == METHOD, 7, "profile")


def _is_iss(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value) <= 128
        and all(0x20 <= ord(one) <= 0x7E for one in value)
    )


def _is_cnf(value: Any) -> bool:
    if not shape(value, {1}) or not shape(value[1], {1, -1, -2}):
        return False
    key = value[1]
    return key[1] == 1 and key[-1] == 6 and is_bytes(key[-2], 32)


def _is_proximity(value: Any) -> bool:
    return (
        shape(value, {1, 2, 3, 4, 5, 7, 8}, frozenset({6}))
        and is_bytes(value[1], 32)
        and is_bytes(value[2], 32)
        and is_bytes(value[3], 16)
        and is_unsigned(value[4], UINT32)
        and _is_rtt(value[5])
        and (6 not in value or is_rssi(value[6]))
        and value[7] == 1
        and isinstance(value[8], str)
    )


def _is_rtt(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3:
        return False
    if not all(is_unsigned(one, MAX_RTT) for one in value):
        return False
    median, minimum, n = value
    return (1 <= n <= MAX_ROUNDS and minimum <= median) or value == [0, 0, 0]


def _require(holds: bool, step: int, code: str) -> None:
    if not holds:
        raise Refused("verifier", code, step=step)


@contextmanager
def _renamed(step: int, code: str) -> Iterator[None]:
    """A refusal of a lower layer gets the verifier's code."""
    try:
        yield
    except Refused:
        raise Refused("verifier", code, step=step) from None
