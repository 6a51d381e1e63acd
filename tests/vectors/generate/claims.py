"""Grant, proof and PoP: what the verifier refuses in steps 2 to 7 (SPEC section 9)."""

from __future__ import annotations

from typing import Any

from nearproof.crypto.grant import POLICY_CLAIM
from nearproof.crypto.identity import confirmation, kid
from nearproof.crypto.primitives import sha256
from vectors.generate.case import Case, refused, refused_bundle
from vectors.generate.cast import (
    EXP,
    FORGED,
    IDENTITY,
    ISSUER,
    NBF,
    NEW,
    OFF_CURVE,
    OLD,
    QR_IAT,
    STRANGER,
    Claims,
    bundle,
    drawn,
    grant,
    grant_claims,
    pop,
    pop_claims,
    proof,
    proof_claims,
)

OTHER_32, OTHER_16 = drawn("other 32"), drawn("other 16", 16)


def claims_cases() -> list[Case]:
    return [*_step_2(), *_step_3(), *_step_4(), *_step_5(), *_step_6_and_7()]


def _step_2() -> list[Case]:
    def signature(id: str, description: str, data: bytes, **more: Any) -> Case:
        return refused_bundle(2, "grant_signature", id, description, data, **more)

    def claims(id: str, description: str, changed: Claims) -> Case:
        return refused_bundle(2, "grant_claims", id, description, bundle(grant_=grant(changed)))

    good = grant_claims()
    key = good[8][1]
    return [
        signature("foreign", "A grant of another issuer", bundle(grant_=grant(signer=STRANGER))),
        signature("pinned", "Another issuer is pinned", bundle(), issuer=STRANGER.public),
        signature("by-old", "O grants itself", bundle(grant_=grant(signer=OLD, kid=ISSUER.kid))),
        signature("kid", "Signed by I, with O's kid", bundle(grant_=grant(kid=OLD.kid))),
        refused(
            "verifier",
            "grant",
            "grant-foreign",
            "A grant alone, of another issuer",
            code="grant_signature",
            step=2,
            token=grant(signer=STRANGER),
            issuer=ISSUER.public,
        ),
        claims("no-iss", "No iss", {k: v for k, v in good.items() if k != 1}),
        claims("iss-empty", "An empty iss", grant_claims(iss="")),
        claims("iss-129", "An iss of 129 characters", grant_claims(iss="x" * 129)),
        claims("iss-control", "An escape character in iss", grant_claims(iss="a\x1b[31m")),
        claims("iss-delete", "The character 0x7f in iss", grant_claims(iss="a\x7f")),
        claims("iss-umlaut", "An umlaut in iss", grant_claims(iss="\u00fc")),
        claims("cti-15", "A cti of 15 bytes", grant_claims(cti=bytes(15))),
        claims("nbf-negative", "nbf before 1970", grant_claims(nbf=-1)),
        claims("exp-text", "exp as text", grant_claims(exp=str(EXP))),
        claims("exp-33", "exp of 33 bits", grant_claims(exp=2**32)),
        claims("iat", "An iat beside the claims", good | {6: NBF}),
        claims("sub", "A user named", good | {2: "somebody"}),
        claims("cnf-kid", "cnf holds a kid alone", grant_claims(cnf={3: OLD.kid})),
        claims("cnf-x25519", "cnf of curve X25519", grant_claims(cnf={1: key | {-1: 4}})),
        claims("cnf-kty", "cnf of key type 2", grant_claims(cnf={1: key | {1: 2}})),
        claims(
            "cnf-private",
            "cnf holds a private key too",
            grant_claims(cnf={1: key | {-4: bytes(32)}}),
        ),
        claims("cnf-31", "A cnf key of 31 bytes", grant_claims(cnf=confirmation(OLD.public[:31]))),
        claims("no-policy", "No policy", {k: v for k, v in good.items() if k != POLICY_CLAIM}),
        claims("policy-more", "A third term", good | {POLICY_CLAIM: {1: 180, 2: 4, 3: 0}}),
        claims("rounds-17", "17 rounds", grant_claims(rounds=17)),
        claims("rounds-negative", "-1 rounds", grant_claims(rounds=-1)),
    ]


