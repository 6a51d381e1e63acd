"""Scripts for OLD's connections, and for the QR that it may not show (SPEC sections 7.2 and 10)."""

from __future__ import annotations

from dataclasses import replace

from nearproof.crypto import cbor
from vectors.generate.cast import EXP, STRANGER, drawn, grant, grant_claims
from vectors.generate.handshakes import flip
from vectors.generate.old_scripts import bound, greet, prompted, proved, shown
from vectors.generate.script import Case, Script, no_qr, old_given


def old_link_scripts() -> list[Case]:
    return [*_connections(), *_closed(), *_no_qr()]


def _connections() -> list[Case]:
    cases = []
    script, guest = shown()
    script(1, "accept", link="a")
    script(5.999999, "wait")
    script(6, "wait")
    greet(script, guest, 7, "b")
    script(17.099999, "wait")
    script(17.1, "wait")
    cases.append(script.ends("BOUND", "silent-links", "5 s for m1, 10 s for t1; nothing else ends"))

    script, guest = shown()
    for at, message in enumerate(
        (b"", drawn("garbage", 32), flip(guest.m1, 40), guest.m1 + bytes(171), guest.m1[:-1]), 1
    ):
        script(at, "accept", link="a")
        script(at + 0.5, "receive", link="a", message=message)
    greet(script, guest, 8, "b")
    description = "An m1 that does not open ends its connection and binds nothing"
    cases.append(script.ends("BOUND", "bad-m1", description))

    script, guest = shown()
    script(1, "accept", link="a")
    newer = guest.initiate(cbor.encode({1: 2, 2: bytes(32)})).message
    script(1.1, "receive", link="a", message=newer)
    script(6, "wait")
    greet(script, guest, 8, "b")
    description = "An m1 of version 2: ATT error 0x82, later the end of that connection, no binding"
    cases.append(script.ends("BOUND", "version", description))

    script, guest = shown()
    script(1, "accept", link="a")
    shape = guest.initiate(cbor.encode({1: 1, 2: bytes(31)})).message
    script(1.1, "receive", link="a", message=shape)
    cases.append(script.ends("SHOWN", "m1-shape", "An m1 that opens to another shape is refused"))

    script, guest = bound()
    good = guest.t1()
    script(11, "receive", link="a", message=flip(good, 5))
    greet(script, guest, 12, "b")
    script(12.3, "receive", link="b", message=good)
    cases.append(script.ends("PROMPT", "sealed-t1", "A t1 that does not open uses nothing up"))

    script, guest = prompted()
    script(12, "lost", link="a")
    greet(script, guest, 13, "b")
    script(13.3, "receive", link="b", message=guest.t1(rssi=-40))
    description = "Another t1 than the one accepted, though it opens, is refused"
    cases.append(script.ends("PROMPT", "second-t1", description))

    script, guest = bound()
    greet(script, guest, 11, "b")
    script(12, "receive", link="a", message=guest.t1())
    script(16, "wait")
    description = "A second central may repeat m1 and gets no answer"
    cases.append(script.ends("PROMPT", "second-central", description))

    script, guest = shown()
    script(1, "accept", link="a")
    guest_t1_like = bytes(32) + drawn("a t1 before any m1", 16)
    script(1.1, "receive", link="a", message=guest_t1_like)
    cases.append(script.ends("SHOWN", "t1-first", "A connection that does not begin with m1"))

    script, guest = bound()
    script(11, "receive", link="a", message=guest.m1)
    cases.append(script.ends("BOUND", "m1-twice", "m1 twice on one connection is no t1"))

    script, guest = prompted()
    greet(script, guest, 12, "b")
    script(13, "lost", link="a")
    script(13.1, "receive", link="b", message=guest.m1)
    description = "A second central repeats m1 when the first has gone, and is served"
    cases.append(script.ends("PROMPT", "second-central-served", description))

    script, guest = bound()
    script(12, "accept", link="b")
    newer = replace(guest, e=drawn("e 5")).initiate(cbor.encode({1: 2})).message
    script(12.1, "receive", link="b", message=newer)
    description = "An m1 of version 2 is no different m1: it ends nothing"
    cases.append(script.ends("BOUND", "version-bound", description))
    return cases


def _closed() -> list[Case]:
    cases = []
    script = Script("old", old_given())
    script(0, "accept", link="a")
    script(1, "display")
    script(2, "cancel")
    script(3, "accept", link="b")
    description = "Nobody is served before the QR is on display, nor after an ending"
    cases.append(script.ends("cancelled", "not-on-display", description))

    script, guest = proved()
    script(20, "receive", link="a", message=guest.ack)
    script(600, "receive", link="a", message=guest.ack)
    script(600.1, "accept", link="b")
    description = "At exp DONE answers nobody any more"
    cases.append(script.ends("DONE", "done-exp", description))
    return cases


def _no_qr() -> list[Case]:
    def bad(id: str, description: str, token: bytes) -> Case:
        return no_qr(id, description, old_given() | {"grant": token.hex()}, [])

    step = {"at": 300_000_001 + 999_999, "do": "display"}
    return [
        no_qr("old-grant", "No QR is made after exp - 300", old_given(made=301), []),
        no_qr("old-qr", "None is put on display after it", old_given(made=10), [step]),
        no_qr("other-grant", "A grant for another O", old_given(cnf=STRANGER.public), []),
        bad("no-grant", "A grant of no bytes (step 1)", b""),
        bad("foreign-grant", "A grant of another issuer (step 2)", grant(signer=STRANGER)),
        bad("grant-ttl", "A grant of qr_ttl 60 (step 7)", grant(grant_claims(qr_ttl=60))),
        bad("grant-life", "A grant of 601 s (step 7)", grant(grant_claims(exp=EXP + 1))),
    ]
