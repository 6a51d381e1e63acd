"""Bundles: what passes; step 1, the clock and the order of the checks (SPEC section 9)."""

from __future__ import annotations

from typing import Any

from nearproof.crypto import cbor
from vectors.generate.case import Case, accepted, refused_bundle
from vectors.generate.cast import (
    EXP,
    IDENTITY,
    ISSUER,
    NBF,
    NEW,
    OLD,
    STRANGER,
    TYPES,
    Claims,
    bundle,
    drawn,
    grant,
    grant_claims,
    pop,
    proof,
    proof_claims,
)

OTHER_16 = drawn("other 16", 16)


def _ok(id: str, description: str, data: bytes, **more: Any) -> Case:
    inputs = {"bundle": data, "issuer": ISSUER.public} | more
    return accepted("verifier", "bundle", id, description, **inputs)


def bundle_cases() -> list[Case]:
    return [*_accepted(), *_step_1(), *_clock(), *_order()]


def _accepted() -> list[Case]:
    no_rounds = bundle(
        grant_=grant(grant_claims(rounds=0)), proof_=proof(proof_claims(rtt=[0, 0, 0]))
    )
    edges = proof_claims(qr_iat=NBF + 300, iat=EXP, rtt=[2_000_000, 0, 4], rssi=20)
    return [
        _ok("honest", "An honest bundle, without a clock", bundle()),
        _ok("at-nbf", "Judged at nbf", bundle(), at=NBF),
        _ok("at-exp", "Judged at exp", bundle(), at=EXP),
        _ok("no-rssi", "An unknown rssi", bundle(proof_=proof(proof_claims(rssi=None)))),
        _ok("no-rounds", "No rounds allowed, none answered", no_rounds),
        _ok("edges", "Times, rtt and rssi at their limits", bundle(proof_=proof(edges))),
        accepted(
            "verifier", "grant", "grant", "A grant alone", token=grant(), issuer=ISSUER.public
        ),
        accepted(
            "verifier",
            "grant",
            "grant-iss",
            "An iss of 128 characters, the first and the last of printable ASCII among them",
            token=grant(grant_claims(iss=" " + "x" * 126 + "~")),
            issuer=ISSUER.public,
        ),
    ]


def _step_1() -> list[Case]:
    def size(id: str, description: str, data: bytes) -> Case:
        return refused_bundle(1, "size", id, description, data)

    def encoding(id: str, description: str, data: bytes) -> Case:
        return refused_bundle(1, "encoding", id, description, data)

    def headers(id: str, description: str, data: bytes) -> Case:
        return refused_bundle(1, "headers", id, description, data)

    good = bundle()
    headed = {1: -8, 4: OLD.kid, 16: TYPES["proof"]}
    return [
        size("empty", "No bytes", b""),
        size("4097", "4,097 bytes", good + bytes(4097 - len(good))),
        encoding("4096", "4,096 bytes, most of them after the bundle", good.ljust(4096, b"\0")),
        encoding("trailing", "A byte after the bundle", good + b"\0"),
        encoding("cut", "The last byte is missing", good[:-1]),
        encoding("array", "An array of the three", cbor.encode([proof(), grant(), pop()])),
        encoding("no-pop", "No PoP", cbor.encode({1: proof(), 2: grant()})),
        encoding("fourth", "A fourth key", cbor.encode({1: proof(), 2: grant(), 3: pop(), 4: b""})),
        encoding("unwrapped", "A token not in a byte string", b"\xa3\x01" + proof() + good[-1:]),
        encoding("text", "A token as text", cbor.encode({1: "", 2: grant(), 3: pop()})),
        encoding("swapped", "Keys 2, 1, 3", _reordered()),
        encoding("untagged", "The proof without its tag", bundle(proof_=proof()[1:])),
        encoding("payload", "true in the PoP's payload", bundle(pop_=pop(payload=b"\xa1\x01\xf5"))),
        encoding(
            "tagged-date",
            "nbf under tag 1, properly signed",
            bundle(grant_=grant(payload=_grant_with_nbf(b"\xc1" + cbor.encode(NBF)))),
        ),
        encoding(
            "long-int",
            "nbf longer than needed, properly signed",
            bundle(grant_=grant(payload=_grant_with_nbf(b"\x1b" + NBF.to_bytes(8, "big")))),
        ),
        encoding(
            "token-2049",
            "A proof of more than 2,048 bytes",
            bundle(proof_=proof(proof_claims(method="x" * 1800))),
        ),
        headers("grant-as-proof", "Grant in the place of the proof", bundle(proof_=grant())),
        headers("proof-as-pop", "Proof in the place of the PoP", bundle(pop_=proof())),
        headers("pin", "A PIN token as PoP", bundle(pop_=pop(headers=_typ("pin")))),
        headers("alg", "alg -19", bundle(proof_=proof(headers=headed | {1: -19}))),
        headers(
            "unprotected",
            "The proof's kid unprotected as well",
            bundle(proof_=proof(unprotected={4: OLD.kid})),
        ),
        headers(
            "more",
            "A header too many in the grant",
            bundle(grant_=grant(headers=_typ("grant", ISSUER.kid) | {3: 60})),
        ),
    ]


