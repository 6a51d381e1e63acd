"""A session as a script: inputs with times, and what each of them brings about (SPEC section 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from nearproof.crypto import cbor, handshake, noise
from nearproof.crypto.grant import Policy, issue_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import ACK, M1, M2, T1, QrPayload
from nearproof.crypto.primitives import aead_open, aead_seal, x25519_public
from nearproof.crypto.proof import Transcript, make_pop
from vectors.generate.cast import CTI, EID, ISSUER, NBF, NEW, NONCE, OLD, Q, drawn
from vectors.ours.sessions import Player

SECOND = 1_000_000
Case = dict[str, Any]


class Script:
    """Plays a script against our own machine and writes down what happens."""

    def __init__(self, role: str, given: Case) -> None:
        self.start = {"layer": "session", "do": role} | given
        self.player = Player(self.start)
        self.steps: list[Case] = []

    def __call__(self, at: float, do: str, **inputs: Any) -> Case:
        """One input, `at` seconds after time 0; what then happens is returned too."""
        plain = {n: v.hex() if isinstance(v, bytes) else v for n, v in inputs.items()}
        step = {"at": round(at * SECOND), "do": do, **plain}
        then = self.player.step(step)
        self.steps.append(step | {"then": then})
        return then

    def ends(self, state_or_reason: str, id: str, description: str) -> Case:
        """The case: DONE and the like must be reached, an ending's reason is a refusal."""
        name = {"id": f"session-{self.start['do']}-{id}", "description": description}
        session = self.player.session
        reached = self.player.ended or session.state.upper()
        if reached != state_or_reason:
            raise ValueError(f"{id}: {reached} instead of {state_or_reason}")
        if self.player.ended:
            verdict: Case = {"refuse": {"layer": "session", "code": state_or_reason}}
        else:
            verdict = {"expect": {"state": state_or_reason}}
        return name | self.start | {"steps": self.steps} | verdict


def no_qr(id: str, description: str, given: Case, steps: list[Case]) -> Case:
    """OLD may not even make, or not show, its QR."""
    start = {"layer": "session", "do": "old"} | given
    name = {"id": f"session-old-{id}", "description": description}
    refuse = {"layer": "session", "code": "no_qr"}
    return name | start | {"steps": steps, "refuse": refuse}


# -- OLD, and a NEW that does what it is told


def old_given(*, made: float = 0, rounds: int = 2, cnf: bytes = OLD.public) -> Case:
    policy = Policy(rounds=rounds)
    grant = issue_grant(ISSUER, iss="demo", cti=CTI, nbf=NBF, old_public=cnf, policy=policy)
    challenges = b"".join(drawn(f"challenge {at}", 8) for at in range(rounds))
    return {
        "issuer": ISSUER.public.hex(),
        "grant": grant.hex(),
        "old_seed": OLD.seed().hex(),
        "made": round(made * SECOND),
        "random": {
            "secret": drawn("secret", 16).hex(),
            "q_private": Q.hex(),
            "nonce": NONCE.hex(),
            "e_private": drawn("e of OLD").hex(),
            "challenges": challenges.hex(),
        },
    }


def qr_made(at: float) -> QrPayload:
    """The QR that OLD makes of `old_given` so many seconds after the grant came."""
    return QrPayload(drawn("secret", 16), x25519_public(Q), CTI, NBF + int(at))


@dataclass
class Guest:
    """A NEW whose every message may be spoilt."""

    qr: QrPayload
    eid: bytes
    key: DeviceKey = NEW
    r: bytes = drawn("r")
    e: bytes = drawn("e of NEW")
    com: bytes | None = None

    @cached_property
    def initiated(self) -> noise.Initiated:
        com = handshake.commitment(self.r, self.key.public)
        return self.initiate(M1(com if self.com is None else self.com).encode())

    def initiate(self, payload: bytes) -> noise.Initiated:
        return noise.initiate(
            psk=handshake.psk(self.qr, self.eid),
            prologue=handshake.prologue(self.qr, self.eid),
            rs=self.qr.q_public,
            e=self.e,
            payload=payload,
        )

    @property
    def m1(self) -> bytes:
        return self.initiated.message

    def read_m2(self, then: Case) -> None:
        m2 = bytes.fromhex(then["send"][0][1])
        _, self.session = self.initiated.finish(m2)
        self.transcript = Transcript(self.session.h, self.qr.txn, self.qr.qrh, self.eid)

    def pop(self, **changes: Any) -> bytes:
        signer = changes.pop("signer", self.key)
        old_kid = changes.pop("old_kid", OLD.kid)
        return make_pop(signer, changes.pop("transcript", self.transcript), old_kid)

    def t1(self, **changes: Any) -> bytes:
        t1 = T1(self.key.public, self.r, "Ane laptop", self.pop(), -61)
        return self.seal(0, replace(t1, **changes).encode())

    def seal(self, n: int, plaintext: bytes) -> bytes:
        return aead_seal(self.session.k1, n, plaintext)

    @property
    def ack(self) -> bytes:
        return self.seal(1, ACK)

    @property
    def code(self) -> str:
        return handshake.check_code(self.session, self.r, self.key.public)

    def answer(self, value: str) -> bytes:
        return handshake.round_answer(handshake.rounds_key(self.session), bytes.fromhex(value))


# -- NEW, and an OLD that does what it is told


def new_given(qr: QrPayload, *, label: str = "Ane laptop") -> Case:
    return {
        "issuer": ISSUER.public.hex(),
        "qr": qr.encode().hex(),
        "new_seed": NEW.seed().hex(),
        "label": label,
        "random": {
            "r": drawn("r").hex(),
            "e_privates": [drawn("e of NEW").hex(), drawn("e of NEW 2").hex()],
        },
    }


@dataclass
class Host:
    """An OLD whose every message may be spoilt."""

    qr: QrPayload
    eid: bytes = EID
    e: bytes = drawn("e of OLD")

    def answer(self, m1: str, payload: bytes | None = None) -> bytes:
        """The message m2."""
        accepted = noise.accept(
            psk=handshake.psk(self.qr, self.eid),
            prologue=handshake.prologue(self.qr, self.eid),
            s=Q,
            message=bytes.fromhex(m1),
        )
        plain = M2(4, OLD.kid).encode() if payload is None else payload
        message, self.session = accepted.reply(e=self.e, payload=plain)
        return message

    def read_t1(self, t1: str) -> T1:
        return T1.decode(aead_open(self.session.k1, 0, bytes.fromhex(t1)))

    def seal_t2(self, proof: bytes, grant: bytes) -> bytes:
        return self.seal(cbor.encode({1: proof, 2: grant}))

    def seal(self, plaintext: bytes) -> bytes:
        return aead_seal(self.session.k2, 0, plaintext)

    def challenge(self, i: int) -> bytes:
        return bytes([i]) + drawn(f"challenge {i}", 8)
