"""Our own session machines, driven and read in the words of the case files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nearproof.crypto.errors import LocalError, MalformedCode, VerificationError
from nearproof.crypto.grant import verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import QrPayload
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.new import NewSession
from nearproof.crypto.session.old import OldSession

Case = dict[str, Any]
Verdict = dict[str, Any]
Session = OldSession | NewSession


def octets(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


def judge_session(case: Case) -> Verdict:
    try:
        player = Player(case)
        steps = [player.step(step) for step in case["steps"]]
    except NoQr:
        return {"refuse": {"layer": "session", "code": "no_qr"}, "steps": []}
    if player.ended:
        return {"refuse": {"layer": "session", "code": player.ended}, "steps": steps}
    return {"expect": {"state": player.session.state.upper()}, "steps": steps}


class NoQr(Exception):
    """OLD may not make, or not show, its QR."""


class Player:
    """One of our session machines, driven and read in the words of the case files."""

    def __init__(self, case: Case) -> None:
        self.session: Session = _old(case) if case["do"] == "old" else _new(case)
        self.ended = ""

    def step(self, step: Case) -> Verdict:
        """Give the machine one input; what it did, and its state."""
        matched = _input(self.session, step)
        effects: Verdict = {"match": True} if matched else {}
        for output in self.session.outputs():
            self._note(output, effects)
        return {"state": self.session.state.upper(), **effects}

    def _note(self, output: a.Output, effects: Verdict) -> None:
        match output:
            case a.Advertise(eid):
                effects["advertise"] = eid.hex()
            case a.StopAdvertising():
                effects["advertise"] = False
            case a.SendMessage(link, _, message):
                effects.setdefault("send", []).append([link, message.hex()])
            case a.SendRound(link, value):
                effects.setdefault("round", []).append([link, value.hex()])
            case a.RejectWrite(link, att_error):
                effects["att_error"] = [link, f"0x{att_error:02x}"]
            case a.Disconnect(link):
                effects.setdefault("close", []).append(link)
            case a.CodeWanted(_, label):
                effects["ask"] = label
            case a.CodeShown(code):
                effects["code"] = code
            case a.CodeHidden():
                effects["hide"] = True
            case a.ProofReceived(bundle):
                effects["store"] = bundle.hex()
            case a.OtherDeviceSeen():
                effects["report"] = True
            case a.Ended(reason, _, report):
                self.ended = effects["end"] = str(reason)
                effects |= {"report": True} if report else {}
                effects |= {"alert": True} if reason is a.EndReason.WRONG_CODE else {}
            case _:  # for the people at the laptop, and for logs
                pass


def _old(case: Case) -> OldSession:
    random = case["random"]
    challenges = octets(random, "challenges")
    names = ("q_private", "secret", "nonce", "e_private")
    pieces = [challenges[at : at + 8] for at in range(0, len(challenges), 8)]
    try:
        return OldSession(
            device_key=DeviceKey.from_seed(octets(case, "old_seed")),
            grant=verify_grant(octets(case, "grant"), octets(case, "issuer")),
            received_at=0,
            now=case["made"],
            randomness=_drawer([octets(random, name) for name in names] + pieces),
        )
    except (LocalError, VerificationError) as error:
        raise NoQr from error


def _new(case: Case) -> NewSession:
    random = case["random"]
    return NewSession(
        qr=QrPayload.decode(octets(case, "qr")),
        issuer_public=octets(case, "issuer"),
        device_key=DeviceKey.from_seed(octets(case, "new_seed")),
        label=case["label"],
        now=0,
        randomness=_drawer([octets(random, "r"), *map(bytes.fromhex, random["e_privates"])]),
    )


def _drawer(stock: list[bytes]) -> Callable[[int], bytes]:
    """Random bytes from a list, in the order in which our machines document to draw them."""
    left = iter(stock)

    def draw(size: int) -> bytes:
        drawn = next(left)
        assert len(drawn) == size
        return drawn

    return draw


def _input(session: Session, step: Case) -> bool:
    """Whether an advert matched; every other input answers through the outputs."""
    now, link = step["at"], step.get("link", "")
    match step["do"], session:
        case "wait", _:
            session.tick(now)
        case "hear", NewSession():
            return session.heard(octets(step, "uuid"), now)
        case "display", OldSession():
            try:
                session.started(now)
            except LocalError as error:
                raise NoQr from error
        case "accept", OldSession():
            session.connected(link, now)
        case "subscribe", OldSession():
            session.rounds_subscribed(link, now)
        case "answer", OldSession():
            session.receive_round(link, octets(step, "value"), now)
        case "type", OldSession():
            try:
                session.enter_code(step["text"], now)
            except MalformedCode:
                pass
        case "connect", NewSession():
            session.connected(link, octets(step, "eid"), step["rssi"], now)
        case "sent", NewSession():
            session.sent(link, now)
        case "att_error", NewSession():
            session.write_refused(link, int(step["error"], 16), now)
        case "challenge", NewSession():
            session.receive_round(link, octets(step, "value"), now)
        case "stored", NewSession():
            session.stored(now)
        case "lost", _:
            session.disconnected(link, now)
        case "receive", _:
            session.receive(link, octets(step, "message"), now)
        case "cancel", _:
            session.cancel(now)
        case _:
            raise AssertionError(step["do"])
    return False
