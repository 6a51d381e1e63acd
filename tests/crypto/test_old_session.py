"""OLD's course: the honest ceremony, the code's one try, and every deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from crypto.hostile import HandNew, claims_of
from crypto.old_bench import Bench
from crypto.pair import (
    BOOT,
    OLD_KEY,
    grant_for,
    key,
    kinds,
    old_session,
    only,
    snapshot,
    stream,
)
from nearproof.crypto.errors import LocalError, MalformedCode, VerificationError
from nearproof.crypto.grant import Policy
from nearproof.crypto.proof import Rtt, read_proof
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.old import OldSession
from nearproof.crypto.session.timing import SECOND
from nearproof.crypto.session.transitions import OldState


def test_the_story_of_an_honest_ceremony() -> None:
    """m1, m2, t1, the code, t2, ack: in this order, and nothing else."""
    bench = Bench()
    assert kinds(bench.say(bench.new.m1)) == ["Bound", "m2"]
    bench = Bench().bound()
    outputs = bench.say(bench.t1)
    assert kinds(outputs) == ["CodeWanted"]
    assert only(outputs, a.CodeWanted).label == "hand"
    bench = Bench().prompt()
    bench.old.enter_code(bench.new.code, bench.now)
    assert kinds(bench.old.outputs()) == ["ProofMade", "t2"]
    bench = Bench().proved()
    assert kinds(bench.say(bench.ack)) == ["StopAdvertising", "Delivered"]
    assert bench.old.deadline() is None


def test_the_proof_holds_what_happened() -> None:
    """iat on OLD's clock, D, the session and NEW's rssi."""
    bench = Bench().prompt()
    bench.wait(7 * SECOND + 999_999)
    bench.old.enter_code(bench.new.code, bench.now)
    t2 = bench.new.read_t2(only(bench.old.outputs(), a.SendMessage).message)
    proof = read_proof(claims_of(t2.proof))
    assert (proof.qr_iat, proof.iat) == (bench.old.qr.iat, bench.old.qr.iat + 7)
    assert proof.new_public == bench.new.key.public
    assert proof.transcript == bench.new.transcript
    assert (proof.rssi, proof.rtt) == (-50, Rtt())


@pytest.mark.parametrize("form", ["{0}{1}", "{0} {1}", "{0}-{1}", " {0} {1}\n"])
def test_the_code_may_be_typed_in_groups(form: str) -> None:
    """As it is shown, or in one go."""
    bench = Bench().prompt()
    bench.old.enter_code(form.format(bench.new.code[:3], bench.new.code[3:]), bench.now)
    assert bench.old.state is OldState.PROVED


def test_a_wrong_code_ends_the_qr_with_an_alert() -> None:
    """There is one try."""
    bench = Bench().prompt()
    wrong = f"{(int(bench.new.code) + 1) % 10**6:06d}"
    bench.old.enter_code(wrong, bench.now)
    ended = only(bench.old.outputs(), a.Ended)
    assert (ended.reason, ended.report) == (a.EndReason.WRONG_CODE, True)
    with pytest.raises(LocalError):
        bench.old.enter_code(bench.new.code, bench.now)
    assert bench.old.outputs() == []


@pytest.mark.parametrize(
    "text", ["", "12345", "1234567", "12 34 56", "123--456", "12345a", "\u0661" * 6, "123  456"]
)
def test_a_malformed_code_is_no_try(text: str) -> None:
    """Only ASCII digits, six of them; the true code still counts afterwards."""
    bench = Bench().prompt()
    before = snapshot(bench.old)
    with pytest.raises(MalformedCode):
        bench.old.enter_code(text, bench.now)
    assert snapshot(bench.old) == before and bench.old.outputs() == []
    bench.old.enter_code(bench.new.code, bench.now)
    assert bench.old.state is OldState.PROVED


@pytest.mark.parametrize("right", [True, False])
def test_a_late_code_is_not_judged(right: bool) -> None:
    """120 seconds after m1: too late, without an alert."""
    bench = Bench().prompt()
    bench.now += 120 * SECOND
    bench.old.enter_code(bench.new.code if right else "000000", bench.now)
    ended = only(bench.old.outputs(), a.Ended)
    assert (ended.reason, ended.report) == (a.EndReason.CODE_TOO_LATE, False)


def test_time_passes_before_the_code_is_read() -> None:
    """A late entry of any form finds the prompt closed; an early one asks nobody for six digits."""
    bench = Bench().prompt()
    bench.now += 120 * SECOND
    bench.old.enter_code("12345", bench.now)
    assert only(bench.old.outputs(), a.Ended).reason is a.EndReason.CODE_TOO_LATE
    with pytest.raises(LocalError) as caught:
        Bench().bound().old.enter_code("12345", bench.now)
    assert not isinstance(caught.value, MalformedCode)


def test_the_last_microsecond_counts() -> None:
    """Just before the deadline the code is good."""
    bench = Bench().prompt()
    bench.now += 120 * SECOND - 1
    bench.old.enter_code(bench.new.code, bench.now)
    assert bench.old.state is OldState.PROVED


@pytest.mark.parametrize("state", [OldState.SHOWN, OldState.BOUND, OldState.PROVED, OldState.DONE])
def test_a_code_that_nobody_asked_for(state: OldState) -> None:
    """Is this program's mistake, and changes nothing; so is a second one."""
    bench = Bench().in_state(state)
    before = snapshot(bench.old)
    with pytest.raises(LocalError):
        bench.old.enter_code("123456", bench.now)
    assert snapshot(bench.old) == before and bench.old.outputs() == []


