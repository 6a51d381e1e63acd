"""Noise, what is drawn from it, and the transport seals (SPEC section 6)."""

from __future__ import annotations

from typing import Any

from nearproof.crypto import advert, handshake, noise
from nearproof.crypto.messages import ACK, M1, M2, QrPayload
from nearproof.crypto.primitives import aead_seal, x25519_public
from vectors.generate.case import Case, accepted, refused
from vectors.generate.cast import EID, NEW, OLD, QR, Q, drawn
from vectors.generate.qr import LOW_ORDER_U

R, NEW_E, OLD_E = drawn("r"), drawn("e of NEW"), drawn("e of OLD")
M1_PLAIN = M1(handshake.commitment(R, NEW.public)).encode()
M2_PLAIN = M2(4, OLD.kid).encode()
INITIATED = noise.initiate(
    psk=handshake.psk(QR, EID),
    prologue=handshake.prologue(QR, EID),
    rs=QR.q_public,
    e=NEW_E,
    payload=M1_PLAIN,
)
REPLY, SESSION = noise.accept(
    psk=handshake.psk(QR, EID),
    prologue=handshake.prologue(QR, EID),
    s=Q,
    message=INITIATED.message,
).reply(e=OLD_E, payload=M2_PLAIN)


def noise_cases() -> list[Case]:
    return [*_transcripts(), *_m1(), *_m2(), *_transport()]


def _transcripts() -> list[Case]:
    def transcript(id: str, description: str, **changes: Any) -> Case:
        inputs = {
            "qr": QR.encode(),
            "eid": EID,
            "q_private": Q,
            "new_e_private": NEW_E,
            "old_e_private": OLD_E,
            "m1_plaintext": M1_PLAIN,
            "m2_plaintext": M2_PLAIN,
            "r": R,
            "new_public": NEW.public,
            "challenge": b"\0" + drawn("challenge 0", 8),
        }
        return accepted("noise", "transcript", id, description, **(inputs | changes))

    zero_code = _r_with_leading_zero()
    plain = M1(handshake.commitment(zero_code, NEW.public)).encode()
    other = QrPayload(drawn("secret 2", 16), x25519_public(drawn("Q 2")), QR.txn, QR.iat + 1)
    return [
        transcript("honest", "m1, m2, and everything drawn from them"),
        transcript(
            "other-qr",
            "Another QR and advert",
            qr=other.encode(),
            q_private=drawn("Q 2"),
            eid=advert.seal(other, drawn("N 2", 10)),
        ),
        transcript("leading-zero", "A code that begins with 0", r=zero_code, m1_plaintext=plain),
    ]


def _r_with_leading_zero() -> bytes:
    """The first r of a series whose check code needs its leading zero."""
    for count in range(1000):
        r = drawn(f"r {count}")
        plain = M1(handshake.commitment(r, NEW.public)).encode()
        psk, prologue = handshake.psk(QR, EID), handshake.prologue(QR, EID)
        m1 = noise.initiate(psk=psk, prologue=prologue, rs=QR.q_public, e=NEW_E, payload=plain)
        opened = noise.accept(psk=psk, prologue=prologue, s=Q, message=m1.message)
        _, session = opened.reply(e=OLD_E, payload=M2_PLAIN)
        if handshake.check_code(session, r, NEW.public).startswith("0"):
            return r
    raise AssertionError("one in ten")


def _m1() -> list[Case]:
    m1, qr = INITIATED.message, QR.encode()
    inputs: dict[str, Any] = {"qr": qr, "eid": EID, "q_private": Q}

    def bad(id: str, description: str, message: bytes = m1, **changes: Any) -> Case:
        changed = inputs | {"m1": message} | changes
        return refused("noise", "open_m1", f"m1-{id}", description, **changed)

    later = qr[:-1] + bytes([qr[-1] ^ 1])
    return [
        accepted("noise", "open_m1", "m1", "m1 opens", m1=m1, **inputs),
        bad("flip-e", "A bit of e flipped", flip(m1, 0)),
        bad(
            "flip-e-high",
            "The top bit of e, which X25519 ignores and the hash does not",
            flip(m1, 31, 0x80),
        ),
        bad("flip-payload", "A bit of the payload flipped", flip(m1, 32)),
        bad("flip-tag", "The last bit of the tag flipped", flip(m1, -1)),
        bad("cut", "The last byte is missing", m1[:-1]),
        bad("longer", "A byte more", m1 + b"\0"),
        bad("47", "47 bytes: not even a tag", m1[:47]),
        bad("empty", "No bytes", b""),
        bad("eid", "Made for another advert", eid=advert.seal(QR, drawn("N 3", 10))),
        bad("qr", "Made for a QR of another second", qr=later),
        bad("secret", "Made for another secret", qr=qr[:2] + flip(qr[2:18], 0) + qr[18:]),
        bad("q", "Opened with another Q", q_private=drawn("Q 2")),
        bad("reflected", "m2 sent back", REPLY),
        *(
            bad(f"low-order-{name}", f"e of low order: {name}", u + m1[32:])
            for name, u in LOW_ORDER_U.items()
        ),
    ]


def _m2() -> list[Case]:
    inputs: dict[str, Any] = {
        "qr": QR.encode(),
        "eid": EID,
        "new_e_private": NEW_E,
        "m1_plaintext": M1_PLAIN,
    }

    def bad(id: str, description: str, message: bytes = REPLY, **changes: Any) -> Case:
        changed = inputs | {"m2": message} | changes
        return refused("noise", "open_m2", f"m2-{id}", description, **changed)

    return [
        accepted("noise", "open_m2", "m2", "m2 opens", m2=REPLY, **inputs),
        bad("flip-e", "A bit of e flipped", flip(REPLY, 0)),
        bad("flip-payload", "A bit of the payload flipped", flip(REPLY, 32)),
        bad("flip-tag", "The last bit of the tag flipped", flip(REPLY, -1)),
        bad("cut", "The last byte is missing", REPLY[:-1]),
        bad("low-order", "e of 0", bytes(32) + REPLY[32:]),
        bad("other-e", "The answer to another m1", new_e_private=drawn("e of NEW 2")),
        bad("reflected", "m1 sent back", INITIATED.message),
    ]


def _transport() -> list[Case]:
    k1, k2 = SESSION.k1, SESSION.k2
    t1 = aead_seal(k1, 0, b"t1")

    def bad(id: str, description: str, key: bytes, n: int, message: bytes) -> Case:
        return refused("noise", "open", id, description, key=key, n=n, message=message)

    return [
        accepted("noise", "seal", "ack", "The ack: k1 with 1", key=k1, n=1, plaintext=ACK),
        accepted("noise", "seal", "t1", "k1 with 0", key=k1, n=0, plaintext=b"t1"),
        accepted("noise", "seal", "t2", "k2 with 0", key=k2, n=0, plaintext=b"t2"),
        accepted("noise", "open", "open", "t1 opens", key=k1, n=0, message=t1),
        bad("ack-as-t1", "k1 with 1 where 0 is due", k1, 0, aead_seal(k1, 1, ACK)),
        bad("t1-reflected", "t1 sent back as t2", k2, 0, t1),
        bad("flipped", "A bit flipped", k1, 0, flip(t1, 0)),
        bad("short", "15 bytes", k1, 0, t1[:15]),
        bad("no-bytes", "No bytes", k1, 0, b""),
    ]


def flip(data: bytes, at: int, bit: int = 1) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
