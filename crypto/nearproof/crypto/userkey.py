"""The user key: what a PIN makes of a laptop's secret, and the proof that its holder typed it.

    seed = HKDF-SHA-256(ikm = device secret 32 | Argon2id(PIN, salt 16) 32, salt "", "PXP1 user")

Every PIN gives a valid Ed25519 key, and nothing on the laptop tells which of them is the right
one: its public half is known to the backend alone.  So neither the key, nor its kid, nor
anything that it has signed may be stored or logged on either side; each would turn a stolen
disk into an oracle for guesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from nearproof.crypto import cbor, cose
from nearproof.crypto.errors import (
    ChallengeVoid,
    EncodingError,
    KeyRefused,
    LocalError,
    MalformedPin,
    PinTooEasy,
    SealBroken,
)
from nearproof.crypto.identity import KID_SIZE, DeviceKey, check_public_key
from nearproof.crypto.primitives import argon2id, equal, hkdf

PIN_DIGITS: Final = 6
SECRET_SIZE: Final = 32
SALT_SIZE: Final = 16
CHALLENGE_SIZE: Final = 32
MAX_PROOF: Final = 512
"""Bytes of a PIN proof."""

_CHALLENGE, _ACTION, _CEREMONY, _DEVICE = 1, 2, 3, 4


class UserKey(DeviceKey):
    """The key of one PIN on one laptop.  Its repr names nothing: even its kid is secret."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UserKey(...)"


@dataclass(frozen=True, slots=True)
class PinContext:
    """What a PIN proof is for: one challenge, one action, one ceremony, one laptop."""

    challenge: bytes
    """32 bytes, drawn by the backend; good once."""
    action: str
    """What the proof allows, in one word."""
    ceremony: bytes
    """16 bytes, or none for an action outside of one."""
    device: bytes
    """The kid (16 bytes) of the laptop's device key."""


def read_pin(text: str) -> str:
    """The six digits of a typed PIN; spaces and hyphens do not count.  Raises `MalformedPin`."""
    pin = text.replace(" ", "").replace("-", "")
    if len(pin) != PIN_DIGITS or not (pin.isascii() and pin.isdecimal()):
        raise MalformedPin(f"a PIN has {PIN_DIGITS} digits")
    return pin


def choose_pin(text: str) -> str:
    """`read_pin` for a PIN that is to be new.  Raises `PinTooEasy` for about 10 % of them.

    Refused: one or two different digits only, a digit three times in a row, the same three
    digits twice, steps of the same size (123456, 135791), and dates (day and month, with a
    two-digit year before or after).  The laptop alone can judge this: no server sees a PIN.
    """
    pin = read_pin(text)
    digits = [int(digit) for digit in pin]
    steps = {(after - before) % 10 for before, after in pairwise(digits)}
    pairs = int(pin[:2]), int(pin[2:4]), int(pin[4:])
    easy = (
        len(set(digits)) <= 2
        or len(steps) == 1
        or pin[:3] == pin[3:]
        or any(digit * 3 in pin for digit in "0123456789")
        or (1 <= pairs[1] <= 12 and (1 <= pairs[0] <= 31 or 1 <= pairs[2] <= 31))
    )
    if easy:
        raise PinTooEasy("a PIN that others would try first")
    return pin


def derive_user_key(secret: bytes, salt: bytes, pin: str) -> UserKey:
    """The user key of this PIN; takes about 0.3 s and 64 MiB.

    `secret`: the laptop's 32 bytes; `salt`: its 16 bytes.  Raises `MalformedPin`, `LocalError`.
    """
    if len(secret) != SECRET_SIZE or len(salt) != SALT_SIZE:
        raise LocalError("a device secret has 32 bytes, a PIN's salt 16")
    stretched = argon2id(read_pin(pin).encode(), salt)
    return UserKey(hkdf(secret + stretched, b"", b"PXP1 user"))


def make_pin_proof(key: UserKey, context: PinContext) -> bytes:
    """A COSE_Sign1 (typ nearproof-pin) by the user key, about 230 bytes: for TLS alone."""
    return cose.sign1(
        key,
        cose.TYP_PIN,
        {
            _CHALLENGE: context.challenge,
            _ACTION: str(context.action),
            _CEREMONY: context.ceremony,
            _DEVICE: context.device,
        },
    )


def verify_pin_proof(data: bytes, user_public: bytes, context: PinContext) -> None:
    """Check that the PIN of `user_public` was typed for exactly this.

    Raises `EncodingError` for what could be a proof under no key at all, and `ChallengeVoid` for
    one over another challenge: no key has been tried then, so neither is a guess.  Everything
    else is one: `SealBroken`.
    """
    if len(data) > MAX_PROOF:
        raise EncodingError(f"a PIN proof has at most {MAX_PROOF} bytes")
    token = cose.parse(data, cose.TYP_PIN)
    if not token.says(_CHALLENGE, context.challenge):
        raise ChallengeVoid("a PIN proof over another challenge")
    try:
        claims = token.verify(user_public)
    except KeyRefused as error:
        raise SealBroken(str(error)) from None
    _check_claims(claims, context)


def check_user_public(user_public: bytes, device_public: bytes) -> None:
    """Raise `KeyRefused` for a user key that is unusable, or that is the device key."""
    check_public_key(user_public)
    if equal(user_public, device_public):
        raise KeyRefused("the user key is the device key")


def _check_claims(claims: dict[int, cbor.Value], context: PinContext) -> None:
    try:
        with cbor.MapReader(claims) as fields:
            fields.constant(_ACTION, str(context.action))
            octets = (
                (fields.octets(_CHALLENGE, CHALLENGE_SIZE), context.challenge),
                (fields.octets(_CEREMONY, len(context.ceremony)), context.ceremony),
                (fields.octets(_DEVICE, KID_SIZE), context.device),
            )
    except EncodingError as error:
        raise SealBroken(f"a PIN proof for something else: {error}") from None
    if not all(equal(claimed, due) for claimed, due in octets):
        raise SealBroken("a PIN proof for something else")
