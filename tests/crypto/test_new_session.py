"""NEW's course: the honest ceremony, candidates, losses, and every deadline."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crypto.hostile import HandOld
from crypto.new_bench import Bench, new_for
from crypto.pair import BOOT, ISSUER, NEW_KEY, kinds, only, snapshot, stream
from nearproof.crypto import advert, cbor, handshake
from nearproof.crypto.errors import LocalError
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.new import NewSession
from nearproof.crypto.session.timing import SECOND
from nearproof.crypto.session.transitions import NewState
from nearproof.crypto.verifier import verify_bundle


def test_the_story_of_an_honest_ceremony() -> None:
    """m1, t1, the code once t1 is out, the bundle, and ack once it is stored."""
    bench = Bench()
    assert bench.new.heard(bench.old.eid, bench.now)
    bench.sent_m1()
    assert kinds(bench.say(bench.old.accept(bench.m1))) == ["OldAnswered", "t1"]
    bench = Bench().done()
    assert verify_bundle(bench.bundle, ISSUER.public).new_public == NEW_KEY.public
    bench.new.stored(bench.now)
    assert kinds(bench.new.outputs()) == ["ack"]
    assert kinds(bench.sent()) == ["Acknowledged"]
    assert bench.new.deadline() is None


def test_t1_says_who_new_is() -> None:
    """D, the label, and the rssi of the advert."""
    bench = Bench().show()
    said = bench.old.t1
    assert (said.new_public, said.label, said.rssi) == (NEW_KEY.public, "new", -60)


@pytest.mark.parametrize(("rssi", "told"), [(None, None), (127, None), (-128, None), (20, 20)])
def test_an_rssi_that_hci_does_not_have_is_unknown(rssi: int | None, told: int | None) -> None:
    """The rest is told as it is."""
    bench = Bench()
    bench.new.connected("link", bench.old.eid, rssi, bench.now)
    m2 = bench.old.accept(only(bench.new.outputs(), a.SendMessage).message)
    bench.new.receive("link", m2, bench.now)
    t1 = only(bench.new.outputs(), a.SendMessage).message
    assert bench.old.read_t1(t1).rssi == told


def test_the_code_is_shown_only_after_t1_is_out() -> None:
    """Earlier, a person could type it before OLD knows whose it is."""
    bench = Bench().sent_m1()
    outputs = bench.say(bench.old.accept(bench.m1))
    said = bench.old.read_t1(only(outputs, a.SendMessage).message)
    shown = only(bench.sent(), a.CodeShown)
    expected = handshake.check_code(bench.old.session, said.r, said.new_public)
    assert shown.code == expected and expected not in repr(shown)


def test_the_bundle_is_acknowledged_only_when_it_is_stored() -> None:
    """A crash in between costs a repetition, never the proof."""
    bench = Bench().done()
    bench.again()
    assert bench.say(bench.t2) == []
    bench.new.stored(bench.now)
    assert kinds(bench.new.outputs()) == ["ack"]
    with pytest.raises(LocalError):
        bench.new.stored(bench.now)


# -- candidates --------------------------------------------------------------------------


def test_only_adverts_of_this_qr_are_worth_a_connection() -> None:
    """Strangers are None of ours; connecting to one is this program's mistake."""
    bench = Bench()
    stranger = HandOld("stranger").eid
    assert not bench.new.heard(stranger, bench.now)
    assert not bench.new.heard(b"", bench.now)
    with pytest.raises(LocalError):
        bench.new.connected("link", stranger, None, bench.now)
    assert bench.new.outputs() == []


def test_one_m1_for_each_eid_made_once() -> None:
    """Resent byte for byte; another EID gets another one, with the same commitment."""
    bench = Bench()
    other = advert.seal(bench.old.qr, stream("another")(10))
    first = only(bench.connect(), a.SendMessage).message
    bench.lose()
    second = only(bench.connect(other), a.SendMessage).message
    bench.lose()
    assert only(bench.connect(), a.SendMessage).message == first != second
    bench.lose()
    assert only(bench.connect(other), a.SendMessage).message == second


def test_the_first_eid_with_a_valid_m2_is_final() -> None:
    """No other is tried after it."""
    bench = Bench()
    other = advert.seal(bench.old.qr, stream("another")(10))
    bench.connect(other)
    bench.lose()
    bench.show()
    bench.lose()
    assert not bench.new.heard(other, bench.now)
    assert bench.new.heard(bench.old.eid, bench.now)
    with pytest.raises(LocalError):
        bench.new.connected("link", other, None, bench.now)


def test_one_link_at_a_time() -> None:
    """The next one stands when the last has gone or was told to go."""
    bench = Bench().sent_m1()
    with pytest.raises(LocalError):
        bench.new.connected("second", bench.old.eid, None, bench.now)
    bench.wait(5 * SECOND)
    assert kinds(bench.connect()) == ["m1"]


