"""The grant: what the issuer may sign, and what a laptop takes from it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from crypto.hostile import claims_of
from crypto.pair import ISSUER, NBF, OLD_KEY, grant_for, key, stream
from nearproof.crypto import cose
from nearproof.crypto.errors import KeyRefused, LocalError, RefusalCode, VerificationError
from nearproof.crypto.grant import Policy, issue_grant, verify_grant

CTI = stream("cti")(16)


def issue(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "iss": "test",
        "cti": CTI,
        "nbf": NBF,
        "old_public": OLD_KEY.public,
        "policy": Policy(),
    }
    return issue_grant(ISSUER, **(fields | changes))


def refusal(data: bytes, issuer: bytes = ISSUER.public) -> tuple[int, RefusalCode]:
    with pytest.raises(VerificationError) as caught:
        verify_grant(data, issuer)
    return caught.value.step, caught.value.code


def test_a_grant_says_what_was_issued() -> None:
    """And lives 600 seconds."""
    raw = issue(policy=Policy(rounds=7))
    grant = verify_grant(raw, ISSUER.public)
    assert (grant.raw, grant.iss, grant.cti) == (raw, "test", CTI)
    assert (grant.nbf, grant.exp, grant.cnf) == (NBF, NBF + 600, OLD_KEY.public)
    assert grant.policy == Policy(qr_ttl=180, rounds=7)


def test_a_foreign_grant_is_refused() -> None:
    """Only the pinned issuer's word counts."""
    foreign = grant_for(issuer=key("another issuer"))
    assert refusal(foreign.raw) == (2, RefusalCode.GRANT_SIGNATURE)


def test_another_token_is_no_grant() -> None:
    """The typ keeps purposes apart, even under the issuer's own key."""
    token = cose.sign1(ISSUER, cose.TYP_PROOF, claims_of(issue()))
    assert refusal(token) == (1, RefusalCode.HEADERS)
    assert refusal(b"\xff") == (1, RefusalCode.ENCODING)
    assert refusal(b"") == (1, RefusalCode.ENCODING)


@pytest.mark.parametrize(
    "change",
    [
        {1: ""},
        {1: "x" * 129},
        {1: "b\u00f8rge"},
        {1: "tab\t"},
        {1: b"test"},
        {4: -1},
        {4: 2**32},
        {5: "0"},
        {7: CTI[:15]},
        {7: CTI.hex()},
        {8: OLD_KEY.public},
        {8: {1: {1: 1, -1: 6}}},
        {-70002: {1: 180}},
        {-70002: {1: 180, 2: 17}},
        {-70002: {1: 180, 2: -1}},
        {-70002: {1: 180, 2: 4, 3: 0}},
        {2: "a user id"},
        {6: NBF},
    ],
    ids=str,
)
def test_claims_of_another_shape_are_refused(change: dict[int, Any]) -> None:
    """Though the issuer signed them."""
    token = cose.sign1(ISSUER, cose.TYP_GRANT, {**claims_of(issue()), **change})
    assert refusal(token) == (2, RefusalCode.GRANT_CLAIMS)


@pytest.mark.parametrize("missing", [1, 4, 5, 7, 8, -70002])
def test_every_claim_is_needed(missing: int) -> None:
    """None has a default."""
    claims = claims_of(issue())
    del claims[missing]
    token = cose.sign1(ISSUER, cose.TYP_GRANT, claims)
    assert refusal(token) == (2, RefusalCode.GRANT_CLAIMS)


def test_check_policy_wants_pxp1_terms() -> None:
    """Step 7: 180 s for the QR, 600 s for the grant."""
    grant = grant_for()
    grant.check_policy()
    for changed in (
        dataclasses.replace(grant, exp=grant.exp + 1),
        dataclasses.replace(grant, policy=Policy(qr_ttl=181)),
    ):
        with pytest.raises(VerificationError) as caught:
            changed.check_policy()
        assert (caught.value.step, caught.value.code) == (7, RefusalCode.POLICY)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": ""},
        {"iss": "\ud800"},
        {"cti": b"short"},
        {"nbf": -1},
        {"nbf": 2**32 - 600},
        {"policy": Policy(rounds=17)},
        {"policy": Policy(rounds=True)},
        {"policy": Policy(qr_ttl=60)},
    ],
    ids=str,
)
def test_the_issuer_cannot_issue_what_no_verifier_takes(change: dict[str, Any]) -> None:
    """A mistake shows at the backend, not at a laptop."""
    with pytest.raises(LocalError):
        issue(**change)


def test_the_issuer_refuses_a_bad_device_key() -> None:
    """A key of small order would make every proof of that device worthless."""
    with pytest.raises(KeyRefused):
        issue(old_public=bytes(32))


def test_a_bad_pinned_key_is_a_local_error() -> None:
    """It is not the bundle that is wrong."""
    with pytest.raises(LocalError):
        verify_grant(issue(), bytes(32))


def test_every_bit_of_a_grant_counts() -> None:
    """A grant with any one bit flipped is refused."""
    raw = issue()
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VerificationError):
            verify_grant(bytes(flipped), ISSUER.public)
