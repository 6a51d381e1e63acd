"""OLD's links: repeats after a loss, second centrals, other devices, rounds."""

from __future__ import annotations

import pytest

from crypto.hostile import HandNew, claims_of
from crypto.old_bench import Bench, again_after_m1, again_after_t1
from crypto.pair import (
    key,
    kinds,
    only,
    snapshot,
)
from nearproof.crypto.grant import Policy
from nearproof.crypto.primitives import sha256
from nearproof.crypto.proof import Rtt, read_proof
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.timing import SECOND
from nearproof.crypto.session.transitions import OldState


def test_a_new_link_gets_the_cached_replies() -> None:
    """Byte for byte, in every state that has them."""
    bench = Bench().proved()
    bench.lose()
    bench.connect()
    assert only(bench.say(bench.new.m1), a.SendMessage).message == bench.m2
    assert only(bench.say(bench.t1), a.SendMessage).message == bench.t2
    assert kinds(bench.say(bench.ack)) == ["StopAdvertising", "Delivered"]
    bench.lose()
    bench.connect()
    assert only(bench.say(bench.new.m1), a.SendMessage).message == bench.m2
    assert only(bench.say(bench.t1), a.SendMessage).message == bench.t2
    assert bench.say(bench.ack) == []
    assert bench.old.state is OldState.DONE


def test_a_proof_made_while_the_link_was_lost_goes_out_on_the_next() -> None:
    """After its m1 and t1."""
    bench = Bench().prompt()
    bench.lose()
    bench.old.enter_code(bench.new.code, bench.now)
    assert kinds(bench.old.outputs()) == ["ProofMade"]
    again_after_m1(bench)
    assert kinds(bench.say(bench.t1)) == ["t2"]


def test_a_replayed_m1_gets_the_cached_m2_and_nothing_else() -> None:
    """Neighbour: 10 seconds later it is out."""
    bench = Bench().prompt()
    bench.lose()
    again_after_m1(bench)
    outputs = bench.wait(10 * SECOND)
    assert only(outputs, a.Refused).reason is a.RefusalReason.T1_TIMEOUT
    assert kinds(outputs) == ["Refused", "Disconnect"]
    assert bench.old.state is OldState.PROMPT


def test_a_silent_link_ends_after_5_seconds() -> None:
    """In any state; the session goes on."""
    for state in (OldState.SHOWN, OldState.BOUND, OldState.PROMPT, OldState.PROVED):
        bench = Bench().in_state(state)
        bench.lose()
        bench.connect()
        assert bench.wait(5 * SECOND - 1) == []
        outputs = bench.wait(1)
        assert only(outputs, a.Refused).reason is a.RefusalReason.M1_TIMEOUT
        assert bench.old.state is state


def test_a_second_central_gets_no_answer() -> None:
    """Not even to a good m1; and it is out after its 5 seconds, the served link is not."""
    bench = Bench().prompt()
    served = bench.link
    bench.connect()
    before = snapshot(bench.old)
    outputs = bench.say(bench.new.m1)
    assert kinds(outputs) == ["Refused"]
    assert only(outputs, a.Refused).reason is a.RefusalReason.SECOND_CENTRAL
    assert snapshot(bench.old) == before
    assert only(bench.wait(5 * SECOND), a.Disconnect).link == bench.link != served


def test_a_second_central_is_served_when_the_first_has_gone() -> None:
    """The first may be a dead link of the same NEW."""
    bench = Bench().prompt()
    served = bench.link
    bench.connect()
    bench.say(bench.new.m1)
    bench.old.disconnected(served, bench.now)
    assert kinds(bench.say(bench.new.m1)) == ["m2"]


def test_a_link_name_may_come_back_without_a_goodbye() -> None:
    """Some stacks name a link by its device and lose the disconnection."""
    bench = Bench().prompt()
    bench.old.connected(bench.link, bench.now)
    assert kinds(bench.say(bench.new.m1)) == ["m2"]


def test_after_exp_nothing_is_answered() -> None:
    """Not even on a link that has stood since before."""
    bench = Bench().done()
    bench.wait(600 * SECOND)
    outputs = bench.say(bench.ack)
    assert only(outputs, a.Refused).reason is a.RefusalReason.OUT_OF_TURN


def test_what_a_leaving_link_says_is_ignored() -> None:
    """It was told to go; nothing more comes of it."""
    bench = Bench()
    bench.say(b"garbage")
    assert bench.say(bench.new.m1) == []
    assert bench.say(bench.new.m1, "nobody") == []
    bench.old.receive_round("nobody", bytes(8), bench.now)
    bench.old.rounds_subscribed("nobody", bench.now)
    bench.old.rounds_subscribed(None, bench.now)
    bench.old.disconnected("nobody", bench.now)
    assert bench.old.outputs() == []


@pytest.mark.parametrize("state", [OldState.BOUND, OldState.PROMPT])
def test_a_different_valid_m1_ends_the_qr(state: OldState) -> None:
    """Somebody else has the QR, or NEW scanned it twice: on any link, and reported."""
    for same_link_lost in (True, False):
        bench = Bench().in_state(state)
        if same_link_lost:
            bench.lose()
        bench.connect()
        other = HandNew(bench.old.qr, bench.eid, "another NEW", key=key("another D"))
        ended = only(bench.say(other.m1), a.Ended)
        assert (ended.reason, ended.report) == (a.EndReason.OTHER_DEVICE, True)


