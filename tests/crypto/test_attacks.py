"""The attackers of the SPEC, section 12, each refused where it says; and the code's odds."""

from __future__ import annotations

from collections import Counter

from crypto.hostile import HandNew, HandOld
from crypto.new_bench import Bench as NewBench
from crypto.old_bench import Bench, check_refused
from crypto.pair import ISSUER, OLD_KEY, Pair, grant_for, key, only, stream
from nearproof.crypto import handshake
from nearproof.crypto.errors import RefusalCode, VerificationError
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.noise import Session
from nearproof.crypto.proof import Bundle
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.transitions import OldState
from nearproof.crypto.verifier import verify_bundle

MALLORY = key("Mallory")


def test_remote_cannot_form_m1_from_the_qr_alone() -> None:
    """Without N from the air every guess is a bad m1; OLD stays unbound."""
    bench = Bench("remote")
    for guess in range(50):
        remote = HandNew(bench.old.qr, stream(guess)(16), key=MALLORY)
        check_refused(bench, remote.m1, a.RefusalReason.BAD_M1)
        bench.connect()
    assert bench.old.state is OldState.SHOWN


def test_neighbour_without_the_qr_is_only_disconnected() -> None:
    """It knows EID and hears everything: its own m1 fails, a recorded one gets the recorded m2."""
    bench = Bench("neighbour").prompt()
    bench.lose()
    bench.connect()
    check_refused(bench, HandNew(HandOld("own").qr, bench.eid).m1, a.RefusalReason.BAD_M1)
    bench.connect()
    outputs = bench.say(bench.new.m1)
    assert only(outputs, a.SendMessage).message == bench.m2
    check_refused(bench, bench.m2, a.RefusalReason.BAD_T1_SEAL)


def test_neighbour_with_a_recorded_t1_gets_sealed_bytes_alone() -> None:
    """The recorded t2 opens for the honest NEW and for nobody else."""
    bench = Bench("recorder").proved()
    bench.lose()
    bench.connect()
    bench.say(bench.new.m1)
    assert only(bench.say(bench.t1), a.SendMessage).message == bench.t2
    check_refused(bench, bench.t1, a.RefusalReason.BAD_ACK)


def test_specter_gets_one_blind_guess() -> None:
    """Its box is a valid NEW in range; its victim reads another code, or none."""
    bench = Bench("specter")
    bench.new = HandNew(bench.old.qr, bench.eid, key=MALLORY)
    bench.prompt()
    guess = "271828"
    assert guess != bench.new.code
    bench.old.enter_code(guess, bench.now)
    ended = only(bench.old.outputs(), a.Ended)
    assert (ended.reason, ended.report) == (a.EndReason.WRONG_CODE, True)


def test_specter_beside_the_honest_new_ends_the_qr() -> None:
    """Two devices with one QR: whoever comes second ends it, with a report."""
    bench = Bench("both").bound()
    bench.lose()
    bench.connect()
    ended = only(bench.say(HandNew(bench.old.qr, bench.eid, key=MALLORY).m1), a.Ended)
    assert (ended.reason, ended.report) == (a.EndReason.OTHER_DEVICE, True)


def twin_codes(seed: object) -> tuple[str, str]:
    """Twin is a NEW towards honest OLD (QR A) and an OLD towards honest NEW (its QR B)."""
    towards_old = Bench(f"A {seed}")
    towards_old.new = HandNew(towards_old.old.qr, towards_old.eid, seed, key=MALLORY)
    towards_old.prompt()
    towards_new = NewBench(f"B {seed}").show()
    return towards_old.new.code, towards_new.code


def test_twins_two_sessions_show_different_codes() -> None:
    """The person types NEW's code (session B) on OLD (session A): wrong."""
    for seed in range(20):
        expected, shown = twin_codes(seed)
        assert expected != shown


def test_twin_cannot_choose_its_randomness_after_it_has_seen_ours() -> None:
    """Another r or D than m1 committed to, found by search for a matching code, ends the QR."""
    bench = Bench("grind").bound()
    wanted = "123"
    session = bench.new.session
    draws = stream("grinding")
    while True:
        r = draws(32)
        if handshake.check_code(session, r, bench.new.key.public).startswith(wanted):
            break
    outputs = bench.say(bench.new.t1(r=r))
    assert only(outputs, a.Ended).reason is a.EndReason.BAD_T1


def test_relay_gains_nothing() -> None:
    """It carries every packet; the bundle names the honest D and the honest O."""
    pair = Pair("relay")
    pair.run(pair.done)
    assert pair.bundle is not None
    says = verify_bundle(pair.bundle, ISSUER.public)
    assert says.new_public != MALLORY.public and says.old_public == OLD_KEY.public
    stolen = Bundle.decode(pair.bundle)
    mine = Bundle(stolen.proof, stolen.grant, pop_by(MALLORY)).encode()
    try:
        verify_bundle(mine, ISSUER.public)
        raise AssertionError("accepted")
    except VerificationError as error:
        assert error.code is RefusalCode.POP_SIGNATURE


def pop_by(signer: DeviceKey) -> bytes:
    bench = Bench("relay")
    bench.new = HandNew(bench.old.qr, bench.eid, key=signer)
    bench.bound()
    return bench.new.pop()


def test_a_recorded_bundle_cannot_be_given_another_grant() -> None:
    """txn is in all three tokens."""
    pair = Pair("recorded")
    pair.run(pair.done)
    assert pair.bundle is not None
    old = Bundle.decode(pair.bundle)
    try:
        verify_bundle(Bundle(old.proof, grant_for("fresh").raw, old.pop).encode(), ISSUER.public)
        raise AssertionError("accepted")
    except VerificationError as error:
        assert error.code is RefusalCode.TXN_MISMATCH


# -- odds --------------------------------------------------------------------------------


def codes(count: int) -> list[str]:
    draw = stream("codes")
    return [
        handshake.check_code(Session(draw(32), draw(32), b"", b""), draw(32), draw(32))
        for _ in range(count)
    ]


def test_codes_are_six_digits_and_even() -> None:
    """Chi-squared over each digit's place, 20,000 codes: all below the 10^-6 tail of 9 degrees."""
    drawn = codes(20_000)
    assert all(len(code) == 6 and code.isdecimal() for code in drawn)
    for place in range(6):
        counts = Counter(code[place] for code in drawn)
        expected = len(drawn) / 10
        assert sum((counts[d] - expected) ** 2 / expected for d in "0123456789") < 45.1


def test_a_blind_guess_passes_about_once_in_a_million() -> None:
    """20,000 codes collide with one another as often as 10^6 equal ones do: 200 pairs expected.

    The count of colliding pairs is nearly Poisson; 110 and 290 are more than six deviations off.
    """
    counts = Counter(codes(20_000))
    pairs = sum(n * (n - 1) // 2 for n in counts.values())
    assert 110 < pairs < 290


def test_every_input_of_the_code_matters() -> None:
    """h, ck, r and D: another value of any one gives another code (or, once in 10^6, the same)."""
    draw = stream("inputs")
    h, ck, r, d, other = (draw(32) for _ in range(5))
    base = handshake.check_code(Session(h, ck, b"", b""), r, d)
    changed = [
        handshake.check_code(Session(other, ck, b"", b""), r, d),
        handshake.check_code(Session(h, other, b"", b""), r, d),
        handshake.check_code(Session(h, ck, b"", b""), other, d),
        handshake.check_code(Session(h, ck, b"", b""), r, other),
    ]
    assert base not in changed and len(set(changed)) == 4
