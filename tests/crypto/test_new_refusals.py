"""NEW refuses or ends: every flipped bit, cut, reordered or hostile message of OLD."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crypto.hostile import HandOld
from crypto.new_bench import Bench, check_refused
from crypto.old_bench import cuts, flips
from crypto.pair import NEW_KEY, OLD_KEY, grant_for, key, kinds, only
from nearproof.crypto import cbor
from nearproof.crypto.grant import Policy
from nearproof.crypto.messages import M2
from nearproof.crypto.proof import Rtt, Transcript
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.transitions import NewState


def test_every_flipped_bit_of_m2_is_refused() -> None:
    """And the true m2 is still good."""
    bench = Bench().sent_m1()
    m2 = bench.old.accept(bench.m1)
    for message in flips(m2):
        check_refused(bench, message, a.RefusalReason.BAD_M2)
        bench.connect()
    assert kinds(bench.say(m2)) == ["OldAnswered", "t1"]


def test_every_flipped_bit_of_a_repeated_m2_is_refused() -> None:
    """The m2 that was accepted is compared, not opened."""
    bench = Bench().show()
    bench.lose()
    for message in flips(bench.m2):
        bench.connect()
        check_refused(bench, message, a.RefusalReason.BAD_M2)


def test_every_flipped_bit_of_t2_is_refused() -> None:
    """And the true t2 is still good."""
    bench = Bench().show()
    for message in flips(bench.t2):
        check_refused(bench, message, a.RefusalReason.BAD_T2_SEAL)
        bench.again()
    assert "ProofReceived" in kinds(bench.say(bench.t2))


def test_every_truncation_is_refused() -> None:
    """Of both of OLD's messages, and one byte more."""
    bench = Bench().sent_m1()
    for message in cuts(bench.old.accept(bench.m1)):
        check_refused(bench, message, a.RefusalReason.BAD_M2)
        bench.connect()
    bench = Bench().show()
    for message in cuts(bench.t2):
        check_refused(bench, message, a.RefusalReason.BAD_T2_SEAL)
        bench.again()


@pytest.mark.parametrize("state", [NewState.SENT, NewState.SHOW, NewState.DONE])
def test_oversize_is_refused(state: NewState) -> None:
    """2,048 bytes."""
    check_refused(Bench().in_state(state), bytes(2049), a.RefusalReason.TOO_LONG)


def test_messages_out_of_order_and_reflected_are_refused() -> None:
    """t2 for m2, m2 for t2, one's own messages back, anything after t2."""
    bench = Bench("order").done()
    m1, m2, t1, t2 = bench.m1, bench.m2, bench.t1, bench.t2
    for message in (m1, t1, t2):
        check_refused(Bench("order").sent_m1(), message, a.RefusalReason.BAD_M2)
    for message in (m1, m2, t1):
        check_refused(Bench("order").show(), message, a.RefusalReason.BAD_T2_SEAL)
    for message in (m1, m2, t1, t2):
        check_refused(Bench("order").done(), message, a.RefusalReason.OUT_OF_TURN)


def test_messages_of_another_session_are_refused() -> None:
    """Yesterday's OLD answers nothing today."""
    yesterday = Bench("yesterday").done()
    check_refused(Bench("today").sent_m1(), yesterday.m2, a.RefusalReason.BAD_M2)
    check_refused(Bench("today").show(), yesterday.t2, a.RefusalReason.BAD_T2_SEAL)


def test_a_second_answer_of_the_same_old_is_refused() -> None:
    """m2 and t2 are made once: another one, though it opens, is not taken."""
    bench = Bench().show()
    bench.lose()
    bench.connect()
    other = HandOld()
    check_refused(bench, other.accept(bench.m1, e=bytes(31) + b"e"), a.RefusalReason.BAD_M2)
    bench = Bench().done()
    bench.again()
    later = bench.old.t2(bench.old.proof(iat=bench.old.qr.iat + 21))
    check_refused(bench, later, a.RefusalReason.BAD_T2_SEAL)


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", cbor.encode({1: 1}), cbor.encode({1: 1, 2: 99, 3: bytes(16)})]
)
def test_an_m2_that_opens_with_another_shape_is_refused(payload: bytes) -> None:
    """NEW goes on looking."""
    bench = Bench().sent_m1()
    m2 = bench.old.accept(bench.m1, payload=payload)
    check_refused(bench, m2, a.RefusalReason.BAD_M2)