def _clock() -> list[Case]:
    late = bundle(grant_=grant(grant_claims(qr_ttl=179)))
    return [
        refused_bundle(8, "not_yet_valid", "nbf", "A second before nbf", bundle(), at=NBF - 1),
        refused_bundle(8, "not_yet_valid", "zero", "At the epoch", bundle(), at=0),
        refused_bundle(8, "expired", "exp", "A second after exp", bundle(), at=EXP + 1),
        refused_bundle(
            7, "policy", "before-clock", "Bad terms are named before the clock", late, at=EXP + 1
        ),
    ]


def _order() -> list[Case]:
    """Two faults in one bundle: the earlier check names the refusal."""
    foreign = grant(signer=STRANGER)
    bad_key = grant(grant_claims(old=IDENTITY, rounds=17))
    both = proof(proof_claims(txn=OTHER_16, iat=EXP + 1))
    return [
        refused_bundle(
            1,
            "headers",
            "before-signature",
            "PoP's typ; foreign grant",
            bundle(grant_=foreign, pop_=pop(headers=_typ("pin"))),
        ),
        refused_bundle(
            1,
            "headers",
            "before-encoding",
            "Grant's alg; proof cut",
            bundle(grant_=grant(headers=_typ("grant", ISSUER.kid) | {1: -7}), proof_=proof()[:-1]),
        ),
        refused_bundle(
            2,
            "grant_signature",
            "before-proof",
            "Foreign grant; unsigned proof",
            bundle(grant_=foreign, proof_=proof(signature=bytes(64))),
        ),
        refused_bundle(
            2,
            "grant_signature",
            "before-claims",
            "Foreign grant of 17 rounds",
            bundle(grant_=grant(grant_claims(rounds=17), signer=STRANGER)),
        ),
        refused_bundle(
            2,
            "grant_claims",
            "before-key",
            "17 rounds; O the neutral element",
            bundle(grant_=bad_key),
        ),
        refused_bundle(
            4,
            "same_key",
            "before-pop",
            "D is O; PoP unsigned",
            bundle(proof_=proof(proof_claims(new=OLD.public)), pop_=pop(signature=bytes(64))),
        ),
        refused_bundle(
            5, "txn_mismatch", "before-time", "Another nonce; after exp", bundle(proof_=both)
        ),
        refused_bundle(
            6,
            "time_order",
            "before-policy",
            "A QR before nbf; qr_ttl 0",
            bundle(
                grant_=grant(grant_claims(qr_ttl=0)), proof_=proof(proof_claims(qr_iat=NBF - 1))
            ),
        ),
    ]


def _typ(name: str, signer: bytes = NEW.kid) -> Claims:
    return {1: -8, 4: signer, 16: TYPES[name]}


def _reordered() -> bytes:
    tokens = {1: proof(), 2: grant(), 3: pop()}
    return b"\xa3" + b"".join(cbor.encode(at) + cbor.encode(tokens[at]) for at in (2, 1, 3))


def _grant_with_nbf(encoded: bytes) -> bytes:
    return cbor.encode(grant_claims()).replace(cbor.encode(NBF), encoded, 1)