# -- losses ------------------------------------------------------------------------------


def test_after_a_loss_every_message_is_repeated_byte_for_byte() -> None:
    """In SHOW: m1, t1, and the code again."""
    bench = Bench().show()
    t1 = only(bench.again(), a.SendMessage)
    assert t1.message == bench.t1
    assert only(bench.sent(), a.CodeShown).code == bench.code


def test_after_a_loss_in_done_the_ack_is_repeated() -> None:
    """m1, t1, and ack once t2 has come again; it is told once that OLD knows."""
    bench = Bench().done()
    bench.new.stored(bench.now)
    ack = only(bench.new.outputs(), a.SendMessage).message
    assert kinds(bench.again()) == ["t1"]
    assert bench.sent() == []
    assert only(bench.say(bench.t2), a.SendMessage).message == ack
    assert kinds(bench.sent()) == ["Acknowledged"]
    bench.again()
    bench.sent()
    assert kinds(bench.say(bench.t2)) == ["ack"]
    assert bench.sent() == []


def test_a_link_lost_before_the_storage_gets_no_ack() -> None:
    """The next link does, when t2 has come on it."""
    bench = Bench().done()
    bench.lose()
    bench.new.stored(bench.now)
    assert bench.new.outputs() == []
    bench.again()
    assert kinds(bench.say(bench.t2)) == ["ack"]


def test_t2_may_overtake_the_report_that_t1_is_out() -> None:
    """After a reconnection OLD has the proof ready; nothing is shown any more."""
    bench = Bench().show()
    bench.again()
    assert kinds(bench.say(bench.t2)) == ["CodeHidden", "ProofReceived"]
    assert bench.sent() == []
    bench.new.stored(bench.now)
    assert kinds(bench.new.outputs()) == ["ack"]


def test_what_an_earlier_link_says_is_ignored() -> None:
    """Also its end."""
    bench = Bench().sent_m1()
    earlier = bench.link
    bench.lose()
    bench.connect()
    m2 = bench.old.accept(bench.m1)
    bench.new.receive(earlier, m2, bench.now)
    bench.new.sent(earlier, bench.now)
    bench.new.write_refused(earlier, 0x82, bench.now)
    bench.new.receive_round(earlier, bytes(9), bench.now)
    bench.new.disconnected(earlier, bench.now)
    assert bench.new.outputs() == []
    assert kinds(bench.say(m2)) == ["OldAnswered", "t1"]


# -- time --------------------------------------------------------------------------------


def test_30_seconds_without_a_match() -> None:
    """Out of range, or expired: NEW cannot know which."""
    bench = Bench()
    assert bench.wait(30 * SECOND - 1) == []
    assert only(bench.wait(1), a.Ended).reason is a.EndReason.NOT_NEAR
    assert not bench.new.heard(bench.old.eid, bench.now)
    assert kinds(bench.connect()) == ["Disconnect"]


def test_30_seconds_from_the_first_match_for_a_valid_m2() -> None:
    """However often it is heard again."""
    bench = Bench()
    bench.wait(20 * SECOND)
    assert bench.new.heard(bench.old.eid, bench.now)
    bench.wait(29 * SECOND)
    assert bench.new.heard(bench.old.eid, bench.now)
    assert only(bench.wait(SECOND), a.Ended).reason is a.EndReason.NO_ANSWER


def test_5_seconds_for_m2_on_a_link() -> None:
    """Then the link is given up, and the next one tried; also when resuming."""
    for state in (NewState.SENT, NewState.SHOW, NewState.DONE):
        bench = Bench().in_state(state)
        bench.lose()
        bench.connect()
        assert bench.wait(5 * SECOND - 1) == []
        outputs = bench.wait(1)
        assert kinds(outputs) == ["Refused", "Disconnect"]
        assert only(outputs, a.Refused).reason is a.RefusalReason.M2_TIMEOUT
        assert bench.new.state is state


def test_the_code_is_hidden_after_120_seconds_and_given_up_after_150() -> None:
    """From m2."""
    bench = Bench().show()
    assert bench.new.phase_ends == BOOT + 150 * SECOND
    assert bench.wait(120 * SECOND - 1) == []
    assert kinds(bench.wait(1)) == ["CodeHidden"]
    bench.again()
    assert bench.sent() == []
    ended = bench.wait(30 * SECOND)
    assert kinds(ended) == ["Disconnect", "Ended"]
    assert only(ended, a.Ended).reason is a.EndReason.NO_PROOF


def test_a_proof_in_the_last_30_seconds_still_counts() -> None:
    """The code was typed in time, the link was lost meanwhile."""
    bench = Bench().show()
    bench.wait(149 * SECOND)
    assert kinds(bench.say(bench.t2)) == ["ProofReceived"]


