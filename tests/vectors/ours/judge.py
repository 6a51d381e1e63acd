"""Our own implementation's verdict on a case of `crypto/vectors`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from nearproof.ble.errors import FrameError
from nearproof.ble.framing import Reassembler, split
from nearproof.crypto import advert, cbor, cose, handshake, noise
from nearproof.crypto.errors import (
    EncodingError,
    HeadersRefused,
    KeyRefused,
    PeerError,
    QrError,
    SealBroken,
    UnknownVersion,
    VerificationError,
)
from nearproof.crypto.grant import Grant, verify_grant
from nearproof.crypto.identity import DeviceKey, check_public_key, kid, thumbprint
from nearproof.crypto.messages import ACK, M1, M2, T1, T2, QrPayload
from nearproof.crypto.primitives import aead_open, aead_seal
from nearproof.crypto.verifier import verify_bundle
from nearproof.qr.payload import from_text, to_text
from vectors.ours.sessions import judge_session, octets

Case = dict[str, Any]
Verdict = dict[str, Any]


def judge(case: Case) -> Verdict:
    """As `pxp1.judge.judge`: the two must agree on every case."""
    if case["layer"] == "session":
        return judge_session(case)
    try:
        return {"expect": JUDGES[case["layer"], case["do"]](case)}
    except VerificationError as error:
        return {"refuse": {"layer": "verifier", "code": str(error.code), "step": error.step}}
    except QrError as error:
        return {"refuse": {"layer": "qr", "code": str(error.reason)}}
    except FrameError:
        return {"refuse": {"layer": "frames", "code": "0x81"}}
    except KeyRefused:
        return {"refuse": {"layer": "noise" if case["layer"] == "noise" else "keys"}}
    except PeerError as error:
        found = {"layer": case["layer"]}
        code = _code(case["layer"], error)
        return {"refuse": {**found, "code": code} if code else found}


def _code(layer: str, error: PeerError) -> str:
    match layer, error:
        case "tokens", HeadersRefused():
            return "headers"
        case "tokens", EncodingError():
            return "encoding"
        case "tokens", SealBroken():
            return "signature"
        case "messages", UnknownVersion():
            return "version"
        case _:
            return ""


# -- QR, advert, keys


def _read_qr(case: Case) -> Verdict:
    qr = from_text(case["text"])
    found = {
        "payload": qr.encode(),
        "secret": qr.secret,
        "q_public": qr.q_public,
        "txn": qr.txn,
        "qrh": qr.qrh,
    }
    return {"text": to_text(qr), "iat": qr.iat, **{n: value.hex() for n, value in found.items()}}


def _seal_advert(case: Case) -> Verdict:
    eid = advert.seal(QrPayload.decode(octets(case, "qr")), octets(case, "nonce"))
    return {"eid": eid.hex(), "uuid": str(UUID(bytes=eid)), "on_air": eid[::-1].hex()}


def _match_advert(case: Case) -> Verdict:
    uuid = UUID(case["uuid"]).bytes
    if not advert.match(QrPayload.decode(octets(case, "qr")), uuid):
        raise PeerError("not ours")
    return {"eid": uuid.hex()}


def _derive_key(case: Case) -> Verdict:
    return _name_key(DeviceKey.from_seed(octets(case, "seed")).public)


def _check_key(case: Case) -> Verdict:
    check_public_key(octets(case, "public"))
    return _name_key(octets(case, "public"))


def _name_key(public: bytes) -> Verdict:
    found = {"public": public, "thumbprint": thumbprint(public), "kid": kid(public)}
    return {name: value.hex() for name, value in found.items()}


# -- CBOR, tokens, verifier


def _decode(case: Case) -> Verdict:
    data = octets(case, "data")
    value = cbor.decode(data, max_size=len(data))
    return {"value": _show(value)}


def _show(value: cbor.Value) -> Any:
    match value:
        case int():
            return {"int": str(value)}
        case bytes():
            return {"bytes": value.hex()}
        case str():
            return {"text": value}
        case list():
            return {"array": [_show(item) for item in value]}
        case dict():
            return {"map": [[_show(key), _show(item)] for key, item in value.items()]}


def _verify_token(case: Case) -> Verdict:
    typ = f"application/nearproof-{case['typ']}+cbor"
    claims = cose.verify1(octets(case, "token"), typ, octets(case, "public"))
    return {"claims": cbor.encode(claims).hex(), "kid": kid(octets(case, "public")).hex()}


def _verify_grant(case: Case) -> Verdict:
    return _show_grant(verify_grant(octets(case, "token"), octets(case, "issuer")))


def _show_grant(grant: Grant) -> Verdict:
    return {
        "iss": grant.iss,
        "cti": grant.cti.hex(),
        "nbf": grant.nbf,
        "exp": grant.exp,
        "old_public": grant.cnf.hex(),
        "qr_ttl": grant.policy.qr_ttl,
        "rounds": grant.policy.rounds,
    }


def _verify_bundle(case: Case) -> Verdict:
    says = verify_bundle(octets(case, "bundle"), octets(case, "issuer"), at=case.get("at"))
    return {
        "grant": _show_grant(says.grant),
        "old_kid": says.old_kid.hex(),
        "new_public": says.new_public.hex(),
        "new_kid": says.new_kid.hex(),
        "txn": says.txn.hex(),
        "h": says.h.hex(),
        "qrh": says.qrh.hex(),
        "eid": says.eid.hex(),
        "qr_iat": says.qr_iat,
        "iat": says.iat,
        "rtt": [says.rtt.median_us, says.rtt.min_us, says.rtt.n],
        "rssi": says.rssi,
        "expiry_judged": says.expiry_judged,
    }


# -- handshake and messages


def _initiate(case: Case) -> noise.Initiated:
    qr, eid = QrPayload.decode(octets(case, "qr")), octets(case, "eid")
    return noise.initiate(
        psk=handshake.psk(qr, eid),
        prologue=handshake.prologue(qr, eid),
        rs=qr.q_public,
        e=octets(case, "new_e_private"),
        payload=octets(case, "m1_plaintext"),
    )


def _accept(case: Case, m1: bytes) -> noise.Accepted:
    qr, eid = QrPayload.decode(octets(case, "qr")), octets(case, "eid")
    return noise.accept(
        psk=handshake.psk(qr, eid),
        prologue=handshake.prologue(qr, eid),
        s=octets(case, "q_private"),
        message=m1,
    )


def _transcript(case: Case) -> Verdict:
    qr, eid = QrPayload.decode(octets(case, "qr")), octets(case, "eid")
    r, device = octets(case, "r"), octets(case, "new_public")
    initiated = _initiate(case)
    m2, session = _accept(case, initiated.message).reply(
        e=octets(case, "old_e_private"), payload=octets(case, "m2_plaintext")
    )
    assert initiated.finish(m2) == (octets(case, "m2_plaintext"), session)
    k_rtt = handshake.rounds_key(session)
    found = {
        "psk": handshake.psk(qr, eid),
        "prologue": handshake.prologue(qr, eid),
        "com": handshake.commitment(r, device),
        "m1": initiated.message,
        "m2": m2,
        "h": session.h,
        "ck": session.ck,
        "k1": session.k1,
        "k2": session.k2,
        "k_rtt": k_rtt,
        "round_answer": handshake.round_answer(k_rtt, octets(case, "challenge")),
    }
    code = handshake.check_code(session, r, device)
    return {**{name: value.hex() for name, value in found.items()}, "code": code}


def _open_m1(case: Case) -> Verdict:
    return {"plaintext": _accept(case, octets(case, "m1")).payload.hex()}


def _open_m2(case: Case) -> Verdict:
    plaintext, _ = _initiate(case).finish(octets(case, "m2"))
    return {"plaintext": plaintext.hex()}


def _seal(case: Case) -> Verdict:
    return {"message": aead_seal(octets(case, "key"), case["n"], octets(case, "plaintext")).hex()}


def _open(case: Case) -> Verdict:
    return {"plaintext": aead_open(octets(case, "key"), case["n"], octets(case, "message")).hex()}


def _read_message(case: Case) -> Verdict:
    plaintext = octets(case, "plaintext")
    match case["name"]:
        case "m1":
            return {"com": M1.decode(plaintext).com.hex()}
        case "m2":
            m2 = M2.decode(plaintext)
            return {"rounds": m2.rounds, "old_kid": m2.old_kid.hex()}
        case "t1":
            t1 = T1.decode(plaintext)
            found = {"new_public": t1.new_public.hex(), "r": t1.r.hex(), "pop": t1.pop.hex()}
            return {**found, "label": t1.label, "rssi": t1.rssi}
        case "t2":
            t2 = T2.decode(plaintext)
            return {"proof": t2.proof.hex(), "grant": t2.grant.hex()}
        case _:
            if plaintext != ACK:
                raise EncodingError("another ack")
            return {}


def _cut(case: Case) -> Verdict:
    return {"frames": [frame.hex() for frame in split(octets(case, "message"), case["mtu"])]}


def _join(case: Case) -> Verdict:
    joiner = Reassembler(case["limit"])
    found: list[str | None] = []
    for frame in map(bytes.fromhex, case["frames"]):
        try:
            message = joiner.feed(frame)
        except FrameError:
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
