"""OLD refuses or ends: every flipped bit, cut, reordered or hostile message."""

from __future__ import annotations

from typing import Any

import pytest

from crypto.hostile import HandNew
from crypto.old_bench import Bench, again_after_m1, again_after_t1, check_refused, cuts, flips
from crypto.pair import (
    OLD_KEY,
    key,
    kinds,
    only,
    snapshot,
)
from nearproof.crypto import cbor, handshake
from nearproof.crypto.messages import M1
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.timing import SECOND
from nearproof.crypto.session.transitions import OldState


def test_every_flipped_bit_of_m1_is_refused() -> None:
    """And nothing is bound by any of them."""
    bench = Bench()
    for message in flips(bench.new.m1):
        check_refused(bench, message, a.RefusalReason.BAD_M1)
        bench.connect()
    assert kinds(bench.say(bench.new.m1)) == ["Bound", "m2"]


def test_every_flipped_bit_of_a_repeated_m1_is_refused() -> None:
    """After the binding as before it: not mistaken for another device."""
    bench = Bench().bound()
    bench.lose()
    for message in flips(bench.new.m1):
        bench.connect()
        check_refused(bench, message, a.RefusalReason.BAD_M1)


def test_every_flipped_bit_of_t1_is_refused() -> None:
    """And the true t1 is still good."""
    bench = Bench().bound()
    for message in flips(bench.t1):
        check_refused(bench, message, a.RefusalReason.BAD_T1_SEAL)
        again_after_m1(bench)
    assert kinds(bench.say(bench.t1)) == ["CodeWanted"]


def test_every_flipped_bit_of_ack_is_refused() -> None:
    """And the true ack is still good."""
    bench = Bench().proved()
    for message in flips(bench.ack):
        check_refused(bench, message, a.RefusalReason.BAD_ACK)
        again_after_t1(bench)
    assert kinds(bench.say(bench.ack)) == ["StopAdvertising", "Delivered"]


def test_every_truncation_is_refused() -> None:
    """Of each of NEW's messages, and one byte more."""
    bench = Bench()
    for message in cuts(bench.new.m1):
        check_refused(bench, message, a.RefusalReason.BAD_M1)
        bench.connect()
    bench.bound()
    for message in cuts(bench.t1):
        check_refused(bench, message, a.RefusalReason.BAD_T1_SEAL)
        again_after_m1(bench)
    bench = Bench().proved()
    for message in cuts(bench.ack):
        check_refused(bench, message, a.RefusalReason.BAD_ACK)
        again_after_t1(bench)


@pytest.mark.parametrize(
    ("state", "size"),
    [
        (OldState.SHOWN, 257),
        (OldState.BOUND, 2049),
        (OldState.PROMPT, 2049),
        (OldState.PROVED, 2049),
    ],
)
def test_oversize_is_refused(state: OldState, size: int) -> None:
    """256 bytes for m1, 2,048 for the others."""
    check_refused(Bench().in_state(state), bytes(size), a.RefusalReason.TOO_LONG)


def test_messages_out_of_order_are_refused() -> None:
    """t1 for m1, m1 for t1, t1 for ack, ack for t1, ack before the proof, anything reflected."""
    bench = Bench("order").proved()
    m1, m2, t1, t2, ack = bench.new.m1, bench.m2, bench.t1, bench.t2, bench.ack
    for message in (m2, ack):
        check_refused(Bench("order"), message, a.RefusalReason.BAD_M1)
    for message in (t1, t2):
        check_refused(Bench("order"), message, a.RefusalReason.TOO_LONG)
    for message in (m1, m2, t2, ack):
        check_refused(Bench("order").bound(), message, a.RefusalReason.BAD_T1_SEAL)
    for message in (m1, m2, t1, t2, ack):
        check_refused(Bench("order").prompt(), message, a.RefusalReason.OUT_OF_TURN)
    for message in (m1, m2, t1, t2):
        check_refused(Bench("order").proved(), message, a.RefusalReason.BAD_ACK)


def test_messages_of_another_session_are_refused() -> None:
    """A recording of yesterday's ceremony is noise today."""
    yesterday = Bench("yesterday").proved()
    check_refused(Bench("today"), yesterday.new.m1, a.RefusalReason.BAD_M1)
    check_refused(Bench("today").bound(), yesterday.t1, a.RefusalReason.BAD_T1_SEAL)
    check_refused(Bench("today").proved(), yesterday.ack, a.RefusalReason.BAD_ACK)


@pytest.mark.parametrize(
    "plaintext", [b"", b"\xa0", cbor.encode({1: 2}), cbor.encode({1: 1, 2: 0})]
)
def test_an_ack_that_says_something_else_is_refused(plaintext: bytes) -> None:
    """There is only one."""
    bench = Bench().proved()
    check_refused(bench, bench.new.ack(plaintext), a.RefusalReason.BAD_ACK)


