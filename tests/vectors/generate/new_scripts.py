"""Scripts for NEW (SPEC section 7.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nearproof.crypto import advert, cbor
from nearproof.crypto.messages import M2
from nearproof.crypto.primitives import sha256
from vectors.generate.cast import (
    CTI,
    EID,
    NEW,
    NONCE,
    OLD,
    QR,
    STRANGER,
    drawn,
    grant,
    grant_claims,
    proof,
    proof_claims,
)
from vectors.generate.handshakes import flip
from vectors.generate.script import Case, Host, Script, new_given

OTHER_EID = advert.seal(QR, drawn("N 2", 10))


def new_scripts() -> list[Case]:
    return [
        _honest(),
        _lost_links(),
        _stored_between(),
        *_scans(),
        *_versions(),
        *_deadlines(),
        *_messages(),
        *_bad_proofs(),
        _rounds(),
    ]


def connected(at: float = 1, link: str = "a", eid: bytes = EID) -> tuple[Script, str]:
    """NEW with its m1 out."""
    script = Script("new", new_given(QR))
    return script, _connect(script, at, link, eid)


def _connect(script: Script, at: float, link: str, eid: bytes = EID, rssi: int = -61) -> str:
    script(at, "hear", uuid=eid)
    then = script(at + 0.3, "connect", link=link, eid=eid, rssi=rssi)
    script(at + 0.4, "sent", link=link, message="m1")
    return str(then["send"][0][1])


def shown() -> tuple[Script, Host, str]:
    """NEW with its code on the screen: also the t1 that it sent."""
    script, m1 = connected()
    host = Host(QR)
    then = script(2, "receive", link="a", message=host.answer(m1))
    script(2.2, "sent", link="a", message="t1")
    return script, host, then["send"][0][1]


def t2(host: Host, *, grant_: bytes | None = None, **changes: Any) -> bytes:
    """An OLD's t2, with what is changed in the proof's claims."""
    claims = proof_claims(**({"h": host.session.h, "rtt": [0, 0, 0]} | changes))
    return host.seal_t2(proof(claims), grant_ or grant())


def _honest() -> Case:
    script, host, _ = shown()
    for i in range(2):
        script(3 + i, "challenge", link="a", value=host.challenge(i))
    script(10, "receive", link="a", message=t2(host))
    script(10.1, "stored")
    script(10.3, "sent", link="a", message="ack")
    return script.ends("DONE", "honest", "The code, two rounds, a bundle that holds, an ack")


def _lost_links() -> Case:
    script, m1 = connected()
    script(1.5, "lost", link="a")
    assert _connect(script, 3, "b") == m1
    host = Host(QR)
    m2 = host.answer(m1)
    script(4, "receive", link="b", message=m2)
    script(4.1, "lost", link="b")
    _connect(script, 5, "c")
    script(6, "receive", link="c", message=m2)
    script(6.1, "sent", link="c", message="t1")
    script(7, "receive", link="c", message=t2(host))
    script(7.1, "lost", link="c")
    script(7.2, "stored")
    _connect(script, 8, "d")
    script(9, "receive", link="d", message=m2)
    script(9.1, "sent", link="d", message="t1")
    script(9.2, "receive", link="d", message=t2(host))
    description = "Resumed after m1, m2 and t2: the same m1, t1 and ack each time"
    return script.ends("DONE", "lost-links", description)


def _stored_between() -> Case:
    script, host, _ = shown()
    message = t2(host)
    script(5, "receive", link="a", message=message)
    script(5.1, "lost", link="a")
    m1 = _connect(script, 6, "b")
    script(6.5, "stored")
    script(7, "receive", link="b", message=host.answer(m1))
    script(7.1, "sent", link="b", message="t1")
    script(7.2, "receive", link="b", message=message)
    description = "Stored on a connection on which t2 has not come again: the ack waits for it"
    return script.ends("DONE", "stored-between", description)


def _scans() -> list[Case]:
    cases = []
    script = Script("new", new_given(QR))
    for at, uuid in enumerate((drawn("foreign uuid", 16), EID[::-1], flip(EID, 0), flip(EID, 15))):
        script(at, "hear", uuid=uuid)
    script(29.999999, "wait")
    script(30, "wait")
    cases.append(script.ends("not_near", "not-near", "No match for 30 s"))

    script, m1 = connected(at=29)
    script(34.299999, "wait")
    script(34.3, "wait")
    _connect(script, 40, "b")
    script(59, "wait")
    description = "m2 neither in 5 s nor within 30 s of the first match"
    cases.append(script.ends("no_answer", "no-answer", description))

    script, _ = connected(eid=OTHER_EID)
    script(6.3, "wait")
    m1 = _connect(script, 7, "b")
    script(8, "receive", link="b", message=Host(QR).answer(m1))
    script(9, "hear", uuid=OTHER_EID)
    script(9, "hear", uuid=EID)
    description = "A second candidate after 5 s; once its m2 is valid, no other EID counts"
    cases.append(script.ends("SHOW", "two-candidates", description))

    script = Script("new", new_given(QR))
    script(1, "connect", link="a", eid=EID, rssi=-61)
    script(30.999999, "wait")
    script(31, "wait")
    description = "A connection to a matching EID is a match, heard or not"
    cases.append(script.ends("no_answer", "unheard", description))

    script, m1 = connected()
    script(2, "cancel")
    cases.append(script.ends("cancelled", "cancel", "Cancelled before m2"))
    return cases


def _versions() -> list[Case]:
    cases = []
    script = Script("new", new_given(QR))
    script(1, "hear", uuid=EID)
    script(1.3, "connect", link="a", eid=EID, rssi=-61)
    script(1.4, "att_error", link="a", error="0x82")
    cases.append(script.ends("version", "att-version", "ATT error 0x82 on m1"))

    script, m1 = connected()
    newer = cbor.encode({1: 2, 9: "a later version's business"})
    script(2, "receive", link="a", message=Host(QR).answer(m1, newer))
    cases.append(script.ends("version", "m2-version", "m2 opens with version 2"))

    script = Script("new", new_given(QR))
    script(1, "hear", uuid=EID)
    script(1.3, "connect", link="a", eid=EID, rssi=-61)
    script(1.4, "att_error", link="a", error="0x81")
    _connect(script, 2, "b")
    cases.append(script.ends("SENT", "att-gap", "ATT error 0x81: NEW connects again"))

    script, _, _ = shown()
    script(3, "lost", link="a")
    script(4, "hear", uuid=EID)
    script(4.3, "connect", link="b", eid=EID, rssi=-61)
    script(4.4, "att_error", link="b", error="0x82")
    description = "ATT error 0x82 after a valid m2 ends its connection alone"
    cases.append(script.ends("SHOW", "att-version-late", description))
    return cases


def _deadlines() -> list[Case]:
    cases = []
    script, _, _ = shown()
    script(121.999999, "wait")
    script(122, "wait")
    script(151.999999, "wait")
    script(152, "wait")
    cases.append(script.ends("no_proof", "no-proof", "The code goes after 120 s, NEW after 150 s"))

    script, host, _ = shown()
    script(122, "wait")
    script(140, "receive", link="a", message=t2(host))
    cases.append(script.ends("DONE", "late-proof", "t2 still counts when the code is gone"))

    script, m1 = connected()
    script(2, "receive", link="a", message=Host(QR).answer(m1))
    script(3, "wait")
    cases.append(script.ends("SHOW", "t1-not-out", "No code is shown before t1 is out"))

    script, m1 = connected()
    host = Host(QR)
    script(2, "receive", link="a", message=host.answer(m1))
    script(2.1, "challenge", link="a", value=host.challenge(0))
    script(2.2, "receive", link="a", message=t2(host))
    script(2.3, "sent", link="a", message="t1")
    description = "Rounds and t2 may overtake the last write response of t1; no code is shown then"
    cases.append(script.ends("DONE", "overtaken", description))

    script, host, _ = shown()
    script(60, "lost", link="a")
    m1 = _connect(script, 61, "b")
    script(62, "receive", link="b", message=host.answer(m1))
    script(63, "sent", link="b", message="t1")
    script(64, "lost", link="b")
    _connect(script, 122, "c")
    script(123, "receive", link="c", message=host.answer(m1))
    script(124, "sent", link="c", message="t1")
    description = "The code is shown again on a new connection, but not 120 s after m2"
    cases.append(script.ends("SHOW", "code-again", description))
    return cases


def _messages() -> list[Case]:
    cases = []
    script, m1 = connected()
    m2 = Host(QR).answer(m1)
    script(2, "receive", link="a", message=flip(m2, 40))
    _connect(script, 3, "b")
    script(4, "receive", link="b", message=m2)
    cases.append(script.ends("SHOW", "sealed-m2", "An m2 that does not open uses nothing up"))

    script, m1 = connected()
    short = cbor.encode({1: 1, 2: 4})
    script(2, "receive", link="a", message=Host(QR).answer(m1, short))
    cases.append(script.ends("SENT", "m2-shape", "An m2 without a kid is refused"))

    script, m1 = connected()
    script(2, "receive", link="a", message=bytes.fromhex(m1))
    cases.append(script.ends("SENT", "reflected", "Its own m1 sent back is no m2"))

    script, host, _ = shown()
    script(3, "lost", link="a")
    m1 = _connect(script, 4, "b")
    script(5, "receive", link="b", message=Host(QR, e=drawn("e of OLD 2")).answer(m1))
    description = "Another m2 than the one accepted, though it opens, is refused"
    cases.append(script.ends("SHOW", "second-m2", description))

    script, m1 = connected()
    m2 = Host(QR).answer(m1)
    script(2, "receive", link="a", message=m2)
    script(3, "receive", link="a", message=m2)
    cases.append(script.ends("SHOW", "m2-twice", "m2 twice on one connection is no t2"))

    script, m1 = connected()
    script(2, "lost", link="a")
    _connect(script, 3, "b", rssi=-70)
    host = Host(QR)
    m2 = host.answer(m1)
    script(4, "receive", link="b", message=m2)
    script(5, "lost", link="b")
    _connect(script, 6, "c", rssi=-80)
    script(7, "receive", link="c", message=m2)
    script(8, "receive", link="c", message=t2(host, rssi=-70))
    description = "The rssi is that of the connection on which m2 was accepted"
    cases.append(script.ends("DONE", "which-rssi", description))

    script = Script("new", new_given(QR))
    m1 = _connect(script, 1, "a", rssi=127)
    host = Host(QR)
    script(2, "receive", link="a", message=host.answer(m1))
    script(3, "receive", link="a", message=t2(host, rssi=None))
    cases.append(script.ends("DONE", "unknown-rssi", "127, which HCI has for unknown, is absent"))

    script, host, _ = shown()
    script(5, "receive", link="a", message=flip(t2(host), 0))
    cases.append(script.ends("SHOW", "sealed-t2", "A t2 that does not open ends its connection"))

    script, host, t1 = shown()
    script(5, "receive", link="a", message=bytes.fromhex(t1))
    cases.append(script.ends("SHOW", "reflected-t1", "Its own t1 sent back is no t2"))
    return cases


def _bad_proofs() -> list[Case]:
    def ends(id: str, description: str, make: Callable[[Host], bytes]) -> Case:
        script, host, _ = shown()
        script(5, "receive", link="a", message=make(host))
        return script.ends("bad_proof", id, description)

    def changed(id: str, description: str, **changes: Any) -> Case:
        return ends(id, description, lambda host: t2(host, **changes))

    def announced(id: str, description: str, m2: M2) -> Case:
        script, m1 = connected()
        host = Host(QR)
        script(2, "receive", link="a", message=host.answer(m1, m2.encode()))
        script(2.2, "sent", link="a", message="t1")
        script(5, "receive", link="a", message=t2(host))
        return script.ends("bad_proof", id, description)

    return [
        ends("t2-shape", "A t2 that opens to an empty map", lambda host: host.seal(b"\xa0")),
        changed("foreign-grant", "A grant of another issuer", grant_=grant(signer=STRANGER)),
        changed("other-d", "A proof for another D", new=STRANGER.public),
        changed("other-h", "A proof of another session", h=sha256(b"another session")),
        changed("other-eid", "A proof of another advert", eid=OTHER_EID),
        changed("other-qrh", "A proof of another QR", qrh=sha256(b"another QR")),
        changed(
            "other-grant",
            "Proof and grant of another transaction",
            txn=drawn("another cti", 16),
            grant_=grant(grant_claims(cti=drawn("another cti", 16))),
        ),
        changed("qr-iat", "A proof with another QR iat", qr_iat=QR.iat + 1),
        changed("rssi", "A proof with another rssi", rssi=-60),
        changed("no-rssi", "A proof without the rssi", rssi=None),
        changed(
            "grant-rounds",
            "A grant of other rounds than m2's",
            grant_=grant(grant_claims(rounds=5)),
        ),
        announced("kid", "m2 named another O", M2(4, STRANGER.kid)),
        announced("m2-rounds", "m2 announced 3 rounds, the grant allows 4", M2(3, OLD.kid)),
    ]


def _rounds() -> Case:
    script, host, _ = shown()
    for at, i in ((3, 0), (3.1, 0), (3.2, 2), (3.3, 1), (3.4, 2)):
        script(at, "challenge", link="a", value=host.challenge(i))
    script(3.5, "challenge", link="a", value=host.challenge(3)[:8])
    script(3.6, "challenge", link="a", value=bytes([0]) + drawn("another challenge", 8))
    script(3.7, "challenge", link="a", value=host.challenge(4))
    description = "Each index below m2's rounds is answered once, whatever its challenge"
    return script.ends("SHOW", "rounds", description)


assert (QR.txn, EID) == (CTI, advert.seal(QR, NONCE))
assert NEW.public != OLD.public
