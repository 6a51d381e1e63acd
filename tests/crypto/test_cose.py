"""COSE_Sign1: one shape, exact headers, and no claims before the signature."""

from __future__ import annotations

from typing import Any

import pytest

from crypto.hostile import headers, raw_sign1
from crypto.pair import key
from nearproof.crypto import cbor, cose
from nearproof.crypto.errors import EncodingError, HeadersRefused, KeyRefused, SealBroken

SIGNER, OTHER = key("signer"), key("other")
TOKEN = cose.sign1(SIGNER, cose.TYP_POP, {1: b"claim"})


def parts() -> list[Any]:
    item = cbor.decode(TOKEN, max_size=2048, tag=18)
    assert isinstance(item, list)
    return item


def tagged(value: Any, number: int = 18) -> bytes:
    return cbor.encode(cbor.Tag(number, value))


def test_a_token_verifies_and_is_deterministic() -> None:
    """Same key, typ and claims: same bytes."""
    assert cose.verify1(TOKEN, cose.TYP_POP, SIGNER.public) == {1: b"claim"}
    assert cose.sign1(SIGNER, cose.TYP_POP, {1: b"claim"}) == TOKEN
    assert raw_sign1(SIGNER, headers(SIGNER, cose.TYP_POP), {1: b"claim"}) == TOKEN


def test_the_bytes_of_the_spec() -> None:
    """Section 4, byte by byte."""
    typ = cose.TYP_POP.encode()
    protected = b"\xa3\x01\x27\x04\x50" + SIGNER.kid + b"\x10\x78\x1e" + typ
    assert len(typ) == 0x1E
    payload = b"\xa1\x01\x45claim"
    head = b"\xd2\x84\x58" + bytes([len(protected)]) + protected + b"\xa0\x48" + payload
    assert TOKEN[: len(head) + 2] == head + b"\x58\x40"


def test_another_key_and_another_typ_are_refused() -> None:
    """A token is for one key and one purpose."""
    with pytest.raises(SealBroken):
        cose.verify1(TOKEN, cose.TYP_POP, OTHER.public)
    with pytest.raises(HeadersRefused):
        cose.verify1(TOKEN, cose.TYP_PROOF, SIGNER.public)
    with pytest.raises(KeyRefused):
        cose.verify1(TOKEN, cose.TYP_POP, bytes(32))


@pytest.mark.parametrize(
    "protected",
    [
        {4: SIGNER.kid, 16: cose.TYP_POP},
        {1: -8, 16: cose.TYP_POP},
        {1: -8, 4: SIGNER.kid},
        {1: -19, 4: SIGNER.kid, 16: cose.TYP_POP},
        {1: -7, 4: SIGNER.kid, 16: cose.TYP_POP},
        {1: -8, 4: SIGNER.kid[:15], 16: cose.TYP_POP},
        {1: -8, 4: SIGNER.kid.hex(), 16: cose.TYP_POP},
        {1: -8, 4: SIGNER.kid, 16: cose.TYP_POP.upper()},
        {1: -8, 3: "application/cwt", 4: SIGNER.kid, 16: cose.TYP_POP},
        {1: -8, 2: [3], 4: SIGNER.kid, 16: cose.TYP_POP},
        {},
        [],
    ],
    ids=str,
)
def test_headers_are_exact(protected: Any) -> None:
    """A good signature does not help a token with any other protected header."""
    with pytest.raises(HeadersRefused):
        cose.parse(raw_sign1(SIGNER, protected, {1: 2}), cose.TYP_POP)


@pytest.mark.parametrize("unprotected", [{4: SIGNER.kid}, {1: -8}, {-65000: b""}], ids=str)
def test_unprotected_headers_are_refused(unprotected: Any) -> None:
    """Nobody signs them."""
    data = raw_sign1(SIGNER, headers(SIGNER, cose.TYP_POP), {1: 2}, unprotected=unprotected)
    with pytest.raises(HeadersRefused):
        cose.parse(data, cose.TYP_POP)


def test_the_kid_must_be_the_signers() -> None:
    """A hint that misleads is refused, though the signature holds."""
    data = raw_sign1(SIGNER, headers(OTHER, cose.TYP_POP), {1: 2})
    with pytest.raises(SealBroken, match="another key"):
        cose.verify1(data, cose.TYP_POP, SIGNER.public)


def test_other_shapes_are_refused() -> None:
    """No other tag, no missing or additional part, no detached payload, no list of claims."""
    good = parts()
    for data in (
        b"",
        cbor.encode(good),
        tagged(good, 98),
        tagged(good, 61),
        tagged(cbor.Tag(18, good)),
        tagged(good[:3]),
        tagged([*good, b""]),
        tagged([good[0], {}, b"", good[3]]),
        tagged([good[0], {}, good[2], good[3][:63]]),
        tagged([good[0], {}, good[2], good[3] + b"\0"]),
        tagged([cbor.decode(good[0], max_size=99), {}, good[2], good[3]]),
        tagged([b"", {}, good[2], good[3]]),
        tagged([good[0], [], good[2], good[3]]),
        tagged([good[0], {}, cbor.encode([1]), good[3]]),
        tagged([good[0], {}, good[2] + b"\0", good[3]]),
        TOKEN + b"\0",
        bytes(3000),
    ):
        with pytest.raises(EncodingError):
            cose.parse(data, cose.TYP_POP)


def test_every_bit_counts() -> None:
    """A token with any one bit flipped does not verify."""
    for bit in range(len(TOKEN) * 8):
        flipped = bytearray(TOKEN)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((EncodingError, SealBroken)):
            cose.verify1(bytes(flipped), cose.TYP_POP, SIGNER.public)


def test_an_unverified_token_hides_its_claims() -> None:
    """Its repr names the kid; the claims come from verify alone."""
    token = cose.parse(TOKEN, cose.TYP_POP)
    assert "claim" not in repr(token)
    assert not hasattr(token, "claims")
