"""Scripts for OLD (SPEC section 7.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nearproof.crypto import advert
from nearproof.crypto.handshake import commitment
from nearproof.crypto.messages import T1
from vectors.generate.cast import IDENTITY, NEW, NONCE, OLD, STRANGER, drawn
from vectors.generate.handshakes import flip
from vectors.generate.script import Case, Guest, Script, old_given, qr_made


def old_scripts() -> list[Case]:
    return [
        _honest(),
        _lost_links(),
        *_codes(),
        *_deadlines(),
        *_other_devices(),
        *_bad_t1(),
        *_rounds(),
        *_acks(),
    ]


def shown(**given: Any) -> tuple[Script, Guest]:
    """OLD with its QR on display, and a NEW that has scanned it."""
    script = Script("old", old_given(**given))
    script(given.get("made", 0), "display")
    qr = qr_made(given.get("made", 0))
    return script, Guest(qr, advert.seal(qr, NONCE))


def bound(at: float = 10, **given: Any) -> tuple[Script, Guest]:
    script, guest = shown(**given)
    greet(script, guest, at, "a")
    return script, guest


def prompted(at: float = 10, **given: Any) -> tuple[Script, Guest]:
    script, guest = bound(at, **given)
    script(at + 1, "receive", link="a", message=guest.t1())
    return script, guest


def proved(at: float = 10, **given: Any) -> tuple[Script, Guest]:
    script, guest = prompted(at, **given)
    script(at + 9, "type", text=guest.code)
    return script, guest


def greet(script: Script, guest: Guest, at: float, link: str) -> Case:
    script(at, "accept", link=link)
    then = script(at + 0.1, "receive", link=link, message=guest.m1)
    if "send" in then:
        guest.read_m2(then)
    return then


def _another(guest: Guest) -> bytes:
    """A valid m1 of somebody else who has the QR and hears the advert."""
    return replace(guest, key=STRANGER, r=drawn("r of a stranger"), e=drawn("e 3")).m1


def _honest() -> Case:
    script, guest = prompted(made=1.5)
    then = script(11.2, "subscribe", link="a")
    then = script(11.231, "answer", link="a", value=guest.answer(then["round"][0][1]))
    script(11.260, "answer", link="a", value=guest.answer(then["round"][0][1]))
    script(19, "type", text=guest.code)
    script(19.5, "receive", link="a", message=guest.ack)
    return script.ends("DONE", "honest", "Two rounds, the right code, an ack")


def _lost_links() -> Case:
    script, guest = prompted()
    script(11.5, "subscribe", link="a")
    script(12, "lost", link="a")
    greet(script, guest, 13, "b")
    then = script(13.2, "receive", link="b", message=guest.t1())
    then = script(13.3, "subscribe", link="b")
    script(13.4, "answer", link="b", value=guest.answer(then["round"][0][1]))
    script(14, "lost", link="b")
    script(15, "type", text=guest.code)
    for at, link in ((20, "c"), (30, "d")):
        greet(script, guest, at, link)
        script(at + 0.2, "receive", link=link, message=guest.t1())
        script(at + 0.3, "lost", link=link)
    greet(script, guest, 599, "e")
    script(599.2, "receive", link="e", message=guest.t1())
    script(599.3, "receive", link="e", message=guest.ack)
    return script.ends(
        "DONE",
        "lost-links",
        "Every connection begins with m1 and gets the same bytes again; the round's index goes on",
    )


def _codes() -> list[Case]:
    cases = []
    script, guest = prompted()
    wrong = f"{(int(guest.code) + 1) % 10**6:06}"
    script(15, "type", text=wrong)
    cases.append(script.ends("wrong_code", "wrong-code", "One wrong code, and every device hears"))

    script, guest = prompted()
    digits = guest.code
    for text in ("", digits[:5], digits + "0", digits[:3] + "  " + digits[3:], "12a456", "123.456"):
        script(15, "type", text=text)
    script(15, "type", text="\u0661" + digits[1:])
    script(16, "type", text=digits[:3] + "-" + digits[3:])
    cases.append(script.ends("PROVED", "malformed-code", "What is not six digits is no try"))

    script, guest = prompted()
    script(15, "type", text=f" {guest.code[:3]} {guest.code[3:]} ")
    cases.append(
        script.ends("PROVED", "spaced-code", "One space after the third digit; blanks around")
    )

    script, guest = prompted()
    script(130.099999, "type", text=guest.code)
    cases.append(script.ends("PROVED", "last-moment", "A microsecond before the deadline"))

    script, guest = prompted()
    script(130.1, "type", text=guest.code)
    cases.append(script.ends("code_too_late", "late-code", "120 s after m1: not judged, no alert"))

    script, guest = prompted()
    script(130.1, "type", text=f"{(int(guest.code) + 1) % 10**6:06}")
    description = "A wrong code that is late is late, not wrong"
    cases.append(script.ends("code_too_late", "late-wrong-code", description))

    script, guest = prompted()
    script(130.1, "type", text=guest.code[:5])
    description = "A malformed code that is late is late, too"
    cases.append(script.ends("code_too_late", "late-malformed-code", description))

    script = Script("old", old_given(made=10))
    script(200, "display")
    qr = qr_made(10)
    guest = Guest(qr, advert.seal(qr, NONCE))
    greet(script, guest, 300, "a")
    script(301, "receive", link="a", message=guest.t1())
    script(309.999999, "wait")
    script(310, "type", text=guest.code)
    description = "The code's deadline is also 300 s after the QR's making"
    cases.append(script.ends("code_too_late", "300-s", description))
    return cases


def _deadlines() -> list[Case]:
    cases = []
    script, guest = shown(made=5)
    script(184.9, "accept", link="a")
    script(184.999999, "receive", link="a", message=guest.m1)
    cases.append(script.ends("BOUND", "last-m1", "m1 a microsecond before 180 s"))

    script, guest = shown(made=300)
    greet(script, guest, 479, "a")
    cases.append(script.ends("BOUND", "last-qr", "A QR made and shown at exp - 300"))

    script, guest = shown(made=5)
    script(184.9, "accept", link="a")
    script(185, "receive", link="a", message=guest.m1)
    cases.append(script.ends("qr_expired", "qr-expired", "m1 at 180 s: nobody is reported"))

    script, _ = bound()
    script(130.1, "wait")
    cases.append(script.ends("peer_silent", "silent", "Bound, but no t1 in 120 s: reported"))

    script, guest = proved()
    script(599.999999, "wait")
    script(600, "wait")
    cases.append(script.ends("unconfirmed", "unconfirmed", "No ack until exp"))

    script, _ = shown()
    script(3, "cancel")
    cases.append(script.ends("cancelled", "cancel-shown", "Cancelled before anybody came"))

    script, _ = bound()
    script(12, "cancel")
    cases.append(script.ends("cancelled", "cancel-bound", "Cancelled while bound: reported"))

    script, _ = prompted()
    script(12, "cancel")
    cases.append(script.ends("cancelled", "cancel-prompt", "Cancelled at the prompt"))

    script, _ = proved()
    script(20, "cancel")
    cases.append(script.ends("unconfirmed", "cancel-proved", "A proof that was made stays made"))
    return cases


def _other_devices() -> list[Case]:
    cases = []
    script, guest = bound()
    script(12, "accept", link="b")
    script(12.1, "receive", link="b", message=_another(guest))
    cases.append(script.ends("other_device", "other-bound", "A different m1 while bound"))

    script, guest = prompted()
    script(12, "accept", link="b")
    script(12.1, "receive", link="b", message=_another(guest))
    cases.append(script.ends("other_device", "other-prompt", "A different m1 at the prompt"))

    script, guest = prompted()
    again = replace(guest, r=drawn("r of a second scan"), e=drawn("e 4"))
    script(12, "lost", link="a")
    script(13, "accept", link="b")
    script(13.1, "receive", link="b", message=again.m1)
    cases.append(script.ends("other_device", "scanned-twice", "The same NEW, but another scan"))

    script, guest = proved()
    script(20, "accept", link="b")
    script(20.1, "receive", link="b", message=_another(guest))
    script(21, "receive", link="a", message=guest.ack)
    script(22, "accept", link="c")
    script(22.1, "receive", link="c", message=_another(guest))
    description = "After the proof a different m1 is reported, and changes nothing"
    cases.append(script.ends("DONE", "other-proved", description))
    return cases


def _bad_t1() -> list[Case]:
    def ends(id: str, description: str, guest_is: dict[str, Any], **changes: Any) -> Case:
        script, guest = shown()
        guest = replace(guest, **guest_is)
        greet(script, guest, 10, "a")
        made = {n: v(guest) if callable(v) else v for n, v in changes.items()}
        script(11, "receive", link="a", message=guest.t1(**made))
        return script.ends("bad_t1", id, description)

    script, guest = bound()
    script(11, "receive", link="a", message=guest.seal(0, b"\xa0"))
    shape = script.ends("bad_t1", "t1-shape", "A t1 that opens to an empty map")

    script, guest = bound()
    spoilt = T1(NEW.public, guest.r, "a\x1b[2J", guest.pop(), None).encode()
    script(11, "receive", link="a", message=guest.seal(0, spoilt))
    label = script.ends("bad_t1", "t1-label", "A label with a control character")

    def other_pop(guest: Guest) -> bytes:
        return guest.pop(transcript=replace(guest.transcript, h=drawn("another h")))

    identity = {"com": commitment(drawn("r"), IDENTITY)}
    return [
        shape,
        label,
        ends("bad-com", "com is of nothing", {"com": drawn("com of nothing")}),
        ends("other-r", "Another r than the committed one", {}, r=drawn("r chosen later")),
        ends("small-order", "D is the neutral element", identity, new_public=IDENTITY),
        ends("d-is-o", "D is O", {"key": OLD}),
        ends("pop-signer", "A PoP by another key", {}, pop=lambda g: g.pop(signer=STRANGER)),
        ends("pop-h", "A PoP for another session", {}, pop=other_pop),
        ends("pop-kid", "A PoP for another O", {}, pop=lambda g: g.pop(old_kid=STRANGER.kid)),
        ends("no-pop", "A PoP of no bytes", {}, pop=b""),
    ]


def _rounds() -> list[Case]:
    cases = []
    script, guest = prompted(rounds=3)
    then = script(11.5, "subscribe", link="a")
    first = then["round"][0][1]
    then = script(11.6, "answer", link="a", value=flip(guest.answer(first), 0))
    script(13.599999, "wait")
    then = script(13.6, "wait")
    script(13.7, "answer", link="a", value=guest.answer(then["round"][0][1]))
    script(19, "type", text=guest.code)
    description = "A wrong answer and 2 s of silence lose a round; no more than policy.rounds"
    cases.append(script.ends("PROVED", "lost-rounds", description))

    script, guest = prompted(rounds=4)
    then, at = script(11.5, "subscribe", link="a"), 11.5
    for delay in (0.040, 0.020, 0.050, 0.030):
        at += delay
        then = script(at, "answer", link="a", value=guest.answer(then["round"][0][1]))
    script(19, "type", text=guest.code)
    cases.append(script.ends("PROVED", "median", "40, 20, 50, 30 ms: the lower median is 30"))

    script, guest = prompted(rounds=0)
    script(11.5, "subscribe", link="a")
    script(19, "type", text=guest.code)
    cases.append(script.ends("PROVED", "no-rounds", "A policy of no rounds: rtt is all zero"))

    script, guest = bound()
    script(10.5, "subscribe", link="a")
    then = script(11, "receive", link="a", message=guest.t1())
    script(11.2, "type", text=guest.code)
    script(11.3, "answer", link="a", value=guest.answer(then["round"][0][1]))
    description = "Subscribed before t1; t2 cancels the open round, whose answer is ignored"
    cases.append(script.ends("PROVED", "cancelled-round", description))

    script, guest = bound()
    script(10.5, "answer", link="a", value=drawn("an answer to nothing", 8))
    description = "A write on ROUNDS before t1 ends its connection"
    cases.append(script.ends("BOUND", "round-before-t1", description))
    return cases


def _acks() -> list[Case]:
    cases = []
    script, guest = proved()
    script(20, "receive", link="a", message=guest.seal(1, b"\xa1\x01\x02"))
    greet(script, guest, 21, "b")
    script(21.2, "receive", link="b", message=guest.t1())
    script(21.3, "receive", link="b", message=flip(guest.ack, 0))
    cases.append(script.ends("PROVED", "bad-ack", "An ack that says 2, and one that does not open"))

    script, guest = prompted()
    script(12, "receive", link="a", message=guest.ack)
    cases.append(script.ends("PROMPT", "early-ack", "An ack before t2 ends its connection"))

    script, guest = proved()
    script(20, "receive", link="a", message=guest.ack)
    script(20.1, "receive", link="a", message=guest.ack)
    script(20.2, "receive", link="a", message=guest.t1())
    description = "An ack that comes again is ignored, anything else after it is refused"
    cases.append(script.ends("DONE", "ack-twice", description))

    script, guest = proved()
    script(20, "receive", link="a", message=guest.ack)
    script(21, "lost", link="a")
    greet(script, guest, 22, "b")
    script(22.2, "receive", link="b", message=guest.t1())
    script(22.3, "receive", link="b", message=guest.ack)
    script(23, "lost", link="b")
    script(600, "accept", link="c")
    cases.append(script.ends("DONE", "done-serves", "DONE repeats its replies until exp"))
    return cases