def _step_3() -> list[Case]:
    def old_key(id: str, description: str, public: bytes, **parts: Any) -> Case:
        tokens = {"grant_": grant(grant_claims(old=public)), "proof_": proof(**parts)}
        return refused_bundle(3, "old_key", id, description, bundle(**tokens))

    def signature(id: str, description: str, data: bytes) -> Case:
        return refused_bundle(3, "proof_signature", id, description, data)

    def claims(id: str, description: str, **changes: Any) -> Case:
        return refused_bundle(
            3, "proof_claims", id, description, bundle(proof_=proof(proof_claims(**changes)))
        )

    forged = {"kid": kid(IDENTITY), "signature": FORGED}
    off_curve = grant(grant_claims(old=OFF_CURVE))
    return [
        old_key("identity", "O is the neutral element, and the proof fits it", IDENTITY, **forged),
        old_key("zero", "O is 0, of order 4", bytes(32)),
        old_key("non-canonical", "O is p + 4", (2**255 - 15).to_bytes(32, "little")),
        signature("stranger", "Signed by a stranger", bundle(proof_=proof(signer=STRANGER))),
        signature(
            "as-old",
            "A stranger's signature, O's kid",
            bundle(proof_=proof(signer=STRANGER, kid=OLD.kid)),
        ),
        signature("by-new", "NEW proves itself", bundle(proof_=proof(signer=NEW, kid=OLD.kid))),
        signature("kid", "Signed by O, with D's kid", bundle(proof_=proof(kid=NEW.kid))),
        signature(
            "off-curve", "O is no point", bundle(grant_=off_curve, proof_=proof(kid=kid(OFF_CURVE)))
        ),
        claims("iss", "iss is D's kid", iss=NEW.kid.hex()),
        claims("iss-upper", "iss in upper case", iss=OLD.kid.hex().upper()),
        claims("iat-text", "iat as text", iat="now"),
        claims("iat-33", "iat of 33 bits", iat=2**32),
        claims("txn-15", "A nonce of 15 bytes", txn=bytes(15)),
        claims("new-31", "D of 31 bytes", new=NEW.public[:31]),
        claims("h-31", "h of 31 bytes", h=bytes(31)),
        claims("eid-15", "EID of 15 bytes", eid=bytes(15)),
        claims("qr-iat", "A negative QR iat", qr_iat=-1),
        claims("code-0", "The code was not typed", code=0),
        claims("code-2", "A code of 2", code=2),
        claims("code-text", "The code itself", code="123456"),
        claims("rtt-2", "An rtt of two", rtt=[31_000, 4]),
        claims("rtt-slow", "A median over two seconds", rtt=[2_000_001, 1, 4]),
        claims("rtt-order", "A minimum above the median", rtt=[10, 11, 4]),
        claims("rtt-17", "17 rounds", rtt=[10, 10, 17]),
        claims("rtt-none", "Times without rounds", rtt=[10, 10, 0]),
        claims("rtt-negative", "A negative minimum", rtt=[10, -1, 4]),
        claims("rssi-low", "rssi -128", rssi=-128),
        claims("rssi-high", "rssi 21", rssi=21),
        claims("rssi-unknown", "rssi 127, HCI's word for unknown", rssi=127),
        claims("profile-number", "eat_profile as a number", profile=1),
        claims("method-bytes", "method as a byte string", method=b"ble-gatt-1"),
        claims("more", "A ninth key", more={9: 0}),
    ]