@pytest.mark.parametrize("state", [OldState.PROVED, OldState.DONE])
def test_a_different_valid_m1_after_the_proof_is_only_reported(state: OldState) -> None:
    """The proof is made; nobody can unmake it."""
    bench = Bench().in_state(state)
    bench.connect()
    before = snapshot(bench.old)
    other = HandNew(bench.old.qr, bench.eid, "another NEW", key=key("another D"))
    assert kinds(bench.say(other.m1)) == ["OtherDeviceSeen", "Disconnect"]
    assert snapshot(bench.old) == before


def challenge(outputs: list[a.Output]) -> bytes:
    return only(outputs, a.SendRound).value


def test_rounds_are_timed_from_notify_to_write() -> None:
    """One at a time, as many as the policy says; the lower median goes into the proof."""
    bench = Bench().prompt()
    bench.old.rounds_subscribed(bench.link, bench.now)
    value = challenge(bench.old.outputs())
    for index, micros in enumerate((50_000, 30_000, 90_000, 70_000)):
        assert len(value) == 9 and value[0] == index
        bench.wait(micros)
        bench.old.receive_round(bench.link, bench.new.answer(value), bench.now)
        outputs = bench.old.outputs()
        assert only(outputs, a.RoundTimed) == a.RoundTimed(index, micros)
        if index < 3:
            value = challenge(outputs)
    assert kinds(outputs) == ["RoundTimed"]
    assert proof_rtt(bench) == Rtt(50_000, 30_000, 4)


def proof_rtt(bench: Bench) -> Rtt:
    bench.old.enter_code(bench.new.code, bench.now)
    t2 = bench.new.read_t2(only(bench.old.outputs(), a.SendMessage).message)
    return read_proof(claims_of(t2.proof)).rtt


def test_rounds_wait_for_t1_and_for_the_subscription() -> None:
    """In whichever order they come, and on the same link."""
    bench = Bench().bound()
    bench.old.rounds_subscribed(bench.link, bench.now)
    assert bench.old.outputs() == []
    assert kinds(bench.say(bench.t1)) == ["CodeWanted", "SendRound"]
    bench = Bench().prompt()
    bench.old.rounds_subscribed(None, bench.now)
    assert kinds(bench.old.outputs()) == ["SendRound"]


def test_a_policy_without_rounds_opens_none() -> None:
    """And m2 says so."""
    bench = Bench(policy=Policy(rounds=0)).prompt()
    assert bench.new.said.rounds == 0
    bench.old.rounds_subscribed(bench.link, bench.now)
    assert bench.old.outputs() == []
    assert proof_rtt(bench) == Rtt()


@pytest.mark.parametrize("how", ["timeout", "bad MAC", "short", "empty"])
def test_a_lost_round_is_not_repeated(how: str) -> None:
    """Its index is used up; it refuses nobody."""
    bench = Bench().prompt()
    bench.old.rounds_subscribed(bench.link, bench.now)
    value = challenge(bench.old.outputs())
    if how == "timeout":
        outputs = bench.wait(2 * SECOND)
    else:
        answer = {"bad MAC": bytes(8), "short": bench.new.answer(value)[:7], "empty": b""}[how]
        bench.old.receive_round(bench.link, answer, bench.now)
        outputs = bench.old.outputs()
    assert only(outputs, a.RoundTimed) == a.RoundTimed(0, None)
    assert challenge(outputs)[0] == 1
    assert bench.old.state is OldState.PROMPT


def test_one_round_is_open_at_a_time() -> None:
    """However often the peer subscribes."""
    bench = Bench().prompt()
    for _ in range(3):
        bench.old.rounds_subscribed(bench.link, bench.now)
    assert kinds(bench.old.outputs()) == ["SendRound"]


def test_a_shell_that_wakes_late_opens_one_round() -> None:
    """And its time runs from when it goes out."""
    bench = Bench().prompt()
    bench.old.rounds_subscribed(bench.link, bench.now)
    bench.old.outputs()
    outputs = bench.wait(7 * SECOND)
    assert kinds(outputs) == ["RoundTimed", "SendRound"]
    assert bench.old.deadline() == bench.now + 2 * SECOND


def test_a_new_link_goes_on_with_the_next_index() -> None:
    """An index never comes twice, also across links."""
    bench = Bench().prompt()
    bench.old.rounds_subscribed(bench.link, bench.now)
    assert challenge(bench.old.outputs())[0] == 0
    assert only(bench.lose(), a.RoundTimed) == a.RoundTimed(0, None)
    again_after_t1(bench)
    bench.old.rounds_subscribed(bench.link, bench.now)
    assert challenge(bench.old.outputs())[0] == 1


def test_the_code_cancels_an_open_round() -> None:
    """It is not in the proof, and a late answer is ignored."""
    bench = Bench().prompt()
    bench.old.rounds_subscribed(bench.link, bench.now)
    value = challenge(bench.old.outputs())
    bench.old.enter_code(bench.new.code, bench.now)
    assert kinds(bench.old.outputs()) == ["RoundTimed", "ProofMade", "t2"]
    bench.old.receive_round(bench.link, bench.new.answer(value), bench.now)
    assert bench.old.outputs() == []


def test_a_round_written_before_t1_is_refused() -> None:
    """A second central may write m1 only, and so may a first that has not sent t1."""
    bench = Bench().bound()
    bench.old.receive_round(bench.link, bytes(8), bench.now)
    assert only(bench.old.outputs(), a.Refused).reason is a.RefusalReason.OUT_OF_TURN
    bench = Bench().prompt()
    bench.connect()
    bench.old.receive_round(bench.link, bytes(8), bench.now)
    assert only(bench.old.outputs(), a.Disconnect).link == bench.link


def test_the_qr_hash_is_over_what_is_shown() -> None:
    """qrh in the transcript is the hash of the QR on display."""
    bench = Bench().bound()
    assert bench.new.transcript.qrh == sha256(bench.old.qr.encode())
