"""Ed25519 identities: O, D and I, and how a public key is named and carried.

SPEC, section 4; RFC 8032, RFC 9052 (COSE_Key), RFC 9679 (thumbprint).
"""

from __future__ import annotations

from typing import Final

from nearproof.crypto import cbor
from nearproof.crypto.errors import LocalError
from nearproof.crypto.primitives import (
    KEY_SIZE,
    Randomness,
    check_ed25519_public,
    ed25519_public,
    ed25519_sign,
    sha256,
)

KID_SIZE: Final = 16

_KTY, _OKP = 1, 1
_CRV, _ED25519 = -1, 6
_X = -2


class DeviceKey:
    """An Ed25519 signing key: O, D, or the issuer's I.  Its repr names the kid alone."""

    __slots__ = ("_seed", "kid", "public")

    kid: bytes
    """16 bytes that name the public key."""
    public: bytes
    """The 32-byte public key."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_SIZE:
            raise LocalError("an Ed25519 seed has 32 bytes")
        self._seed = seed
        self.public = ed25519_public(seed)
        self.kid = kid(self.public)

    @classmethod
    def from_seed(cls, seed: bytes) -> DeviceKey:
        """The key of this 32-byte seed (RFC 8032 5.1.5).  Raises `LocalError` for another size."""
        return cls(seed)

    @classmethod
    def generate(cls, randomness: Randomness) -> DeviceKey:
        """A new key from 32 random bytes."""
        return cls(randomness(KEY_SIZE))

    def seed(self) -> bytes:
        """The 32 secret bytes: for the key file, and for nothing else."""
        return self._seed

    def sign(self, message: bytes) -> bytes:
        """A 64-byte Ed25519 signature."""
        return ed25519_sign(self._seed, message)

    def __repr__(self) -> str:
        return f"DeviceKey(kid={self.kid.hex()})"


def check_public_key(public: bytes) -> None:
    """Raise `KeyRefused` unless `public` is a canonical Ed25519 key of more than small order."""
    check_ed25519_public(public)


def thumbprint(public: bytes) -> bytes:
    """The RFC 9679 thumbprint: SHA-256 (32 bytes) of the key's deterministic COSE_Key."""
    return sha256(cbor.encode(cose_key(public)))


def kid(public: bytes) -> bytes:
    """The first 16 bytes of the thumbprint: a hint for look-up, never a proof."""
    return thumbprint(public)[:KID_SIZE]


def cose_key(public: bytes) -> dict[int, int | bytes]:
    """The COSE_Key of an Ed25519 public key (RFC 9052 7, RFC 9053 7.2): {kty, crv, x}."""
    return {_KTY: _OKP, _CRV: _ED25519, _X: public}


def confirmation(public: bytes) -> dict[int, dict[int, int | bytes]]:
    """The value of a cnf claim that holds this key (RFC 8747 3.2)."""
    return {1: cose_key(public)}


def read_confirmation(value: cbor.Value) -> bytes:
    """The 32-byte key of a cnf claim; whether it is a *good* key is for `check_public_key`.

    Raises `EncodingError` unless the value is exactly what `confirmation` makes.
    """
    with cbor.MapReader(value) as cnf:
        key = cnf.item(1)
    with cbor.MapReader(key) as fields:
        fields.constant(_KTY, _OKP)
        fields.constant(_CRV, _ED25519)
        return fields.octets(_X, KEY_SIZE)
