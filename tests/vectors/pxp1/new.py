"""SPEC section 7.4: NEW."""

from __future__ import annotations

from vectors.pxp1 import cbor, messages, tokens, verifier
from vectors.pxp1.handshake import Keys, Noise, commitment
from vectors.pxp1.primitives import ed25519_public, kid, seal, sha256, unseal
from vectors.pxp1.qr import Qr, match_advert
from vectors.pxp1.refused import Refused
from vectors.pxp1.session import SECOND, Connection, Machine


class New(Machine):
    """NEW from the scan of one QR; time 0 is the scan."""

    def __init__(
        self, seed: bytes, qr: Qr, issuer: bytes, label: str, r: bytes, e_privates: list[bytes]
    ) -> None:
        super().__init__("SCAN")
        self.seed, self.qr, self.issuer, self.label, self.r = seed, qr, issuer, label, r
        self.public = ed25519_public(seed)
        self.e_privates = e_privates
        self.matched_at: int | None = None
        self.attempts: dict[bytes, tuple[Noise, bytes]] = {}  # by EID: the handshake and its m1
        self.eid = b""  # final once an m2 is valid
        self.m2_at = 0
        self.m2: messages.M2 | None = None
        self.keys: Keys | None = None
        self.rssi: int | None = None
        self.pop = b""
        self.said: dict[str, bytes] = {}
        self.answered: set[int] = set()
        self.shown = self.hidden = False
        self.kept = False

    # -- inputs

    def hear(self, uuid: bytes, now: int) -> None:
        wanted = uuid == self.eid if self.eid else match_advert(self.qr, uuid)
        if wanted and not self.over:
            self.matched_at = now if self.matched_at is None else self.matched_at
            self.effects["match"] = True

    def connect(self, name: str, eid: bytes, rssi: int | None, now: int) -> None:
        link = self.connections[name] = Connection(name, now, eid, rssi)
        if self.over:
            self.close(link)
            return
        self.matched_at = now if self.matched_at is None else self.matched_at
        if eid not in self.attempts:
            noise = Noise.of_qr(self.qr, eid)
            payload = cbor.encode({1: 1, 2: commitment(self.r, self.public)})
            ephemeral = self.e_privates[len(self.attempts)]
            self.attempts[eid] = (noise, noise.write_m1(ephemeral, payload))
        if self.state == "SCAN":
            self.state = "SENT"
        link.m1 = True
        self.send(link, self.attempts[eid][1])

    def lost(self, name: str, _now: int) -> None:
        self.connections.pop(name, None)

    def sent(self, name: str, message: str) -> None:
        """This message is out: every write of it was acknowledged."""
        link = self.connections.get(name)
        if link and message == "t1":
            if self.state == "SHOW" and not self.hidden and self.keys:
                self.shown = True
                self.effects["code"] = self.keys.code(self.r, self.public)

    def att_error(self, name: str, error: int) -> None:
        link = self.connections.get(name)
        if not link:
            return
        if error == 0x82 and self.state == "SENT":
            self.end("version")
        else:
            self.close(link)

    def message(self, name: str, data: bytes, now: int) -> None:
        link = self.connections.get(name)
        if not link:
            return
        try:
            if link.m2_at is None:
                self._take_m2(link, data, now)
            elif not link.t2:
                self._take_t2(link, data)
            else:
                raise Refused("session")
        except Refused:
            self.close(link)

    def round(self, name: str, value: bytes) -> None:
        link = self.connections.get(name)
        if (
            not link
            or link.m2_at is None
            or self.state != "SHOW"
            or len(value) != 9
            or not (self.keys and self.m2)
        ):
            return
        if value[0] < self.m2.rounds and value[0] not in self.answered:
            self.answered.add(value[0])
            answer = self.keys.round_answer(value)
            self.effects.setdefault("round", []).append([name, answer.hex()])

    def stored(self) -> None:
        self.kept = True
        for link in self.connections.values():
            self._ack(link)

    def cancel(self) -> None:
        if self.state != "DONE" and not self.over:
            self.end("cancelled")

    def advance(self, now: int) -> None:
        if self.state in ("SCAN", "SENT"):
            if self.matched_at is None and now >= 30 * SECOND:
                self.end("not_near")
            elif self.matched_at is not None and now >= self.matched_at + 30 * SECOND:
                self.end("no_answer")
        elif self.state == "SHOW":
            if now >= self.m2_at + 120 * SECOND:
                self.hide()
            if now >= self.m2_at + 150 * SECOND:
                self.end("no_proof")
        for link in list(self.connections.values()):
            if link.m2_at is None and now >= link.since + 5 * SECOND:
                self.close(link)

    # -- messages

    def _take_m2(self, link: Connection, data: bytes, now: int) -> None:
        if self.m2 is None:
            noise, _ = self.attempts[link.eid]
            noise = noise.copy()
            plaintext = noise.read_m2(data)
            try:
                self.m2 = messages.read_m2(plaintext)
            except Refused as refused:
                if refused.code != "version":
                    raise
                self.end("version")
                return
            if link.rssi is not None and messages.is_rssi(link.rssi):
                self.rssi = link.rssi
            self.keys, self.eid, self.m2_at = noise.keys(), link.eid, now
            self.said.update(m2=data, t1=self._make_t1())
            self.state = "SHOW"
        elif data != self.said["m2"]:
            raise Refused("session")
        link.m2_at = now
        self.send(link, self.said["t1"])

    def _make_t1(self) -> bytes:
        assert self.keys and self.m2
        claims = {
            1: self.keys.h,
            2: self.qr.txn,
            3: self.qr.qrh,
            4: self.eid,
            5: self.m2.old_kid,
            6: sha256(self.public),
        }
        self.pop = tokens.make(self.seed, "pop", claims)
        t1: dict[int, object] = {1: self.public, 2: self.r, 3: self.label, 4: self.pop}
        if self.rssi is not None:
            t1[5] = self.rssi
        return seal(self.keys.k1, 0, cbor.encode(t1))

    def _take_t2(self, link: Connection, data: bytes) -> None:
        if "t2" in self.said:
            if data != self.said["t2"]:
                raise Refused("session")
        else:
            assert self.keys
            plaintext = unseal(self.keys.k2, 0, data)
            try:
                t2 = messages.read_t2(plaintext)
                bundle = cbor.encode({1: t2.proof, 2: t2.grant, 3: self.pop})
                self._judge_bundle(bundle)
            except Refused:
                self.end("bad_proof")
                return
            self.said["t2"], self.state = data, "DONE"
            self.effects["store"] = bundle.hex()
            self.hide()
        link.t2 = True
        if self.kept:
            self._ack(link)

    def _judge_bundle(self, bundle: bytes) -> None:
        assert self.keys and self.m2
        judged = verifier.verify_bundle(bundle, self.issuer)
        proof, grant = judged.proof, judged.grant
        found = (proof.h, grant.cti, proof.qrh, proof.eid, proof.new_public)
        if found != (self.keys.h, self.qr.txn, self.qr.qrh, self.eid, self.public):
            raise Refused("session")
        if (kid(grant.old_public), grant.rounds) != (self.m2.old_kid, self.m2.rounds):
            raise Refused("session")
        if (proof.qr_iat, proof.rssi) != (self.qr.iat, self.rssi):
            raise Refused("session")

    def hide(self) -> None:
        if self.shown:
            self.effects["hide"] = True
        self.shown, self.hidden = False, True

    def end(self, reason: str) -> None:
        self.hide()
        super().end(reason)

    def _ack(self, link: Connection) -> None:
        if link.t2 and not link.ack:
            assert self.keys
            link.ack = True
            self.send(link, seal(self.keys.k1, 1, cbor.encode({1: 1})))
