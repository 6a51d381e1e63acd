"""COSE_Sign1 in the one shape that PXP1 allows (RFC 9052 4.2, RFC 9596; SPEC, section 4).

Tag 18, protected {1 alg: -8, 4 kid, 16 typ} and nothing else, unprotected empty, the payload a
deterministic CBOR map, external aad empty.  The algorithm is EdDSA (-8), pinned to Ed25519 by the
keys: two COSE libraries in wide use do not agree on the newer -19.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from nearproof.crypto import cbor
from nearproof.crypto.errors import EncodingError, HeadersRefused, SealBroken
from nearproof.crypto.identity import KID_SIZE, DeviceKey
from nearproof.crypto.identity import kid as kid_of
from nearproof.crypto.primitives import ed25519_verify, equal

TYP_GRANT: Final = "application/nearproof-grant+cbor"
TYP_PROOF: Final = "application/nearproof-proof+cbor"
TYP_POP: Final = "application/nearproof-pop+cbor"
TYP_PIN: Final = "application/nearproof-pin+cbor"

MAX_TOKEN: Final = 2048
"""Bytes of one token."""

_SIGN1_TAG: Final = 18
_ALG, _EDDSA = 1, -8
_KID: Final = 4
_TYP: Final = 16
_SIGNATURE_SIZE: Final = 64


def sign1(key: DeviceKey, typ: str, claims: Mapping[int, cbor.Encodable]) -> bytes:
    """A COSE_Sign1 of these claims: deterministic bytes, Ed25519 being so as well."""
    protected = cbor.encode({_ALG: _EDDSA, _KID: key.kid, _TYP: typ})
    payload = cbor.encode(claims)
    signature = key.sign(_to_be_signed(protected, payload))
    return cbor.encode(cbor.Tag(_SIGN1_TAG, [protected, {}, payload, signature]))


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token of the right shape whose claims nobody may read before `verify`."""

    kid: bytes
    """16 bytes that hint at the signer's key."""
    _claims: dict[int, cbor.Value] = field(repr=False)
    _signed: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    def says(self, label: int, due: bytes) -> bool:
        """Whether it claims these bytes.  Asked before a key is used, so that the answer tells
        nothing of who has signed.
        """
        claimed = self._claims.get(label)
        return isinstance(claimed, bytes) and equal(claimed, due)

    def verify(self, public: bytes) -> dict[int, cbor.Value]:
        """The claims, if this key signed them and the token names this key.

        Raises `KeyRefused` for a bad key, `SealBroken` otherwise.
        """
        ed25519_verify(public, self._signed, self._signature)
        if not equal(self.kid, kid_of(public)):
            raise SealBroken("the token names another key than the one that signed it")
        return self._claims


def parse(data: bytes, typ: str) -> Unverified:
    """Check everything that needs no key.

    Raises `EncodingError` (not strict CBOR, or not a COSE_Sign1 over a map) or `HeadersRefused`.
    """
    match cbor.decode(data, max_size=MAX_TOKEN, tag=_SIGN1_TAG):
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            pass
        case _:
            raise EncodingError("not the four parts of a COSE_Sign1")
    if len(signature) != _SIGNATURE_SIZE:
        raise EncodingError("an Ed25519 signature has 64 bytes")
    claims = cbor.decode(payload, max_size=MAX_TOKEN)
    if not isinstance(claims, dict):
        raise EncodingError("the payload is not a map of claims")
    header = cbor.decode(protected, max_size=MAX_TOKEN)
    kid = _read_headers(header, unprotected, typ)
    return Unverified(kid, claims, _to_be_signed(protected, payload), signature)


def verify1(data: bytes, typ: str, public: bytes) -> dict[int, cbor.Value]:
    """Parse and verify one token: its claims.

    Raises `EncodingError`, `HeadersRefused`, `KeyRefused` or `SealBroken`.
    """
    return parse(data, typ).verify(public)


def _read_headers(header: cbor.Value, unprotected: dict[int, cbor.Value], typ: str) -> bytes:
    try:
        with cbor.MapReader(unprotected):
            pass
        with cbor.MapReader(header) as fields:
            fields.constant(_ALG, _EDDSA)
            fields.constant(_TYP, typ)
            return fields.octets(_KID, KID_SIZE)
    except EncodingError as error:
        raise HeadersRefused(f"COSE headers: {error}") from None


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure of RFC 9052 4.4, with an empty external aad."""
    return cbor.encode(["Signature1", protected, b"", payload])
