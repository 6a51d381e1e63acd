"""Noise_NKpsk0_25519_ChaChaPoly_SHA256 (Noise Protocol Framework, revision 34).

    <- s
    ...
    -> psk, e, es
    <- e, ee

Every state is frozen and every step returns a new one: a message that does not open leaves
nothing changed, because there is nothing to change.  Keys are 32 bytes; `SealBroken` and
`KeyRefused` are the only errors.  The names in short form are those of the framework.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from nearproof.crypto.errors import SealBroken
from nearproof.crypto.primitives import (
    KEY_SIZE,
    aead_open,
    aead_seal,
    hmac_sha256,
    sha256,
    x25519,
    x25519_public,
)

PROTOCOL_NAME: Final = b"Noise_NKpsk0_25519_ChaChaPoly_SHA256"
TAG_SIZE: Final = 16


@dataclass(frozen=True, slots=True)
class _Symmetric:
    """SymmetricState and its CipherState (sections 5.1 and 5.2)."""

    ck: bytes = field(repr=False)
    h: bytes = field(repr=False)
    k: bytes = field(repr=False, default=b"")  # the token psk sets it before the first use
    n: int = 0

    def mix_hash(self, data: bytes) -> _Symmetric:
        return replace(self, h=sha256(self.h + data))

    def mix_key(self, ikm: bytes) -> _Symmetric:
        ck, k = _hkdf(self.ck, ikm, 2)
        return replace(self, ck=ck, k=k, n=0)

    def mix_key_and_hash(self, ikm: bytes) -> _Symmetric:
        ck, h, k = _hkdf(self.ck, ikm, 3)
        return replace(self.mix_hash(h), ck=ck, k=k, n=0)

    def mix_public(self, public: bytes) -> _Symmetric:
        """The token e: in a psk handshake the key is mixed in as well (section 9.2)."""
        return self.mix_hash(public).mix_key(public)

    def encrypt_and_hash(self, plaintext: bytes) -> tuple[bytes, _Symmetric]:
        ciphertext = aead_seal(self.k, self.n, plaintext, self.h)
        return ciphertext, replace(self.mix_hash(ciphertext), n=self.n + 1)

    def decrypt_and_hash(self, ciphertext: bytes) -> tuple[bytes, _Symmetric]:
        plaintext = aead_open(self.k, self.n, ciphertext, self.h)
        return plaintext, replace(self.mix_hash(ciphertext), n=self.n + 1)

    def split(self) -> Session:
        k1, k2 = _hkdf(self.ck, b"", 2)
        return Session(h=self.h, ck=self.ck, k1=k1, k2=k2)


@dataclass(frozen=True, slots=True)
class Session:
    """What a finished handshake leaves.

    The caller counts the nonces: PXP1 sends three messages and repeats them byte for byte.
    """

    h: bytes
    """The handshake hash: names the session, no secret."""
    ck: bytes = field(repr=False)
    """The chaining key after the last MixKey, before Split."""
    k1: bytes = field(repr=False)
    """Transport key, initiator to responder."""
    k2: bytes = field(repr=False)
    """Transport key, responder to initiator."""


@dataclass(frozen=True, slots=True)
class Initiated:
    """The initiator after its message."""

    message: bytes = field(repr=False)
    """e and the sealed payload: 48 bytes more than the payload."""
    _state: _Symmetric = field(repr=False)
    _e: bytes = field(repr=False)

    def finish(self, message: bytes) -> tuple[bytes, Session]:
        """Read the responder's message: its payload and the session."""
        re, sealed = _cut(message)
        state = self._state.mix_public(re).mix_key(x25519(self._e, re))
        payload, state = state.decrypt_and_hash(sealed)
        return payload, state.split()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The responder after a message that opened."""

    payload: bytes = field(repr=False)
    _state: _Symmetric = field(repr=False)
    _re: bytes = field(repr=False)

    def reply(self, *, e: bytes, payload: bytes) -> tuple[bytes, Session]:
        """Answer with the ephemeral private key `e`: the message and the session."""
        public = x25519_public(e)
        state = self._state.mix_public(public).mix_key(x25519(e, self._re))
        sealed, state = state.encrypt_and_hash(payload)
        return public + sealed, state.split()


def initiate(*, psk: bytes, prologue: bytes, rs: bytes, e: bytes, payload: bytes) -> Initiated:
    """Write the first message to the responder with static key `rs`, with ephemeral key `e`.

    Raises `KeyRefused` if `rs` is a low-order point.
    """
    public = x25519_public(e)
    state = _start(psk, prologue, rs).mix_public(public).mix_key(x25519(e, rs))
    sealed, state = state.encrypt_and_hash(payload)
    return Initiated(public + sealed, state, e)


def accept(*, psk: bytes, prologue: bytes, s: bytes, message: bytes) -> Accepted:
    """Read the first message with the static private key `s`."""
    re, sealed = _cut(message)
    state = _start(psk, prologue, x25519_public(s)).mix_public(re).mix_key(x25519(s, re))
    payload, state = state.decrypt_and_hash(sealed)
    return Accepted(payload, state, re)


def _start(psk: bytes, prologue: bytes, responder: bytes) -> _Symmetric:
    """Initialise (5.2), mix in the prologue and the pre-message s (5.3), and the psk (9.2)."""
    h = sha256(PROTOCOL_NAME)  # a name of more than 32 bytes is hashed
    state = _Symmetric(ck=h, h=h).mix_hash(prologue).mix_hash(responder)
    return state.mix_key_and_hash(psk)


def _cut(message: bytes) -> tuple[bytes, bytes]:
    if len(message) < KEY_SIZE + TAG_SIZE:
        raise SealBroken("shorter than any handshake message")
    return message[:KEY_SIZE], message[KEY_SIZE:]


def _hkdf(ck: bytes, ikm: bytes, outputs: int) -> list[bytes]:
    """HKDF as in section 4.3: `outputs` keys of 32 bytes."""
    temp = hmac_sha256(ck, ikm)
    keys, last = [], b""
    for i in range(1, outputs + 1):
        last = hmac_sha256(temp, last + bytes([i]))
        keys.append(last)
    return keys
