"""SPEC sections 1 and 4: hashes, seals, and which Ed25519 keys are good."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from vectors.pxp1.refused import Refused

P = 2**255 - 19
SMALL_ORDER_Y = {
    0,
    1,
    P - 1,
    *(
        int.from_bytes(bytes.fromhex(y), "little")
        for y in (
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        )
    ),
}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def hk(ikm: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 for 32 bytes: one extract, one block of expand."""
    return mac(mac(salt or bytes(32), ikm), info + b"\x01")


def seal(key: bytes, n: int, plaintext: bytes, aad: bytes = b"") -> bytes:
    return ChaCha20Poly1305(key).encrypt(bytes(4) + n.to_bytes(8, "little"), plaintext, aad)


def unseal(key: bytes, n: int, sealed: bytes, aad: bytes = b"") -> bytes:
    if len(sealed) < 16:
        raise Refused("noise")
    try:
        return ChaCha20Poly1305(key).decrypt(bytes(4) + n.to_bytes(8, "little"), sealed, aad)
    except InvalidTag:
        raise Refused("noise") from None


def x25519_public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def x25519(private: bytes, public: bytes) -> bytes:
    """The shared secret; an all-zero one aborts (section 6)."""
    try:
        theirs = X25519PublicKey.from_public_bytes(public)
        return X25519PrivateKey.from_private_bytes(private).exchange(theirs)
    except ValueError:  # how `cryptography` reports the all-zero result
        raise Refused("noise") from None


def check_key(public: bytes) -> None:
    """Section 4: 32 bytes, canonical, not of small order."""
    if len(public) != 32:
        raise Refused("keys")
    y = int.from_bytes(public, "little") % 2**255
    if y >= P or y in SMALL_ORDER_Y:
        raise Refused("keys")


def thumbprint(public: bytes) -> bytes:
    return sha256(bytes.fromhex("a301012006215820") + public)


def kid(public: bytes) -> bytes:
    return thumbprint(public)[:16]


def ed25519_public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def signature_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True
