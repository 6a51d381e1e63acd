"""Identities: names, carriers and redaction of Ed25519 keys."""

from __future__ import annotations

import pytest

from crypto.pair import key
from nearproof.crypto import identity
from nearproof.crypto.errors import EncodingError, KeyRefused, LocalError

SEED = bytes(range(32))


def test_thumbprint_of_the_published_key() -> None:
    """SPEC, section 4: the key of seed 00..1f (RFC 9679)."""
    device = identity.DeviceKey.from_seed(SEED)
    expected = "be5de2f4bcdc383add3fc9827d345f1a37c6a06026b38696fb3229c003b35f49"
    assert identity.thumbprint(device.public).hex() == expected
    assert device.kid == identity.kid(device.public) == bytes.fromhex(expected)[:16]


def test_generate_takes_32_random_bytes() -> None:
    """The seed is what was drawn, so that vectors are exact."""
    device = identity.DeviceKey.generate(lambda size: SEED[:size])
    assert device.seed() == SEED
    assert device.public == identity.DeviceKey.from_seed(SEED).public


def test_repr_shows_the_kid_alone() -> None:
    """A key in a log line gives nothing away."""
    device = identity.DeviceKey.from_seed(SEED)
    assert repr(device) == f"DeviceKey(kid={device.kid.hex()})"
    assert SEED.hex() not in repr(device)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_has_32_bytes(size: int) -> None:
    """Anything else is this program's mistake."""
    with pytest.raises(LocalError):
        identity.DeviceKey.from_seed(bytes(size))


def test_confirmation_carries_exactly_a_key() -> None:
    """The cnf claim is read back, and no other shape is."""
    public = key("anyone").public
    good = identity.confirmation(public)
    assert identity.read_confirmation(good) == public  # type: ignore[arg-type]
    cose_key = identity.cose_key(public)
    for bad in (
        {},
        {1: cose_key, 3: b"kid"},
        {2: cose_key},
        {1: {**cose_key, -1: 4}},
        {1: {**cose_key, 1: 2}},
        {1: {**cose_key, 1: "OKP"}},
        {1: {**cose_key, -2: public[:31]}},
        {1: {**cose_key, 3: -8}},
        {1: {**cose_key, -4: SEED}},
        [public],
    ):
        with pytest.raises(EncodingError):
            identity.read_confirmation(bad)  # type: ignore[arg-type]


def test_check_public_key_is_the_strict_check() -> None:
    """See test_primitives for every class of bad key."""
    identity.check_public_key(key("anyone").public)
    with pytest.raises(KeyRefused):
        identity.check_public_key(bytes(32))
