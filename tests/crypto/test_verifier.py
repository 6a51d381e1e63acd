"""The verifier: every step refuses with its own code, in order, and an honest bundle passes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.hostile import claims_of, headers, raw_sign1
from crypto.pair import ISSUER, NBF, NEW_KEY, OLD_KEY, Pair, grant_for, key
from nearproof.crypto import cbor, cose
from nearproof.crypto.errors import LocalError, RefusalCode, VerificationError
from nearproof.crypto.grant import Policy
from nearproof.crypto.identity import DeviceKey, confirmation
from nearproof.crypto.proof import METHOD, PROFILE, Bundle
from nearproof.crypto.verifier import VerifiedBundle, verify_bundle

IDENTITY = (1).to_bytes(32, "little")
FREE_SIGNATURE = IDENTITY + bytes(32)
"""Verifies every message under the identity as key, in libraries that do not check."""


def honest() -> bytes:
    pair = Pair("verifier")
    pair.run(pair.done)
    assert pair.bundle is not None
    return pair.bundle


BUNDLE = honest()
PARTS = Bundle.decode(BUNDLE)
PROOF, GRANT, POP = map(claims_of, (PARTS.proof, PARTS.grant, PARTS.pop))


def bundle(
    proof: dict[int, Any] | bytes | None = None,
    grant: dict[int, Any] | bytes | None = None,
    pop: dict[int, Any] | bytes | None = None,
    *,
    old: DeviceKey = OLD_KEY,
    new: DeviceKey = NEW_KEY,
) -> bytes:
    """The honest bundle with changed claims, each token correctly signed again."""

    def token(change: Any, signer: DeviceKey, typ: str, claims: Any, raw: bytes) -> bytes:
        if isinstance(change, dict):
            return cose.sign1(signer, typ, {**claims, **change})
        return raw if change is None else bytes(change)

    return Bundle(
        proof=token(proof, old, cose.TYP_PROOF, PROOF, PARTS.proof),
        grant=token(grant, ISSUER, cose.TYP_GRANT, GRANT, PARTS.grant),
        pop=token(pop, new, cose.TYP_POP, POP, PARTS.pop),
    ).encode()


def proximity(**change: Any) -> dict[int, Any]:
    """A change inside -70001; `k5=...` for key 5."""
    inner = dict(PROOF[-70001])  # type: ignore[arg-type]
    inner.update({int(name[1:]): value for name, value in change.items()})
    return {-70001: {k: v for k, v in inner.items() if v is not None}}


def refusal(data: bytes, *, at: int | None = None) -> tuple[int, RefusalCode]:
    with pytest.raises(VerificationError) as caught:
        verify_bundle(data, ISSUER.public, at=at)
    return caught.value.step, caught.value.code


def test_an_honest_bundle_says_what_happened() -> None:
    """Every field of the verdict."""
    says = verify_bundle(BUNDLE, ISSUER.public)
    assert isinstance(says, VerifiedBundle)
    assert says.grant == grant_for("verifier")
    assert (says.old_public, says.old_kid) == (OLD_KEY.public, OLD_KEY.kid)
    assert (says.new_public, says.new_kid) == (NEW_KEY.public, NEW_KEY.kid)
    assert says.txn == says.grant.cti
    assert says.rtt.n == 4 and says.rtt.min_us == says.rtt.median_us == 60_000
    assert (says.rssi, says.code, says.method) == (-60, 1, METHOD)
    assert NBF <= says.qr_iat <= says.iat <= NBF + 300
    assert not says.expiry_judged
    assert says.eid.hex() not in repr(says) and repr(says.eid) not in repr(says)


def test_expiry_is_judged_when_a_time_is_given() -> None:
    """Both ends of the grant's life belong to it."""
    for at in (NBF, NBF + 600):
        assert verify_bundle(BUNDLE, ISSUER.public, at=at).expiry_judged
    assert refusal(BUNDLE, at=NBF - 1) == (8, RefusalCode.NOT_YET_VALID)
    assert refusal(BUNDLE, at=NBF + 601) == (8, RefusalCode.EXPIRED)


