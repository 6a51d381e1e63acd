"""Noise_NKpsk0: the public vector, an independent implementation, and no way around the seal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from noise.connection import Keypair, NoiseConnection

from crypto.pair import stream
from nearproof.crypto import noise
from nearproof.crypto.errors import KeyRefused, PeerError, SealBroken
from nearproof.crypto.primitives import aead_open, aead_seal, x25519_public

FILE = Path(__file__).parent / "data" / "noise_nkpsk0_25519_chachapoly_sha256.json"
KEYS = st.binary(min_size=32, max_size=32)


def test_public_vector() -> None:
    """Every message of the cacophony vector, from both sides, and the handshake hash."""
    vector = json.loads(FILE.read_text())["vectors"][0]
    assert vector["protocol_name"].encode() == noise.PROTOCOL_NAME
    payloads = [bytes.fromhex(m["payload"]) for m in vector["messages"]]
    expected = [bytes.fromhex(m["ciphertext"]) for m in vector["messages"]]
    common = {
        "psk": bytes.fromhex(vector["init_psks"][0]),
        "prologue": bytes.fromhex(vector["init_prologue"]),
    }
    initiated = noise.initiate(
        **common,
        rs=bytes.fromhex(vector["init_remote_static"]),
        e=bytes.fromhex(vector["init_ephemeral"]),
        payload=payloads[0],
    )
    assert initiated.message == expected[0]
    static = bytes.fromhex(vector["resp_static"])
    accepted = noise.accept(**common, s=static, message=expected[0])
    assert accepted.payload == payloads[0]
    message, session = accepted.reply(
        e=bytes.fromhex(vector["resp_ephemeral"]), payload=payloads[1]
    )
    assert message == expected[1]
    assert initiated.finish(message) == (payloads[1], session)
    assert session.h.hex() == vector["handshake_hash"]
    for index, (payload, ciphertext) in enumerate(zip(payloads[2:], expected[2:], strict=True)):
        key = session.k2 if index % 2 else session.k1
        assert aead_seal(key, index // 2, payload) == ciphertext


def peer(*, initiator: bool, psk: bytes, prologue: bytes, keys: list[tuple[Any, bytes]]) -> Any:
    """A `noiseprotocol` connection."""
    connection = NoiseConnection.from_name(noise.PROTOCOL_NAME)
    connection.set_psks(psk)
    connection.set_prologue(prologue)
    for kind, value in keys:
        if kind is Keypair.REMOTE_STATIC:
            connection.set_keypair_from_public_bytes(kind, value)
        else:
            connection.set_keypair_from_private_bytes(kind, value)
    if initiator:
        connection.set_as_initiator()
    else:
        connection.set_as_responder()
    connection.start_handshake()
    return connection


@settings(max_examples=50, deadline=None)
@given(
    psk=KEYS,
    prologue=st.binary(max_size=60),
    s=KEYS,
    e=KEYS,
    payloads=st.tuples(*[st.binary(max_size=99)] * 4),
)
def test_our_initiator_against_noiseprotocol(
    psk: bytes, prologue: bytes, s: bytes, e: bytes, payloads: tuple[bytes, ...]
) -> None:
    """With random keys: both messages, the hash, and transport both ways."""
    other = peer(initiator=False, psk=psk, prologue=prologue, keys=[(Keypair.STATIC, s)])
    initiated = noise.initiate(
        psk=psk, prologue=prologue, rs=x25519_public(s), e=e, payload=payloads[0]
    )
    assert other.read_message(initiated.message) == payloads[0]
    payload, session = initiated.finish(bytes(other.write_message(payloads[1])))
    assert payload == payloads[1]
    check_transport(session, other, payloads, initiator=True)


@settings(max_examples=50, deadline=None)
@given(
    psk=KEYS,
    prologue=st.binary(max_size=60),
    s=KEYS,
    e=KEYS,
    payloads=st.tuples(*[st.binary(max_size=99)] * 4),
)
def test_our_responder_against_noiseprotocol(
    psk: bytes, prologue: bytes, s: bytes, e: bytes, payloads: tuple[bytes, ...]
) -> None:
    """The other way round."""
    keys = [(Keypair.REMOTE_STATIC, x25519_public(s))]
    other = peer(initiator=True, psk=psk, prologue=prologue, keys=keys)
    first = bytes(other.write_message(payloads[0]))
    accepted = noise.accept(psk=psk, prologue=prologue, s=s, message=first)
    assert accepted.payload == payloads[0]
    message, session = accepted.reply(e=e, payload=payloads[1])
    assert other.read_message(message) == payloads[1]
    check_transport(session, other, payloads, initiator=False)


def check_transport(
    session: noise.Session, other: Any, payloads: tuple[bytes, ...], *, initiator: bool
) -> None:
    assert other.get_handshake_hash() == session.h
    ours, theirs = (session.k1, session.k2) if initiator else (session.k2, session.k1)
    assert other.decrypt(aead_seal(ours, 0, payloads[2])) == payloads[2]
    assert aead_open(theirs, 0, bytes(other.encrypt(payloads[3]))) == payloads[3]


DRAW = stream("noise")
PSK, S, E, E2 = (DRAW(32) for _ in range(4))
FIRST = noise.initiate(psk=PSK, prologue=b"p", rs=x25519_public(S), e=E, payload=b"one")
SECOND, _ = noise.accept(psk=PSK, prologue=b"p", s=S, message=FIRST.message).reply(
    e=E2, payload=b"two"
)


def test_every_bit_of_both_messages_counts() -> None:
    """Also the top bit of an X25519 key, which RFC 7748 ignores: the hash does not."""
    for bit in range(len(FIRST.message) * 8):
        with pytest.raises(PeerError):
            noise.accept(psk=PSK, prologue=b"p", s=S, message=flip(FIRST.message, bit))
    for bit in range(len(SECOND) * 8):
        with pytest.raises(PeerError):
            FIRST.finish(flip(SECOND, bit))
    assert FIRST.finish(SECOND)[0] == b"two"


def flip(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def test_truncation_extension_and_reflection() -> None:
    """Every shorter and a longer message, and one's own message."""
    for size in range(len(FIRST.message)):
        with pytest.raises(SealBroken):
            noise.accept(psk=PSK, prologue=b"p", s=S, message=FIRST.message[:size])
    for size in range(len(SECOND)):
        with pytest.raises(SealBroken):
            FIRST.finish(SECOND[:size])
    for message in (FIRST.message + b"\0", SECOND):
        with pytest.raises(SealBroken):
            noise.accept(psk=PSK, prologue=b"p", s=S, message=message)
    for message in (SECOND + b"\0", FIRST.message):
        with pytest.raises(SealBroken):
            FIRST.finish(message)


def test_another_psk_prologue_or_static_key() -> None:
    """Each of them is needed."""
    for psk, prologue, s in ((E, b"p", S), (PSK, b"P", S), (PSK, b"p", E)):
        with pytest.raises(SealBroken):
            noise.accept(psk=psk, prologue=prologue, s=s, message=FIRST.message)


def test_low_order_keys() -> None:
    """On the QR, in the first and in the second message: the result would be all zero."""
    with pytest.raises(KeyRefused):
        noise.initiate(psk=PSK, prologue=b"p", rs=bytes(32), e=E, payload=b"")
    with pytest.raises(KeyRefused):
        noise.accept(psk=PSK, prologue=b"p", s=S, message=bytes(80))
    with pytest.raises(KeyRefused):
        FIRST.finish(bytes(80))


def test_reprs_hide_everything_secret() -> None:
    """Canaries: no key, hash or payload of any state shows."""
    accepted = noise.accept(psk=PSK, prologue=b"p", s=S, message=FIRST.message)
    _, session = accepted.reply(e=E2, payload=b"two")
    shown = repr(FIRST) + repr(accepted) + repr(session)
    for secret in (PSK, S, E, E2, session.ck, session.k1, session.k2, b"one"):
        assert repr(secret)[2:-1] not in shown