def test_the_qr_waits_180_seconds() -> None:
    """Then it ends without a report: nobody bound it."""
    bench = Bench()
    bench.lose()
    assert bench.old.deadline() == bench.old.phase_ends == BOOT + 180 * SECOND
    assert bench.wait(180 * SECOND - 1) == []
    outputs = bench.wait(1)
    assert kinds(outputs) == ["StopAdvertising", "Ended"]
    ended = only(outputs, a.Ended)
    assert (ended.reason, ended.report) == (a.EndReason.QR_EXPIRED, False)


def test_a_late_m1_finds_the_qr_expired() -> None:
    """Time comes first, even if the shell's timer has not fired."""
    bench = Bench()
    bench.now += 180 * SECOND
    outputs = bench.say(bench.new.m1)
    assert only(outputs, a.Ended).reason is a.EndReason.QR_EXPIRED
    assert "m2" not in kinds(outputs)


def test_a_bound_qr_without_t1_is_reported() -> None:
    """After 120 seconds."""
    bench = Bench().bound()
    bench.lose()
    ended = only(bench.wait(120 * SECOND), a.Ended)
    assert (ended.reason, ended.report) == (a.EndReason.PEER_SILENT, True)


def test_a_late_display_leaves_less_time_for_the_code() -> None:
    """The proof must come within 300 seconds of the QR's iat, or no verifier takes it."""
    old = old_session("slow")
    old.started(BOOT + 30 * SECOND)
    new = HandNew(old.qr, only(old.outputs(), a.Advertise).eid)
    late = BOOT + 209 * SECOND
    old.connected("link", late)
    old.receive("link", new.m1, late)
    assert old.phase_ends == BOOT + 300 * SECOND


def test_an_unconfirmed_proof_is_served_until_exp() -> None:
    """Then it was handed over, unconfirmed."""
    bench = Bench().proved()
    bench.lose()
    assert bench.wait(599 * SECOND) == []
    bench.connect()
    assert kinds(bench.say(bench.new.m1)) == ["m2"]
    ended = only(bench.wait(SECOND), a.Ended)
    assert (ended.reason, ended.report) == (a.EndReason.UNCONFIRMED, False)


def test_a_finished_session_serves_until_exp() -> None:
    """And nobody after it."""
    bench = Bench().done()
    bench.lose()
    bench.wait(600 * SECOND)
    bench.connect()
    assert kinds(bench.old.outputs()) == ["Disconnect"]


def test_an_ended_session_sends_everybody_away() -> None:
    """All links at its end, and each one that comes later."""
    bench = Bench().prompt()
    bench.connect()
    bench.old.cancel(bench.now)
    outputs = bench.old.outputs()
    assert kinds(outputs) == ["StopAdvertising", "Disconnect", "Disconnect", "Ended"]
    bench.connect()
    assert kinds(bench.old.outputs()) == ["Disconnect"]
    assert bench.say(bench.new.m1) == []


def test_nothing_is_served_before_the_qr_is_on_display() -> None:
    """There is no QR that anybody could have read."""
    old = old_session()
    old.connected("link", BOOT)
    assert kinds(old.outputs()) == ["Disconnect"]
    old.cancel(BOOT)
    assert kinds(old.outputs()) == ["Ended"]


def test_no_qr_in_the_grants_last_300_seconds() -> None:
    """Neither made nor put on display."""
    grant = grant_for("late")
    limit = BOOT + 300 * SECOND + SECOND - 1

    def make(now: int) -> OldSession:
        return OldSession(
            device_key=OLD_KEY, grant=grant, received_at=BOOT, now=now, randomness=stream(1)
        )

    make(limit).started(limit)
    with pytest.raises(LocalError):
        make(limit + 1)
    with pytest.raises(LocalError):
        make(limit).started(limit + 1)


def test_what_a_session_cannot_begin_with() -> None:
    """Another device's grant, one from the future, one of other terms."""
    good: dict[str, Any] = {
        "device_key": OLD_KEY,
        "grant": grant_for(),
        "received_at": BOOT,
        "now": BOOT,
        "randomness": stream(1),
    }
    with pytest.raises(LocalError):
        OldSession(**(good | {"device_key": key("another O")}))
    with pytest.raises(LocalError):
        OldSession(**(good | {"received_at": BOOT + 1}))
    with pytest.raises(VerificationError):
        OldSession(**(good | {"grant": replace(grant_for(), policy=Policy(qr_ttl=60))}))


def test_illegal_events_raise_and_change_nothing() -> None:
    """Shown twice, cancelled after the end, a clock that goes back."""
    bench = Bench().done()
    before = snapshot(bench.old)
    illegal: list[Callable[[], None]] = [
        lambda: bench.old.started(bench.now),
        lambda: bench.old.cancel(bench.now),
        lambda: bench.old.tick(bench.now - 1),
    ]
    for event in illegal:
        with pytest.raises(LocalError):
            event()
    assert snapshot(bench.old) == before and bench.old.outputs() == []


@pytest.mark.parametrize(
    ("state", "reason", "report"),
    [
        (OldState.SHOWN, a.EndReason.CANCELLED, False),
        (OldState.BOUND, a.EndReason.CANCELLED, True),
        (OldState.PROMPT, a.EndReason.CANCELLED, False),
        (OldState.PROVED, a.EndReason.UNCONFIRMED, False),
    ],
)
def test_cancel(state: OldState, reason: a.EndReason, report: bool) -> None:
    """A QR that was bound but got no good t1 is reported; a proof stays made."""
    bench = Bench().in_state(state)
    bench.old.cancel(bench.now)
    ended = only(bench.old.outputs(), a.Ended)
    assert (ended.reason, ended.report) == (reason, report)
