"""The user key: derived as designed, and silent about itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nearproof.crypto import cose
from nearproof.crypto.errors import (
    ChallengeVoid,
    EncodingError,
    KeyRefused,
    MalformedPin,
    PinTooEasy,
    SealBroken,
)
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.primitives import argon2id, hkdf
from nearproof.crypto.userkey import (
    PinContext,
    UserKey,
    check_user_public,
    choose_pin,
    derive_user_key,
    make_pin_proof,
    read_pin,
    verify_pin_proof,
)

SECRET, SALT = bytes(range(32)), bytes(range(16))
KEY = UserKey(bytes([7]) * 32)
CONTEXT = PinContext(bytes(32), "copy", b"", bytes(16))


def test_argon2id_has_the_parameters_of_the_design() -> None:
    """64 MiB, t = 3, p = 1, as the reference C library (argon2-cffi 25.1) computes it."""
    tag = "9694eea217b5406db68fc7e4c790ae648bd2c9d98c958c41e1d52c4e350ac157"
    assert argon2id(b"839274", SALT).hex() == tag


def test_the_seed_is_derived_as_designed() -> None:
    """HKDF over device secret and stretched PIN; each of the three changes it."""
    seed = hkdf(SECRET + argon2id(b"839274", SALT), b"", b"PXP1 user")
    key = derive_user_key(SECRET, SALT, "839 274")
    assert key.seed() == seed
    others = [
        derive_user_key(bytes(32), SALT, "839274"),
        derive_user_key(SECRET, bytes(16), "839274"),
        derive_user_key(SECRET, SALT, "839275"),
    ]
    assert len({key.public, *(other.public for other in others)}) == 4


def test_the_key_names_nothing() -> None:
    """Even its kid would let a thief test a guess."""
    assert repr(KEY) == "UserKey(...)"


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12a456", "١٢٣٤٥٦"])
def test_a_pin_has_six_digits(text: str) -> None:
    """Anything else is no try."""
    with pytest.raises(MalformedPin):
        read_pin(text)


@pytest.mark.parametrize(
    "pin",
    ["000000", "121212", "123456", "987654", "135791", "555321", "274274", "010190", "900131"],
)
def test_easy_pins_are_refused(pin: str) -> None:
    """By a rule that a person can be told."""
    with pytest.raises(PinTooEasy):
        choose_pin(pin)


def test_the_rule_refuses_about_a_tenth() -> None:
    """Of all million PINs."""
    refused = 0
    for number in range(1_000_000):
        try:
            choose_pin(f"{number:06}")
        except PinTooEasy:
            refused += 1
    assert 95_000 <= refused <= 105_000


def test_a_proof_holds_for_what_it_was_made_for() -> None:
    """And for no other action, ceremony or laptop."""
    proof = make_pin_proof(KEY, CONTEXT)
    verify_pin_proof(proof, KEY.public, CONTEXT)
    for other in (
        replace(CONTEXT, action="grant"),
        replace(CONTEXT, ceremony=bytes(16)),
        replace(CONTEXT, device=bytes([1]) * 16),
    ):
        with pytest.raises(SealBroken):
            verify_pin_proof(proof, KEY.public, other)


def test_another_pins_proof_is_a_wrong_one() -> None:
    """Whatever key the token names."""
    other = UserKey(bytes([8]) * 32)
    with pytest.raises(SealBroken):
        verify_pin_proof(make_pin_proof(other, CONTEXT), KEY.public, CONTEXT)


def test_a_proof_over_another_challenge_is_no_guess() -> None:
    """Refused alike whoever has signed: the right key, another, or nobody."""
    other = replace(CONTEXT, challenge=bytes([1]) * 32)
    proof = make_pin_proof(KEY, CONTEXT)
    for data in (
        proof,
        make_pin_proof(UserKey(bytes([8]) * 32), CONTEXT),
        proof[:-1] + bytes([proof[-1] ^ 1]),
        cose.sign1(KEY, cose.TYP_PIN, {}),
        cose.sign1(KEY, cose.TYP_PIN, {1: "text"}),
    ):
        with pytest.raises(ChallengeVoid):
            verify_pin_proof(data, KEY.public, other)


def test_what_can_be_no_proof_is_no_guess() -> None:
    """It cannot verify under any key, and so tells nobody anything."""
    other_type = cose.sign1(KEY, cose.TYP_POP, {1: b""})
    for data in (b"", bytes(600), make_pin_proof(KEY, CONTEXT)[:-1], other_type):
        with pytest.raises(EncodingError):
            verify_pin_proof(data, KEY.public, CONTEXT)


def test_a_user_key_is_usable_and_not_the_device_key() -> None:
    """One key for both would be known to whoever has the laptop."""
    device = DeviceKey(bytes(32))
    check_user_public(KEY.public, device.public)
    for public in (device.public, bytes(32), b"\x01" + bytes(31), b""):
        with pytest.raises(KeyRefused):
            check_user_public(public, device.public)