@pytest.mark.parametrize("data", [b"", bytes(4097), bytes(10_000_000)], ids=len)
def test_step_1_size(data: bytes) -> None:
    """Nothing, a byte too much, ten megabytes."""
    assert refusal(data) == (1, RefusalCode.SIZE)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        cbor.encode({1: PARTS.proof, 2: PARTS.grant}),
        cbor.encode({1: PARTS.proof, 2: PARTS.grant, 3: PARTS.pop, 4: b""}),
        cbor.encode([PARTS.proof, PARTS.grant, PARTS.pop]),
        cbor.encode({1: PARTS.proof, 2: PARTS.grant, 3: "pop"}),
        BUNDLE + b"\x00",
        BUNDLE[:-1],
        bundle(pop=b""),
        bundle(proof=PARTS.proof + b"\x00"),
        bundle(grant=b"\xa0"),
    ],
)
def test_step_1_encoding(data: bytes) -> None:
    """Not the outer shape."""
    assert refusal(data) == (1, RefusalCode.ENCODING)


@pytest.mark.parametrize(
    "data",
    [
        bundle(proof=PARTS.pop),
        bundle(grant=PARTS.proof),
        bundle(pop=PARTS.grant),
        bundle(proof=raw_sign1(OLD_KEY, {1: -19, 4: OLD_KEY.kid, 16: cose.TYP_PROOF}, PROOF)),
        bundle(
            proof=raw_sign1(
                OLD_KEY, headers(OLD_KEY, cose.TYP_PROOF), PROOF, unprotected={4: b"kid"}
            )
        ),
    ],
)
def test_step_1_headers(data: bytes) -> None:
    """A token in another's place, another algorithm, an unprotected header."""
    assert refusal(data) == (1, RefusalCode.HEADERS)


def test_step_1_comes_before_every_signature() -> None:
    """A broken PoP is refused as such even beside a foreign grant."""
    foreign = grant_for("verifier", issuer=key("foreign")).raw
    assert refusal(bundle(grant=foreign, pop=b"")) == (1, RefusalCode.ENCODING)


def test_step_2_grant() -> None:
    """A foreign issuer; claims of another shape."""
    foreign = grant_for("verifier", issuer=key("foreign")).raw
    assert refusal(bundle(grant=foreign)) == (2, RefusalCode.GRANT_SIGNATURE)
    assert refusal(bundle(grant={99: 0})) == (2, RefusalCode.GRANT_CLAIMS)


def test_step_3_old_key() -> None:
    """A grant for a key of small order, with the signature that fits every message."""
    forged = cbor.encode(
        cbor.Tag(
            18,
            [cbor.encode(headers(OLD_KEY, cose.TYP_PROOF)), {}, cbor.encode(PROOF), FREE_SIGNATURE],
        )
    )
    data = bundle(grant={8: confirmation(IDENTITY)}, proof=forged)
    assert refusal(data) == (3, RefusalCode.OLD_KEY)


def test_step_3_proof_signature() -> None:
    """A proof by another device, and one whose kid misleads."""
    other = key("another old")
    assert refusal(bundle(proof={1: other.kid.hex()}, old=other)) == (
        3,
        RefusalCode.PROOF_SIGNATURE,
    )
    misleading = raw_sign1(OLD_KEY, headers(other, cose.TYP_PROOF), PROOF)
    assert refusal(bundle(proof=misleading)) == (3, RefusalCode.PROOF_SIGNATURE)


