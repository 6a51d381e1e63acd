"""SPEC section 4, tokens: COSE_Sign1 with exactly one form of every header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vectors.pxp1 import cbor
from vectors.pxp1.messages import is_bytes, shape
from vectors.pxp1.primitives import check_key, ed25519_public, kid, sign, signature_holds
from vectors.pxp1.refused import Refused

MAX_TOKEN = 2048
EDDSA = -8
TYPES = {name: f"application/nearproof-{name}+cbor" for name in ("grant", "proof", "pop", "pin")}


@dataclass(frozen=True)
class Token:
    """A token of the right form whose signature has not been judged."""

    protected: bytes
    payload: bytes
    signature: bytes
    kid: bytes
    claims: Mapping[int, Any]

    def signed_by(self, public: bytes) -> bool:
        check_key(public)
        structure = cbor.encode(["Signature1", self.protected, b"", self.payload])
        return self.kid == kid(public) and signature_holds(public, self.signature, structure)


def read(data: bytes, kind: str) -> Token:
    """Raises `Refused` of layer `tokens`: first `encoding`, then `headers`."""
    try:
        if len(data) > MAX_TOKEN:
            raise Refused("tokens")
        outer = cbor.decode(data, tag_allowed=True)
        match outer:
            case cbor.Tagged([bytes(protected), dict(unprotected), bytes(payload), bytes(signed)]):
                headers = cbor.decode(protected)
                claims = cbor.decode(payload)
            case _:
                raise Refused("tokens")
        if len(signed) != 64 or not isinstance(claims, dict):
            raise Refused("tokens")
    except Refused:
        raise Refused("tokens", "encoding") from None
    if (
        unprotected
        or not shape(headers, {1, 4, 16})
        or headers[1] != EDDSA
        or headers[16] != TYPES[kind]
        or not is_bytes(headers[4], 16)
    ):
        raise Refused("tokens", "headers")
    return Token(protected, payload, signed, headers[4], claims)


def make(seed: bytes, kind: str, claims: Mapping[int, Any]) -> bytes:
    signer = kid(ed25519_public(seed))
    protected = cbor.encode({1: EDDSA, 4: signer, 16: TYPES[kind]})
    payload = cbor.encode(dict(claims))
    structure = cbor.encode(["Signature1", protected, b"", payload])
    return cbor.encode(cbor.Tagged([protected, {}, payload, sign(seed, structure)]))
