"""The primitives pass the RFCs' vectors and refuse what the RFCs' libraries let through."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from nearproof.crypto import primitives
from nearproof.crypto.errors import KeyRefused, SealBroken

P = 2**255 - 19
Y8 = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
SMALL_ORDER = [
    (y | sign << 255).to_bytes(32, "little") for y in (0, 1, P - 1, Y8, P - Y8) for sign in (0, 1)
]
NOT_CANONICAL = [
    (y | sign << 255).to_bytes(32, "little") for y in range(P, 2**255) for sign in (0, 1)
]


def test_hkdf_rfc5869_case_1() -> None:
    """RFC 5869 A.1, its first 32 bytes (HKDF output does not depend on its length)."""
    okm = primitives.hkdf(b"\x0b" * 22, bytes(range(13)), bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"))
    assert okm.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"


def test_hkdf_rfc5869_case_3_empty_salt() -> None:
    """RFC 5869 A.3: no salt, no info."""
    okm = primitives.hkdf(b"\x0b" * 22, b"", b"")
    assert okm.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"


def test_x25519_rfc7748() -> None:
    """RFC 7748 6.1: both public keys and the shared secret."""
    a = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    b = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert primitives.x25519_public(a).hex() == (
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    )
    assert primitives.x25519(a, primitives.x25519_public(b)).hex() == shared
    assert primitives.x25519(b, primitives.x25519_public(a)).hex() == shared


@pytest.mark.parametrize(
    "low_order",
    [
        bytes(32),
        (1).to_bytes(32, "little"),
        (P - 1).to_bytes(32, "little"),
        P.to_bytes(32, "little"),
        (P + 1).to_bytes(32, "little"),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    ],
)
def test_x25519_refuses_low_order(low_order: bytes) -> None:
    """A point that takes every secret to zero is refused (RFC 7748 6.1)."""
    with pytest.raises(KeyRefused):
        primitives.x25519(b"\x07" * 32, low_order)


def test_ed25519_rfc8032() -> None:
    """RFC 8032 7.1, tests 1 and 2."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert primitives.ed25519_public(seed) == public
    signature = primitives.ed25519_sign(seed, b"")
    assert signature.hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    primitives.ed25519_verify(public, b"", signature)
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert primitives.ed25519_public(seed).hex() == (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    )


def test_ed25519_verify_refuses_another_message() -> None:
    """A signature holds for one message."""
    seed = bytes(range(32))
    signature = primitives.ed25519_sign(seed, b"yes")
    with pytest.raises(SealBroken):
        primitives.ed25519_verify(primitives.ed25519_public(seed), b"no", signature)


def test_the_library_accepts_one_signature_for_every_message() -> None:
    """Why the strict check exists: under the identity as key, R = identity and S = 0 verify."""
    identity = (1).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"anything")
    with pytest.raises(KeyRefused):
        primitives.ed25519_verify(identity, b"anything", identity + bytes(32))


@pytest.mark.parametrize("key", SMALL_ORDER + NOT_CANONICAL, ids=lambda key: key.hex()[:8])
def test_small_order_and_non_canonical_keys_are_refused(key: bytes) -> None:
    """All eight small-order points, with either sign bit, and all 19 values of y >= p."""
    with pytest.raises(KeyRefused):
        primitives.check_ed25519_public(key)


def test_under_a_key_off_the_curve_nothing_verifies() -> None:
    """y = 2 has no x: there is nothing to check beforehand."""
    off_curve = (2).to_bytes(32, "little")
    for signature in (off_curve + bytes(32), bytes(64), primitives.ed25519_sign(bytes(32), b"")):
        with pytest.raises(SealBroken):
            primitives.ed25519_verify(off_curve, b"", signature)


def test_real_keys_pass() -> None:
    """A hundred of them."""
    for seed in range(100):
        primitives.check_ed25519_public(primitives.ed25519_public(seed.to_bytes(32, "big")))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_keys_of_another_size_are_refused(size: int) -> None:
    """Ed25519 and X25519 keys have 32 bytes."""
    with pytest.raises(KeyRefused):
        primitives.check_ed25519_public(b"\x42" * size)
    with pytest.raises(KeyRefused):
        primitives.x25519(b"\x42" * 32, b"\x42" * size)


def test_aead_rfc8439_a5() -> None:
    """RFC 8439 A.5, whose nonce has the form that Noise gives it."""
    key = bytes.fromhex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0")
    nonce = int.from_bytes(bytes.fromhex("0102030405060708"), "little")
    aad = bytes.fromhex("f33388860000000000004e91")
    plaintext = (
        b"Internet-Drafts are draft documents valid for a maximum of six months and may be "
        b"updated, replaced, or obsoleted by other documents at any time. It is inappropriate "
        b"to use Internet-Drafts as reference material or to cite them other than as "
        b"/\xe2\x80\x9cwork in progress./\xe2\x80\x9d"
    )
    sealed = primitives.aead_seal(key, nonce, plaintext, aad)
    assert sealed[:16].hex() == "64a0861575861af460f062c79be643bd"
    assert sealed[-16:].hex() == "eead9d67890cbb22392336fea1851f38"
    assert primitives.aead_open(key, nonce, sealed, aad) == plaintext


def test_aead_open_refuses_the_wrong_key_nonce_aad_and_anything_short() -> None:
    """Each of them breaks the seal."""
    sealed = primitives.aead_seal(b"k" * 32, 1, b"text", b"aad")
    for key, nonce, data, aad in (
        (b"K" * 32, 1, sealed, b"aad"),
        (b"k" * 32, 2, sealed, b"aad"),
        (b"k" * 32, 1, sealed, b"add"),
        (b"k" * 32, 1, sealed[:-1], b"aad"),
        (b"k" * 32, 1, b"", b"aad"),
    ):
        with pytest.raises(SealBroken):
            primitives.aead_open(key, nonce, data, aad)
