"""SPEC section 7.3: OLD."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vectors.pxp1 import cbor, messages, tokens, verifier
from vectors.pxp1.handshake import Keys, Noise, commitment
from vectors.pxp1.primitives import (
    check_key,
    ed25519_public,
    kid,
    seal,
    sha256,
    unseal,
    x25519_public,
)
from vectors.pxp1.qr import Qr, read, seal_advert
from vectors.pxp1.refused import Refused
from vectors.pxp1.session import SECOND, Connection, Machine

CODE = re.compile(r"([0-9]{3})[ -]?([0-9]{3})", re.ASCII)


@dataclass
class Random:
    """Everything that OLD draws for one QR, by name."""

    secret: bytes
    q_private: bytes
    nonce: bytes
    e_private: bytes
    challenges: list[bytes]


@dataclass
class OpenRound:
    link: Connection
    value: bytes
    since: int


class Old(Machine):
    """OLD from the making of one QR; time 0 is the arrival of the grant."""

    def __init__(self, seed: bytes, grant: verifier.Grant, made: int, random: Random) -> None:
        super().__init__("SHOWN")
        self.seed, self.grant, self.random = seed, grant, random
        self.public = ed25519_public(seed)
        terms = grant.qr_ttl == verifier.QR_TTL and grant.exp == grant.nbf + verifier.LIFE
        if not terms or self.public != grant.old_public or self.time(made) > grant.exp - 300:
            raise Refused("session", "no_qr")
        q_public = x25519_public(random.q_private)
        raw = b"\x01\x00" + random.secret + q_public + grant.cti
        self.qr: Qr = read(raw + self.time(made).to_bytes(4, "big"))
        self.eid = seal_advert(self.qr, random.nonce)
        self.made = made
        self.displayed: int | None = None
        self.m1_at = 0
        self.com = b""
        self.said: dict[str, bytes] = {}  # m1, m2, t1, t2, ack as they went by
        self.keys: Keys | None = None
        self.t1: messages.T1 | None = None
        self.served: Connection | None = None
        self.open: OpenRound | None = None
        self.opened = 0
        self.rtts: list[int] = []

    def time(self, now: int) -> int:
        return self.grant.nbf + now // SECOND

    # -- inputs

    def display(self, now: int) -> None:
        if self.time(now) > self.grant.exp - 300:
            raise Refused("session", "no_qr")
        self.displayed = now
        self.effects["advertise"] = self.eid.hex()

    def connect(self, name: str, now: int) -> None:
        self.lost(name, now)
        self.connections[name] = Connection(name, now)
        if self.over or self.displayed is None or self.time(now) >= self.grant.exp:
            self.close(self.connections[name])

    def lost(self, name: str, now: int) -> None:
        link = self.connections.pop(name, None)
        if link:
            self._forget(link)
            self._next_round(now)

    def message(self, name: str, data: bytes, now: int) -> None:
        link = self.connections.get(name)
        if not link:
            return
        try:
            if self.time(now) >= self.grant.exp:
                raise Refused("session")
            if not link.m1:
                self._take_m1(link, data, now)
            elif link is self.served and not link.t1:
                self._take_t1(link, data, now)
            elif link.t2:
                self._take_ack(link, data)
            else:
                raise Refused("session")
        except Refused:
            self.close(link)

    def subscribe(self, name: str, now: int) -> None:
        if name in self.connections:
            self.connections[name].subscribed = True
            self._next_round(now)

    def answer(self, name: str, value: bytes, now: int) -> None:
        link = self.connections.get(name)
        if link and not link.t1:
            self.close(link)
        elif self.open and self.open.link is link and self.keys:
            if value == self.keys.round_answer(self.open.value):
                self.rtts.append(now - self.open.since)
            self.open = None
            self._next_round(now)

    def code(self, text: str, now: int) -> None:
        typed = CODE.fullmatch(text.strip())
        if self.state != "PROMPT" or not typed or not (self.keys and self.t1):
            return
        self.open = None
        if "".join(typed.groups()) != self.keys.code(self.t1.r, self.t1.device):
            self.effects["alert"] = True
            self.end("wrong_code")
            return
        self.state = "PROVED"
        self.said["t2"] = self._make_t2(now)
        if self.served and self.served.t1:
            self._send_t2(self.served)

    def cancel(self) -> None:
        if self.state in ("SHOWN", "BOUND", "PROMPT"):
            self.end("cancelled")
        elif self.state == "PROVED":
            self.end("unconfirmed")

    def advance(self, now: int) -> None:
        if self.state == "SHOWN" and self.displayed is not None:
            if now >= self.displayed + 180 * SECOND:
                self.end("qr_expired")
        elif self.state in ("BOUND", "PROMPT"):
            if now >= min(self.m1_at + 120 * SECOND, self.made + 300 * SECOND):
                self.end("peer_silent" if self.state == "BOUND" else "code_too_late")
        elif self.state == "PROVED" and self.time(now) >= self.grant.exp:
            self.end("unconfirmed")
        for link in list(self.connections.values()):
            silent = not link.m1 and now >= link.since + 5 * SECOND
            waits = link.m2_at is not None and not link.t1
            if silent or (waits and now >= (link.m2_at or 0) + 10 * SECOND):
                self.close(link)
        if self.open and now >= self.open.since + 2 * SECOND:
            self.open = None
            self._next_round(now)

    # -- messages

    def _take_m1(self, link: Connection, data: bytes, now: int) -> None:
        if len(data) > messages.MAX_M1:
            raise Refused("session")
        if data == self.said.get("m1"):
            self._serve(link, now)
            return
        noise = Noise.of_qr(self.qr, self.eid)
        plaintext = noise.read_m1(data, self.random.q_private)
        try:
            m1 = messages.read_m1(plaintext)
        except Refused as refused:
            if refused.code != "version":
                raise
            self.effects["att_error"] = [link.name, "0x82"]
            return
        if self.state in ("PROVED", "DONE"):
            self.effects["report"] = True
            raise Refused("session")
        if self.state != "SHOWN":
            self.end("other_device")
            return
        reply = cbor.encode({1: 1, 2: self.grant.rounds, 3: kid(self.public)})
        m2 = noise.write_m2(self.random.e_private, reply)
        self.said.update(m1=data, m2=m2)
        self.keys, self.com, self.m1_at, self.state = noise.keys(), m1.com, now, "BOUND"
        self._serve(link, now)

    def _serve(self, link: Connection, now: int) -> None:
        """A repeated m1 beside a served connection gets no answer, and only its 5 s."""
        if self.served is None:
            self.served, link.m1, link.m2_at = link, True, now
            self.send(link, self.said["m2"])

    def _take_t1(self, link: Connection, data: bytes, now: int) -> None:
        if self.t1 is None:
            assert self.keys
            plaintext = unseal(self.keys.k1, 0, data)
            try:
                self.t1 = self._judge_t1(plaintext)
            except Refused:
                self.end("bad_t1")
                return
            self.said["t1"], self.state = data, "PROMPT"
            self.effects["ask"] = self.t1.label
        elif data != self.said["t1"]:
            raise Refused("session")
        link.t1 = True
        if "t2" in self.said:
            self._send_t2(link)
        self._next_round(now)

    def _judge_t1(self, plaintext: bytes) -> messages.T1:
        t1 = messages.read_t1(plaintext)
        if commitment(t1.r, t1.device) != self.com:
            raise Refused("session")
        check_key(t1.device)
        if t1.device == self.public:
            raise Refused("session")
        token = tokens.read(t1.pop, "pop")
        if not token.signed_by(t1.device):
            raise Refused("session")
        assert self.keys
        pop = verifier.pop_claims(t1.pop, token)
        found = (pop.h, pop.txn, pop.qrh, pop.eid, pop.old_kid, pop.device_hash)
        own = (self.keys.h, self.grant.cti, self.qr.qrh, self.eid, kid(self.public))
        if found != (*own, sha256(t1.device)):
            raise Refused("session")
        return t1

    def _send_t2(self, link: Connection) -> None:
        link.t2 = True
        self.send(link, self.said["t2"])

    def _take_ack(self, link: Connection, data: bytes) -> None:
        if self.state == "PROVED":
            assert self.keys
            messages.read_ack(unseal(self.keys.k1, 1, data))
            self.said["ack"], self.state = data, "DONE"
            self.effects["advertise"] = False
        elif data != self.said["ack"]:
            raise Refused("session")

    # -- rounds and the proof

    def _next_round(self, now: int) -> None:
        link = self.served
        if self.state != "PROMPT" or self.open or not (link and link.t1 and link.subscribed):
            return
        if self.opened < self.grant.rounds:
            value = bytes([self.opened]) + self.random.challenges[self.opened]
            self.opened += 1
            self.open = OpenRound(link, value, now)
            self.effects.setdefault("round", []).append([link.name, value.hex()])

    def _make_t2(self, now: int) -> bytes:
        assert self.keys and self.t1
        rtts = sorted(self.rtts)
        near = {
            1: self.keys.h,
            2: self.qr.qrh,
            3: self.eid,
            4: self.qr.iat,
            5: [rtts[(len(rtts) - 1) // 2], rtts[0], len(rtts)] if rtts else [0, 0, 0],
            7: 1,
            8: verifier.METHOD,
        }
        if self.t1.rssi is not None:
            near[6] = self.t1.rssi
        claims = {
            1: kid(self.public).hex(),
            6: self.time(now),
            8: {1: {1: 1, -1: 6, -2: self.t1.device}},
            10: self.grant.cti,
            265: verifier.PROFILE,
            verifier.PROXIMITY: near,
        }
        proof = tokens.make(self.seed, "proof", claims)
        return seal(self.keys.k2, 0, cbor.encode({1: proof, 2: self.grant.raw}))

    # -- connections

    def close(self, link: Connection) -> None:
        super().close(link)
        self._forget(link)

    def _forget(self, link: Connection) -> None:
        if self.served is link:
            self.served = None
        if self.open and self.open.link is link:
            self.open = None

    def end(self, reason: str) -> None:
        if self.state == "BOUND" or reason in ("wrong_code", "other_device"):
            self.effects["report"] = True
        if self.displayed is not None:
            self.effects["advertise"] = False
        super().end(reason)
