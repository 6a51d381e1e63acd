"""The advert: recognised with the QR, random bytes without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.pair import old_session, stream
from nearproof.crypto import advert
from nearproof.crypto.errors import LocalError
from nearproof.crypto.primitives import hkdf, hmac_sha256

QR, OTHER = old_session(1).qr, old_session(2).qr


@given(st.binary(min_size=10, max_size=10))
def test_seal_matches_its_own_qr_alone(nonce: bytes) -> None:
    """For every nonce; and the EID begins with it."""
    eid = advert.seal(QR, nonce)
    assert len(eid) == 16 and eid[:10] == nonce
    assert advert.match(QR, eid)
    assert not advert.match(OTHER, eid)


def test_the_formula_of_the_spec() -> None:
    """SPEC, section 3."""
    key = hkdf(QR.secret, b"", b"PXP1 eid" + QR.qrh)
    nonce = bytes(range(10))
    assert advert.seal(QR, nonce) == nonce + hmac_sha256(key, b"adv" + nonce)[:6]


def test_every_bit_counts() -> None:
    """Any flipped bit makes it a stranger's."""
    eid = advert.seal(QR, stream("n")(10))
    for bit in range(128):
        flipped = bytearray(eid)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not advert.match(QR, bytes(flipped))


@given(st.binary(max_size=40))
def test_other_uuids_do_not_match(uuid: bytes) -> None:
    """Whatever their length."""
    assert not advert.match(QR, uuid)


@pytest.mark.parametrize("size", [0, 9, 11, 16])
def test_the_nonce_has_10_bytes(size: int) -> None:
    """Else it is this program's mistake."""
    with pytest.raises(LocalError):
        advert.seal(QR, bytes(size))
