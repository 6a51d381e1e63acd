"""The cryptographic primitives of PXP1: the only module that imports `cryptography`.

Keys, nonces and tags are plain bytes.  A failed authentication raises `SealBroken`, an unusable
public key `KeyRefused`; nothing here returns a verdict that could be overlooked.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256 as _sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from nearproof.crypto.errors import KeyRefused, SealBroken

Randomness = Callable[[int], bytes]
"""Returns that many unpredictable bytes: `os.urandom`, or a fixed stream in tests and vectors."""

KEY_SIZE: Final = 32
"""Bytes of every key here: Ed25519, X25519 (public and private) and ChaCha20-Poly1305."""

_P: Final = 2**255 - 19
# y of the eight points whose order divides 8: 0 (order 4), 1 (order 1), -1 (order 2) and the
# two values of order 8.  A key among them has signatures that verify every message.
_Y8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})


def sha256(data: bytes) -> bytes:
    """SHA-256 (FIPS 180-4): 32 bytes."""
    return _sha256(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256 (RFC 2104): 32 bytes."""
    return hmac.digest(key, data, "sha256")


def hkdf(ikm: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869) with L = 32; an empty salt is 32 zero bytes, as RFC 5869 has it."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(ikm)


def argon2id(password: bytes, salt: bytes) -> bytes:
    """Argon2id (RFC 9106) with 64 MiB, t = 3, p = 1: 32 bytes, in about 0.3 s."""
    kdf = Argon2id(salt=salt, length=32, iterations=3, lanes=1, memory_cost=64 * 1024)
    return kdf.derive(password)


def equal(a: bytes, b: bytes) -> bool:
    """Compare in time that depends on the lengths alone."""
    return hmac.compare_digest(a, b)


def x25519_public(private: bytes) -> bytes:
    """The public key (32 bytes) of an X25519 private key (32 bytes; RFC 7748)."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def x25519(private: bytes, public: bytes) -> bytes:
    """X25519 (RFC 7748): the 32-byte shared secret.

    Raises `KeyRefused` if `public` is not 32 bytes or the result is all zero (a low-order point).
    """
    try:
        peer = X25519PublicKey.from_public_bytes(public)
        return X25519PrivateKey.from_private_bytes(private).exchange(peer)
    except ValueError:
        raise KeyRefused("not a usable X25519 public key") from None


def ed25519_public(seed: bytes) -> bytes:
    """The public key (32 bytes) of an Ed25519 seed (32 bytes; RFC 8032 5.1.5)."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """Ed25519 (RFC 8032 5.1.6): a 64-byte signature."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def check_ed25519_public(public: bytes) -> None:
    """Raise `KeyRefused` unless `public` has 32 bytes, y < p, and is not of order 1, 2, 4 or 8.

    `cryptography` does not ask: under the identity as key it accepts one constant signature for
    every message.  Under a y that no point of the curve has, no signature verifies.
    """
    if len(public) != KEY_SIZE:
        raise KeyRefused("an Ed25519 public key has 32 bytes")
    y = int.from_bytes(public, "little") & (2**255 - 1)
    if y >= _P:
        raise KeyRefused("an Ed25519 public key that is not canonical")
    if y in _SMALL_ORDER_Y:
        raise KeyRefused("an Ed25519 public key of small order")


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify an Ed25519 signature (RFC 8032 5.1.7) under a key that passes the strict check.

    Raises `KeyRefused` for the key, `SealBroken` for the signature.
    """
    check_ed25519_public(public)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        raise SealBroken("the signature does not verify") from None


def aead_seal(key: bytes, nonce: int, plaintext: bytes, aad: bytes = b"") -> bytes:
    """ChaCha20-Poly1305 (RFC 8439): ciphertext and 16-byte tag.

    The 96-bit nonce is 4 zero bytes and `nonce` in 8 little-endian bytes (Noise, section 12.3).
    """
    return ChaCha20Poly1305(key).encrypt(_nonce(nonce), plaintext, aad)


def aead_open(key: bytes, nonce: int, ciphertext: bytes, aad: bytes = b"") -> bytes:
    """Open what `aead_seal` made.  Raises `SealBroken`."""
    try:
        return ChaCha20Poly1305(key).decrypt(_nonce(nonce), ciphertext, aad)
    except InvalidTag:
        raise SealBroken("the AEAD does not open") from None


def _nonce(counter: int) -> bytes:
    return bytes(4) + counter.to_bytes(8, "little")