@pytest.mark.parametrize(
    "change",
    [
        {1: OLD_KEY.kid.hex().upper()},
        {1: key("x").kid.hex()},
        {1: OLD_KEY.kid},
        {6: -1},
        {6: "now"},
        {8: NEW_KEY.public},
        {10: b"short"},
        {265: b"oid"},
        {2: "subject"},
        {-70001: 0},
        proximity(k1=b"short"),
        proximity(k2=None),
        proximity(k3=bytes(15)),
        proximity(k4=2**32),
        proximity(k5=[1, 1]),
        proximity(k5=[1, 2, 1]),
        proximity(k5=[0, 0, -1]),
        proximity(k5=[1, 1, 0]),
        proximity(k5=[1, 1, 17]),
        proximity(k5=[2_000_001, 1, 1]),
        proximity(k5=[-1, -1, 1]),
        proximity(k5={1: 1}),
        proximity(k6=127),
        proximity(k6="strong"),
        proximity(k7=0),
        proximity(k7=2),
        proximity(k7=None),
        proximity(k8=1),
        proximity(k9=0),
    ],
    ids=lambda change: repr(change)[:60],
)
def test_step_3_proof_claims(change: dict[int, Any]) -> None:
    """Signed by O, and of another shape."""
    assert refusal(bundle(proof=change)) == (3, RefusalCode.PROOF_CLAIMS)


def test_an_unknown_rssi_and_no_rounds_are_fine() -> None:
    """Absent and all zero."""
    says = verify_bundle(bundle(proof=proximity(k5=[0, 0, 0], k6=None)), ISSUER.public)
    assert says.rssi is None and says.rtt.n == 0


def test_step_4_new_key() -> None:
    """D of small order, D not canonical, D that is O."""
    for bad in (IDENTITY, bytes(32), b"\xff" * 32):
        data = bundle(proof={8: confirmation(bad)})
        assert refusal(data) == (4, RefusalCode.NEW_KEY)
    data = bundle(proof={8: confirmation(OLD_KEY.public)}, pop={}, new=OLD_KEY)
    assert refusal(data) == (4, RefusalCode.SAME_KEY)


def test_step_4_pop() -> None:
    """A PoP by another key, and claims of another shape."""
    assert refusal(bundle(pop={}, new=key("another new"))) == (4, RefusalCode.POP_SIGNATURE)
    for change in ({1: b""}, {6: bytes(32)}, {7: 0}, {5: OLD_KEY.kid.hex()}):
        assert refusal(bundle(pop=change)) == (4, RefusalCode.POP_CLAIMS)


def test_step_5_txn() -> None:
    """Three tokens of two transactions, whichever is the odd one."""
    other = grant_for("another", policy=Policy())
    for data in (
        bundle(proof={10: bytes(16)}),
        bundle(pop={2: bytes(16)}),
        bundle(proof={10: bytes(16)}, pop={2: bytes(16)}),
        bundle(grant=other.raw),
    ):
        assert refusal(data) == (5, RefusalCode.TXN_MISMATCH)


@pytest.mark.parametrize(
    ("inner", "pop_key", "size"), [("k1", 1, 32), ("k2", 3, 32), ("k3", 4, 16)]
)
def test_step_5_session(inner: str, pop_key: int, size: int) -> None:
    """h, qrh and EID tie proof and PoP to one session."""
    assert refusal(bundle(proof=proximity(**{inner: bytes(size)}))) == (
        5,
        RefusalCode.SESSION_MISMATCH,
    )
    assert refusal(bundle(pop={pop_key: bytes(size)})) == (5, RefusalCode.SESSION_MISMATCH)


def test_step_5_old_kid() -> None:
    """NEW signed for another O: a proof that was passed on."""
    assert refusal(bundle(pop={5: bytes(16)})) == (5, RefusalCode.OLD_KID_MISMATCH)


@pytest.mark.parametrize(
    ("qr_iat", "iat"),
    [(NBF - 1, NBF + 5), (NBF + 6, NBF + 5), (NBF + 400, NBF + 601), (NBF, NBF + 301)],
)
def test_step_6_times(qr_iat: int, iat: int) -> None:
    """nbf <= QR iat <= iat <= exp, and 300 seconds."""
    data = bundle(proof={6: iat, **proximity(k4=qr_iat)})
    assert refusal(data) == (6, RefusalCode.TIME_ORDER)


