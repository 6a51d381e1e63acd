"""The second implementation's verdict on a case of `crypto/vectors`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from vectors.pxp1 import cbor, frames, handshake, messages, primitives, qr, tokens, verifier
from vectors.pxp1.new import New
from vectors.pxp1.old import Old, Random
from vectors.pxp1.refused import Refused
from vectors.pxp1.session import Machine

Case = dict[str, Any]
Verdict = dict[str, Any]


def judge(case: Case) -> Verdict:
    """`{"expect": ...}` or `{"refuse": ...}`; for a session also what each step brought about."""
    if case["layer"] == "session":
        return _session(case)
    try:
        return {"expect": JUDGES[case["layer"], case["do"]](case)}
    except Refused as refused:
        return {"refuse": refused.verdict()}


def octets(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


# -- QR, advert, keys


def _read_qr(case: Case) -> Verdict:
    found = qr.read_text(case["text"])
    return {
        "text": qr.write_text(found.raw),
        "payload": found.raw.hex(),
        "secret": found.secret.hex(),
        "q_public": found.q_public.hex(),
        "txn": found.txn.hex(),
        "iat": found.iat,
        "qrh": found.qrh.hex(),
    }


def _seal_advert(case: Case) -> Verdict:
    eid = qr.seal_advert(qr.read(octets(case, "qr")), octets(case, "nonce"))
    return {"eid": eid.hex(), "uuid": str(UUID(bytes=eid)), "on_air": eid[::-1].hex()}


def _match_advert(case: Case) -> Verdict:
    uuid = UUID(case["uuid"]).bytes
    if not qr.match_advert(qr.read(octets(case, "qr")), uuid):
        raise Refused("advert")
    return {"eid": uuid.hex()}


def _derive_key(case: Case) -> Verdict:
    return _name_key(primitives.ed25519_public(octets(case, "seed")))


def _check_key(case: Case) -> Verdict:
    public = octets(case, "public")
    primitives.check_key(public)
    return _name_key(public)


def _name_key(public: bytes) -> Verdict:
    found = {"public": public, "thumbprint": primitives.thumbprint(public)}
    return {**{name: value.hex() for name, value in found.items()}, "kid": _kid(public)}


def _kid(public: bytes) -> str:
    return primitives.kid(public).hex()


# -- CBOR and tokens


def _decode(case: Case) -> Verdict:
    return {"value": show(cbor.decode(octets(case, "data")))}


def show(value: Any) -> Any:
    """CBOR in JSON: an object whose one key names the type; integers as decimal strings."""
    match value:
        case int():
            return {"int": str(value)}
        case bytes():
            return {"bytes": value.hex()}
        case str():
            return {"text": value}
        case list():
            return {"array": [show(item) for item in value]}
        case _:
            return {"map": [[show(key), show(item)] for key, item in value.items()]}


def _verify_token(case: Case) -> Verdict:
    token = tokens.read(octets(case, "token"), case["typ"])
    if not token.signed_by(octets(case, "public")):
        raise Refused("tokens", "signature")
    return {"claims": token.payload.hex(), "kid": token.kid.hex()}


def _verify_grant(case: Case) -> Verdict:
    return show_grant(verifier.verify_grant(octets(case, "token"), octets(case, "issuer")))


def show_grant(grant: verifier.Grant) -> Verdict:
    return {
        "iss": grant.iss,
        "cti": grant.cti.hex(),
        "nbf": grant.nbf,
        "exp": grant.exp,
        "old_public": grant.old_public.hex(),
        "qr_ttl": grant.qr_ttl,
        "rounds": grant.rounds,
    }


def _verify_bundle(case: Case) -> Verdict:
    judged = verifier.verify_bundle(
        octets(case, "bundle"), octets(case, "issuer"), at=case.get("at")
    )
    grant, proof = judged.grant, judged.proof
    return {
        "grant": show_grant(grant),
        "old_kid": _kid(grant.old_public),
        "new_public": proof.new_public.hex(),
        "new_kid": _kid(proof.new_public),
        "txn": grant.cti.hex(),
        "h": proof.h.hex(),
        "qrh": proof.qrh.hex(),
        "eid": proof.eid.hex(),
        "qr_iat": proof.qr_iat,
        "iat": proof.iat,
        "rtt": list(proof.rtt),
        "rssi": proof.rssi,
        "expiry_judged": judged.expiry_judged,
    }


# -- handshake and messages


def _transcript(case: Case) -> Verdict:
    code, eid = qr.read(octets(case, "qr")), octets(case, "eid")
    r, device = octets(case, "r"), octets(case, "new_public")
    new, old = handshake.Noise.of_qr(code, eid), handshake.Noise.of_qr(code, eid)
    m1 = new.write_m1(octets(case, "new_e_private"), octets(case, "m1_plaintext"))
    assert old.read_m1(m1, octets(case, "q_private")) == octets(case, "m1_plaintext")
    m2 = old.write_m2(octets(case, "old_e_private"), octets(case, "m2_plaintext"))
    assert new.read_m2(m2) == octets(case, "m2_plaintext")
    keys = new.keys()
    assert keys == old.keys()
    found = {
        "psk": handshake.bound_psk(code, eid),
        "prologue": code.prologue + eid,
        "com": handshake.commitment(r, device),
        "m1": m1,
        "m2": m2,
        "h": keys.h,
        "ck": keys.ck,
        "k1": keys.k1,
        "k2": keys.k2,
        "k_rtt": keys.k_rtt,
        "round_answer": keys.round_answer(octets(case, "challenge")),
    }
    return {**{name: value.hex() for name, value in found.items()}, "code": keys.code(r, device)}


def _open_m1(case: Case) -> Verdict:
    noise = handshake.Noise.of_qr(qr.read(octets(case, "qr")), octets(case, "eid"))
    return {"plaintext": noise.read_m1(octets(case, "m1"), octets(case, "q_private")).hex()}


def _open_m2(case: Case) -> Verdict:
    noise = handshake.Noise.of_qr(qr.read(octets(case, "qr")), octets(case, "eid"))
    noise.write_m1(octets(case, "new_e_private"), octets(case, "m1_plaintext"))
    return {"plaintext": noise.read_m2(octets(case, "m2")).hex()}


def _seal(case: Case) -> Verdict:
    sealed = primitives.seal(octets(case, "key"), case["n"], octets(case, "plaintext"))
    return {"message": sealed.hex()}


def _open(case: Case) -> Verdict:
    plaintext = primitives.unseal(octets(case, "key"), case["n"], octets(case, "message"))
    return {"plaintext": plaintext.hex()}


def _read_message(case: Case) -> Verdict:
    plaintext = octets(case, "plaintext")
    match case["name"]:
        case "m1":
            return {"com": messages.read_m1(plaintext).com.hex()}
        case "m2":
            m2 = messages.read_m2(plaintext)
            return {"rounds": m2.rounds, "old_kid": m2.old_kid.hex()}
        case "t1":
            t1 = messages.read_t1(plaintext)
            found = {"new_public": t1.device.hex(), "r": t1.r.hex(), "pop": t1.pop.hex()}
            return {**found, "label": t1.label, "rssi": t1.rssi}
        case "t2":
            t2 = messages.read_t2(plaintext)
            return {"proof": t2.proof.hex(), "grant": t2.grant.hex()}
        case _:
            messages.read_ack(plaintext)
            return {}


def _cut(case: Case) -> Verdict:
    return {"frames": [frame.hex() for frame in frames.cut(octets(case, "message"), case["mtu"])]}


def _join(case: Case) -> Verdict:
    """What each frame brought: nothing, a message, or (in `recover` alone) ATT error 0x81."""
    joiner = frames.Joiner(limit=case["limit"])
    found: list[str | None] = []
    for frame in map(bytes.fromhex, case["frames"]):
        try:
            message = joiner.feed(frame)
        except Refused:
            if case["do"] == "join":
                raise
            found.append("0x81")
        else:
            found.append(None if message is None else message.hex())
    return {"results": found}


JUDGES: dict[tuple[str, str], Callable[[Case], Verdict]] = {
    ("qr", "read"): _read_qr,
    ("advert", "seal"): _seal_advert,
    ("advert", "match"): _match_advert,
    ("keys", "derive"): _derive_key,
    ("keys", "check"): _check_key,
    ("cbor", "decode"): _decode,
    ("tokens", "verify"): _verify_token,
    ("verifier", "grant"): _verify_grant,
    ("verifier", "bundle"): _verify_bundle,
    ("noise", "transcript"): _transcript,
    ("noise", "open_m1"): _open_m1,
    ("noise", "open_m2"): _open_m2,
    ("noise", "seal"): _seal,
    ("noise", "open"): _open,
    ("messages", "read"): _read_message,
    ("frames", "cut"): _cut,
    ("frames", "join"): _join,
    ("frames", "recover"): _join,
}


# -- sessions


def _session(case: Case) -> Verdict:
    try:
        machine: Machine = _old(case) if case["do"] == "old" else _new(case)
        steps = [_step(machine, step) for step in case["steps"]]
    except Refused as refused:
        return {"refuse": refused.verdict(), "steps": []}
    if machine.over:
        return {"refuse": {"layer": "session", "code": machine.ended}, "steps": steps}
    return {"expect": {"state": machine.state}, "steps": steps}


def _old(case: Case) -> Old:
    drawn = {name: bytes.fromhex(value) for name, value in case["random"].items()}
    challenges = drawn.pop("challenges")
    pieces = [challenges[at : at + 8] for at in range(0, len(challenges), 8)]
    try:
        grant = verifier.verify_grant(octets(case, "grant"), octets(case, "issuer"))
    except Refused:
        raise Refused("session", "no_qr") from None
    return Old(octets(case, "old_seed"), grant, case["made"], Random(**drawn, challenges=pieces))


def _new(case: Case) -> New:
    privates = [bytes.fromhex(private) for private in case["random"]["e_privates"]]
    return New(
        octets(case, "new_seed"),
        qr.read(octets(case, "qr")),
        octets(case, "issuer"),
        case["label"],
        bytes.fromhex(case["random"]["r"]),
        privates,
    )


def _step(machine: Machine, step: Case) -> Verdict:
    machine.advance(step["at"])
    if step["do"] != "wait":
        INPUTS[step["do"]](machine, step)
    return machine.drain()


INPUTS: dict[str, Callable[[Any, Case], None]] = {
    # OLD
    "display": lambda m, s: m.display(s["at"]),
    "subscribe": lambda m, s: m.subscribe(s["link"], s["at"]),
    "answer": lambda m, s: m.answer(s["link"], octets(s, "value"), s["at"]),
    "type": lambda m, s: m.code(s["text"], s["at"]),
    "accept": lambda m, s: m.connect(s["link"], s["at"]),
    # NEW
    "hear": lambda m, s: m.hear(octets(s, "uuid"), s["at"]),
    "connect": lambda m, s: m.connect(s["link"], octets(s, "eid"), s["rssi"], s["at"]),
    "sent": lambda m, s: m.sent(s["link"], s["message"]),
    "att_error": lambda m, s: m.att_error(s["link"], int(s["error"], 16)),
    "challenge": lambda m, s: m.round(s["link"], octets(s, "value")),
    "stored": lambda m, s: m.stored(),
    # both
    "lost": lambda m, s: m.lost(s["link"], s["at"]),
    "receive": lambda m, s: m.message(s["link"], octets(s, "message"), s["at"]),
    "cancel": lambda m, s: m.cancel(),
}