@pytest.mark.parametrize("payload", [b"", b"\xff", cbor.encode({1: 1}), cbor.encode([1, 2])])
def test_an_m1_that_opens_with_another_shape_binds_nothing(payload: bytes) -> None:
    """Even from somebody who has the QR."""
    bench = Bench()
    check_refused(bench, bench.new.m1_with(payload), a.RefusalReason.BAD_M1)


def test_an_m1_of_another_version_gets_its_att_error() -> None:
    """0x82, nothing bound, and the link ends by its 5 seconds."""
    bench = Bench()
    before = snapshot(bench.old)
    outputs = bench.say(bench.new.m1_with(cbor.encode({1: 2, 7: "future"})))
    assert only(outputs, a.RejectWrite).att_error == 0x82
    assert only(outputs, a.Refused).reason is a.RefusalReason.VERSION
    assert snapshot(bench.old) == before
    assert kinds(bench.wait(5 * SECOND)) == ["Refused", "Disconnect"]


def test_a_low_order_ephemeral_key_is_refused() -> None:
    """All-zero X25519 results never become keys."""
    bench = Bench()
    for point in (bytes(32), (1).to_bytes(32, "little"), b"\xec" + b"\xff" * 30 + b"\x7f"):
        check_refused(bench, point + bytes(54), a.RefusalReason.BAD_M1)
        bench.connect()


def test_without_the_nonce_on_the_air_no_m1_can_be_formed() -> None:
    """Remote: the QR alone is not enough."""
    bench = Bench()
    remote = HandNew(bench.old.qr, bench.eid[:9] + bytes([bench.eid[9] ^ 1]) + bench.eid[10:])
    check_refused(bench, remote.m1, a.RefusalReason.BAD_M1)


def bad_t1s(bench: Bench) -> dict[str, bytes]:
    new = bench.new
    other = key("another D")
    impostor = HandNew(bench.old.qr, bench.eid, key=OLD_KEY)
    return {
        "not CBOR": new.t1_with(b"\xff"),
        "nothing": new.t1_with(b""),
        "another shape": new.t1_with(cbor.encode({1: new.key.public})),
        "empty label": new.t1(label=""),
        "label with a line break": new.t1(label="a\nb"),
        "label of 33": new.t1(label="x" * 33),
        "another r": new.t1(r=bytes(32)),
        "another D": new.t1(new_public=other.public),
        "small-order D": new.t1(new_public=bytes(32)),
        "O as D": new.t1(new_public=OLD_KEY.public),
        "no PoP": new.t1(pop=b""),
        "PoP of another h": new.t1(pop=new.pop(h=bytes(32))),
        "PoP of another txn": new.t1(pop=new.pop(txn=bytes(16))),
        "PoP of another QR": new.t1(pop=new.pop(qrh=bytes(32))),
        "PoP of another EID": new.t1(pop=new.pop(eid=bytes(16))),
        "PoP of another O": new.t1(pop=new.pop(old_kid=bytes(16))),
        "PoP by another key": new.t1(pop=foreign_pop(bench, other)),
        "PoP by O": new.t1(pop=foreign_pop(bench, impostor.key)),
        "rssi that HCI has not": new.t1(rssi=127),
    }


def foreign_pop(bench: Bench, signer: Any) -> bytes:
    honest, bench.new.key = bench.new.key, signer
    try:
        return bench.new.pop()
    finally:
        bench.new.key = honest


@pytest.mark.parametrize("name", bad_t1s(Bench().bound()))
def test_a_t1_that_opens_but_fails_ends_the_qr(name: str) -> None:
    """Only somebody with the QR gets that far, so the account hears of it."""
    bench = Bench().bound()
    outputs = bench.say(bad_t1s(bench)[name])
    ended = only(outputs, a.Ended)
    assert (ended.reason, ended.report) == (a.EndReason.BAD_T1, True)
    assert kinds(outputs) == ["StopAdvertising", "Disconnect", "Ended"]
    assert bench.old.state is OldState.ENDED


@pytest.mark.parametrize("seed", range(3))
def test_small_order_and_equal_keys_fail_even_with_an_honest_commitment(seed: int) -> None:
    """The commitment is no protection: D itself is judged."""
    for public in (OLD_KEY.public, bytes(32), (1).to_bytes(32, "little")):
        bench = Bench(seed)
        new = bench.new
        committed = new.m1_with(M1(handshake.commitment(new.r, public)).encode())
        new._initiated = new._initiate(M1(handshake.commitment(new.r, public)).encode())
        assert new._initiated.message == committed
        new.read_m2(only(bench.say(committed), a.SendMessage).message)
        signer = OLD_KEY if public == OLD_KEY.public else new.key
        outputs = bench.say(new.t1(new_public=public, pop=foreign_pop(bench, signer)))
        assert only(outputs, a.Ended).reason is a.EndReason.BAD_T1


def test_only_the_t1_that_was_accepted_is_accepted_again() -> None:
    """Another one, though it opens, is refused and ends nothing."""
    bench = Bench().prompt()
    bench.lose()
    again_after_m1(bench)
    check_refused(bench, bench.new.t1(label="other"), a.RefusalReason.BAD_T1_SEAL)