def _step_4() -> list[Case]:
    def new(code: str, id: str, description: str, public: bytes, pop_: bytes) -> Case:
        data = bundle(proof_=proof(proof_claims(new=public)), pop_=pop_)
        return refused_bundle(4, code, id, description, data)

    def claims(id: str, description: str, changed: Claims) -> Case:
        return refused_bundle(4, "pop_claims", id, description, bundle(pop_=pop(changed)))

    hashed = pop_claims(hash=sha256(IDENTITY))
    forged = pop(hashed, kid=kid(IDENTITY), signature=FORGED)
    p_minus_1 = (2**255 - 20).to_bytes(32, "little")
    return [
        new(
            "new_key", "identity", "D is the neutral element, and the PoP fits it", IDENTITY, forged
        ),
        new("new_key", "order-2", "D is p - 1, of order 2", p_minus_1, pop()),
        new(
            "same_key",
            "self",
            "O enrols itself again",
            OLD.public,
            pop(pop_claims(hash=sha256(OLD.public)), signer=OLD),
        ),
        new("pop_signature", "other", "The PoP of another D", STRANGER.public, pop()),
        refused_bundle(
            4,
            "pop_signature",
            "by-old",
            "The PoP signed by O",
            bundle(pop_=pop(signer=OLD, kid=NEW.kid)),
        ),
        refused_bundle(
            4, "pop_signature", "kid", "Signed by D, with O's kid", bundle(pop_=pop(kid=OLD.kid))
        ),
        new("pop_signature", "off-curve", "D is no point", OFF_CURVE, pop(kid=kid(OFF_CURVE))),
        claims("hash", "The hash of another key", pop_claims(hash=sha256(OLD.public))),
        claims("hash-31", "A hash of 31 bytes", pop_claims(hash=bytes(31))),
        claims("txn-17", "A txn of 17 bytes", pop_claims(txn=bytes(17))),
        claims("no-eid", "No EID", {k: v for k, v in pop_claims().items() if k != 4}),
        claims("more", "A seventh key", pop_claims() | {7: b""}),
        claims("empty", "No claims", {1: b""}),
    ]


def _step_5() -> list[Case]:
    def differs(code: str, id: str, description: str, **tokens: bytes) -> Case:
        return refused_bundle(5, code, id, description, bundle(**tokens))

    return [
        differs(
            "txn_mismatch", "grant", "Another grant's cti", grant_=grant(grant_claims(cti=OTHER_16))
        ),
        differs(
            "txn_mismatch", "proof", "The proof's nonce", proof_=proof(proof_claims(txn=OTHER_16))
        ),
        differs("txn_mismatch", "pop", "The PoP's txn", pop_=pop(pop_claims(txn=OTHER_16))),
        *(
            differs(
                "session_mismatch", name, f"{name} differs", pop_=pop(pop_claims(**{name: other}))
            )
            for name, other in (("h", OTHER_32), ("qrh", OTHER_32), ("eid", OTHER_16))
        ),
        differs(
            "session_mismatch",
            "proof",
            "h differs in the proof",
            proof_=proof(proof_claims(h=OTHER_32)),
        ),
        differs(
            "old_kid_mismatch",
            "other",
            "NEW met another O",
            pop_=pop(pop_claims(old_kid=STRANGER.kid)),
        ),
        differs(
            "old_kid_mismatch",
            "own",
            "The PoP names D's kid",
            pop_=pop(pop_claims(old_kid=NEW.kid)),
        ),
    ]


def _step_6_and_7() -> list[Case]:
    def times(id: str, description: str, qr_iat: int, iat: int) -> Case:
        changed = proof(proof_claims(qr_iat=qr_iat, iat=iat))
        return refused_bundle(6, "time_order", id, description, bundle(proof_=changed))

    def policy(id: str, description: str, **changes: Any) -> Case:
        return refused_bundle(
            7, "policy", id, description, bundle(grant_=grant(grant_claims(**changes)))
        )

    def profile(id: str, description: str, **changes: Any) -> Case:
        return refused_bundle(
            7, "profile", id, description, bundle(proof_=proof(proof_claims(**changes)))
        )

    return [
        times("qr-before-nbf", "A QR made before the grant", NBF - 1, NBF + 10),
        times("proof-before-qr", "A proof made before its QR", QR_IAT, QR_IAT - 1),
        times("after-exp", "A proof made after exp", EXP - 100, EXP + 1),
        times("301", "A proof 301 s after its QR", QR_IAT, QR_IAT + 301),
        policy("ttl-179", "qr_ttl 179", qr_ttl=179),
        policy("ttl-0", "qr_ttl 0", qr_ttl=0),
        policy("life-601", "exp = nbf + 601", exp=NBF + 601),
        policy("life-599", "exp = nbf + 599", exp=NBF + 599),
        policy("rounds", "4 rounds answered where 3 are allowed", rounds=3),
        profile("profile", "Another eat_profile", profile="urn:uuid:" + "0" * 8),
        profile("profile-case", "The eat_profile in upper case", profile=_upper_profile()),
        profile("method", "Another method", method="ble-cs-1"),
    ]


def _upper_profile() -> str:
    claims = proof_claims()
    return str(claims[265]).upper()