@pytest.mark.parametrize(
    ("qr_iat", "iat"),
    [(NBF, NBF), (NBF, NBF + 300), (NBF + 300, NBF + 600), (NBF + 600, NBF + 600)],
)
def test_step_6_limits_are_inside(qr_iat: int, iat: int) -> None:
    """Each limit itself is allowed."""
    verify_bundle(bundle(proof={6: iat, **proximity(k4=qr_iat)}), ISSUER.public)


def test_step_7_policy() -> None:
    """The issuer's terms: 180 s, 600 s, and no more rounds than granted."""
    policy = -70002
    for data in (
        bundle(grant={policy: {1: 181, 2: 4}}),
        bundle(grant={4: NBF + 601}),
        bundle(grant={policy: {1: 180, 2: 3}}),
    ):
        assert refusal(data) == (7, RefusalCode.POLICY)


def test_step_7_profile() -> None:
    """Another profile or method is not this proof."""
    assert refusal(bundle(proof={265: PROFILE + "x"})) == (7, RefusalCode.PROFILE)
    assert refusal(bundle(proof=proximity(k8="nfc"))) == (7, RefusalCode.PROFILE)


def test_the_first_failing_step_names_the_refusal() -> None:
    """Wrong from step 3 to 8: each one mended uncovers the next."""
    wrong_pop = {2: bytes(16), 5: bytes(16), 7: 0}
    profile, late = {265: "x"}, {6: NBF + 301, **proximity(k4=NBF)}
    steps = [
        refusal(bundle(proof={2: 0, **profile, **late}, pop=wrong_pop), at=0)[0],
        refusal(bundle(proof={**profile, **late}, pop=wrong_pop), at=0)[0],
        refusal(bundle(proof={**profile, **late}, pop={2: bytes(16)}), at=0)[0],
        refusal(bundle(proof={**profile, **late}), at=0)[0],
        refusal(bundle(proof=profile), at=0)[0],
        refusal(BUNDLE, at=0)[0],
    ]
    assert steps == [3, 4, 5, 6, 7, 8]


def test_a_bad_pinned_key_is_a_local_error() -> None:
    """Not the bundle's fault."""
    with pytest.raises(LocalError):
        verify_bundle(BUNDLE, IDENTITY)


def test_every_bit_of_a_bundle_counts() -> None:
    """A bundle with any one bit flipped is refused."""
    for bit in range(len(BUNDLE) * 8):
        flipped = bytearray(BUNDLE)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VerificationError):
            verify_bundle(bytes(flipped), ISSUER.public)


def test_every_truncation_is_refused() -> None:
    """No prefix is a bundle."""
    for size in range(len(BUNDLE)):
        assert refusal(BUNDLE[:size])[0] == 1


@given(st.binary(max_size=5000))
def test_random_bytes_are_refused(data: bytes) -> None:
    """With a code, and nothing but a VerificationError."""
    assert refusal(data)[0] == 1


VALUES: Any = st.recursive(
    st.integers(-(2**40), 2**40) | st.binary(max_size=40) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-9, 9), inner),
    max_leaves=8,
)


@given(st.sampled_from(["proof", "grant", "pop"]), st.data())
def test_signed_nonsense_is_refused(name: str, data: st.DataObject) -> None:
    """A claim replaced by any CBOR, though rightly signed, is refused or means the same."""
    claims = {"proof": PROOF, "grant": GRANT, "pop": POP}[name]
    claim = data.draw(st.sampled_from(sorted(claims)))
    value = data.draw(VALUES)
    changed: Any = {name: {claim: value}}
    try:
        verify_bundle(bundle(**changed), ISSUER.public)
    except VerificationError:
        return
    free = {"proof": {6}, "grant": {1}, "pop": set[int]()}[name]
    assert claim in free or value == claims[claim]


def test_the_verdict_is_frozen() -> None:
    """Nobody edits it on the way to the backend's rules."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        verify_bundle(BUNDLE, ISSUER.public).code = 0  # type: ignore[misc]