@pytest.mark.parametrize("state", [NewState.SCAN, NewState.SENT, NewState.SHOW])
def test_cancel(state: NewState) -> None:
    """The code is hidden, the link ended."""
    bench = Bench().in_state(state)
    bench.new.cancel(bench.now)
    outputs = bench.new.outputs()
    assert only(outputs, a.Ended).reason is a.EndReason.CANCELLED
    assert ("CodeHidden" in kinds(outputs)) == (state is NewState.SHOW)
    assert ("Disconnect" in kinds(outputs)) == (state is not NewState.SCAN)


# -- versions and mistakes ---------------------------------------------------------------


def test_another_version_ends_it() -> None:
    """Whether OLD refuses m1 or answers with its own version: never a silent retry."""
    bench = Bench()
    bench.connect()
    bench.new.write_refused(bench.link, 0x82, bench.now)
    assert only(bench.new.outputs(), a.Ended).reason is a.EndReason.VERSION
    bench = Bench().sent_m1()
    m2 = bench.old.accept(bench.m1, payload=cbor.encode({1: 2, 9: "future"}))
    assert only(bench.say(m2), a.Ended).reason is a.EndReason.VERSION


@pytest.mark.parametrize("att_error", [0x81, 0x0E, 0x82])
def test_other_refused_writes_cost_the_link(att_error: int) -> None:
    """A gap; an unlikely error; a version error from an OLD that has taken this m1 before."""
    bench = Bench().show()
    before = snapshot(bench.new)
    bench.new.write_refused(bench.link, att_error, bench.now)
    refused = only(bench.new.outputs()[:1], a.Refused)
    assert (refused.reason, refused.detail) == (
        a.RefusalReason.WRITE_REFUSED,
        f"ATT error 0x{att_error:02x}",
    )
    assert snapshot(bench.new) == before


def test_a_version_error_after_m2_is_not_believed() -> None:
    """OLD took this very m1 before; somebody else says so now."""
    bench = Bench().show()
    bench.lose()
    bench.connect()
    bench.new.write_refused(bench.link, 0x82, bench.now)
    assert kinds(bench.new.outputs()) == ["Refused", "Disconnect"]
    assert bench.new.state is NewState.SHOW


def test_illegal_events_raise_and_change_nothing() -> None:
    """Storage of nothing, a report of nothing sent, a cancel after the end."""
    bench = Bench().show()
    before = snapshot(bench.new)
    illegal: list[Callable[[], None]] = [
        lambda: bench.new.stored(bench.now),
        lambda: bench.new.sent(bench.link, bench.now),
        lambda: bench.new.tick(bench.now - 1),
    ]
    for event in illegal:
        with pytest.raises(LocalError):
            event()
    assert snapshot(bench.new) == before
    bench = Bench().done()
    with pytest.raises(LocalError):
        bench.new.cancel(bench.now)


def test_what_a_session_cannot_begin_with() -> None:
    """A label that OLD would refuse; an issuer key of small order."""
    with pytest.raises(LocalError):
        new_for(HandOld(), label="")
    with pytest.raises(LocalError):
        NewSession(
            qr=HandOld().qr,
            issuer_public=bytes(32),
            device_key=NEW_KEY,
            label="new",
            now=BOOT,
            randomness=stream(1),
        )


# -- rounds ------------------------------------------------------------------------------


def answer(bench: Bench, value: bytes) -> a.Output:
    bench.new.receive_round(bench.link, value, bench.now)
    (output,) = bench.new.outputs()
    return output


def test_each_round_is_answered_once() -> None:
    """Also across links; and no index beyond what m2 announced."""
    bench = Bench().show()
    rtt_key = handshake.rounds_key(bench.old.session)
    value = b"\x00" + b"c" * 8
    sent = answer(bench, value)
    assert isinstance(sent, a.SendRound)
    assert sent.value == handshake.round_answer(rtt_key, value)
    assert isinstance(answer(bench, value), a.Refused)
    bench.again()
    assert isinstance(answer(bench, b"\x00" + b"d" * 8), a.Refused)
    assert isinstance(answer(bench, b"\x03" + b"d" * 8), a.SendRound)
    assert isinstance(answer(bench, b"\x04" + b"d" * 8), a.Refused)


@pytest.mark.parametrize("size", [0, 8, 10, 100])
def test_a_round_has_9_bytes(size: int) -> None:
    """Anything else is no challenge, and costs nothing."""
    bench = Bench().show()
    assert isinstance(answer(bench, bytes(size)), a.Refused)
    assert isinstance(answer(bench, bytes(9)), a.SendRound)


def test_no_round_before_m2_or_after_t2() -> None:
    """Only while the code is shown."""
    for state in (NewState.SENT, NewState.DONE):
        assert isinstance(answer(Bench().in_state(state), bytes(9)), a.Refused)