def test_a_low_order_ephemeral_key_is_refused() -> None:
    """All-zero X25519 results never become keys."""
    bench = Bench().sent_m1()
    check_refused(bench, bytes(71), a.RefusalReason.BAD_M2)


# -- t2 that opens but does not hold -----------------------------------------------------


def transcript(old: HandOld, **changes: bytes) -> Transcript:
    mine = old.transcript
    fields = {"h": mine.h, "txn": mine.txn, "qrh": mine.qrh, "eid": mine.eid} | changes
    return Transcript(**fields)


def by(old: HandOld, signer: Any) -> bytes:
    honest, old.key = old.key, signer
    try:
        return old.proof()
    finally:
        old.key = honest


OTHER_OLD = key("another O")

BAD_T2: dict[str, Callable[[HandOld], bytes]] = {
    "nothing": lambda old: old.t2_with(b""),
    "not CBOR": lambda old: old.t2_with(b"\xff"),
    "another shape": lambda old: old.t2_with(cbor.encode({1: old.proof()})),
    "tokens swapped": lambda old: old.t2(old.grant.raw, old.proof()),
    "garbage for a proof": lambda old: old.t2(b"garbage"),
    "another h": lambda old: old.t2(old.proof(transcript=transcript(old, h=bytes(32)))),
    "another txn": lambda old: old.t2(old.proof(transcript=transcript(old, txn=bytes(16)))),
    "another QR": lambda old: old.t2(old.proof(transcript=transcript(old, qrh=bytes(32)))),
    "another EID": lambda old: old.t2(old.proof(transcript=transcript(old, eid=bytes(16)))),
    "another D": lambda old: old.t2(old.proof(new_public=key("another D").public)),
    "D is O": lambda old: old.t2(old.proof(new_public=OLD_KEY.public)),
    "proof by another O": lambda old: old.t2(by(old, OTHER_OLD)),
    "grant of another cti": lambda old: old.t2(grant=grant_for("another cti").raw),
    "foreign grant": lambda old: old.t2(grant=grant_for(0, issuer=key("foreign")).raw),
    "late proof": lambda old: old.t2(old.proof(iat=old.qr.iat + 301)),
    "another QR time": lambda old: old.t2(old.proof(qr_iat=old.qr.iat + 1)),
    "another rssi": lambda old: old.t2(old.proof(rssi=-1)),
    "no rssi": lambda old: old.t2(old.proof(rssi=None)),
    "too many rounds": lambda old: old.t2(old.proof(rtt=Rtt(1, 1, 5))),
    "another profile": lambda old: old.t2(old.proof(profile="x")),
    "another method": lambda old: old.t2(old.proof(method="x")),
}


@pytest.mark.parametrize("name", BAD_T2)
def test_a_t2_that_opens_but_does_not_hold_ends_it(name: str) -> None:
    """Nothing is stored, nothing acknowledged, and the code is hidden."""
    bench = Bench().show()
    outputs = bench.say(BAD_T2[name](bench.old))
    assert only(outputs, a.Ended).reason is a.EndReason.BAD_PROOF
    assert kinds(outputs) == ["CodeHidden", "Disconnect", "Ended"]


def test_the_grants_device_must_be_the_one_of_m2() -> None:
    """An OLD that names another kid in m2 than its grant's."""
    bench = Bench().sent_m1()
    lie = M2(4, OTHER_OLD.kid).encode()
    t1 = only(bench.say(bench.old.accept(bench.m1, payload=lie)), a.SendMessage).message
    bench.old.read_t1(t1)
    assert only(bench.say(bench.old.t2()), a.Ended).reason is a.EndReason.BAD_PROOF


def test_the_rounds_of_m2_must_be_those_of_the_grant() -> None:
    """An OLD that announces fewer than the policy says."""
    bench = Bench(old=HandOld(grant=grant_for(0, policy=Policy(rounds=8)))).sent_m1()
    lie = M2(4, OLD_KEY.kid).encode()
    t1 = only(bench.say(bench.old.accept(bench.m1, payload=lie)), a.SendMessage).message
    bench.old.read_t1(t1)
    assert only(bench.say(bench.old.t2()), a.Ended).reason is a.EndReason.BAD_PROOF


def test_an_old_with_news_own_key_is_refused() -> None:
    """D = O from NEW's side."""
    bench = Bench(old=HandOld(key=NEW_KEY)).show()
    assert only(bench.say(bench.t2), a.Ended).reason is a.EndReason.BAD_PROOF
