"""Both cores back to back: honest ceremonies complete, whatever the links lose."""

from __future__ import annotations

import pytest

from crypto.pair import ISSUER, Pair, grant_for
from nearproof.crypto.grant import Policy
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.timing import SECOND
from nearproof.crypto.session.transitions import NewState, OldState
from nearproof.crypto.verifier import verify_bundle


@pytest.mark.parametrize("loss", [0.0, 0.15, 0.30])
def test_200_ceremonies_all_complete(loss: float) -> None:
    """At 0, 15 and 30 % loss a message; each bundle holds."""
    for seed in range(200):
        pair = Pair(f"{loss} {seed}", loss=loss)
        pair.run()
        assert pair.done(), (seed, pair.said)
        assert pair.bundle is not None
        says = verify_bundle(pair.bundle, ISSUER.public)
        assert says.txn == pair.old.qr.txn
        assert pair.events(a.Ended) == []


def test_nothing_is_sent_twice_with_other_bytes() -> None:
    """In 100 lossy ceremonies every m1, m2, t1, t2 and ack has one spelling a session."""
    for seed in range(100):
        pair = Pair(f"bytes {seed}", loss=0.3)
        pair.run()
        spellings: dict[str, set[bytes]] = {}
        for output in pair.events(a.SendMessage):
            assert isinstance(output, a.SendMessage)
            spellings.setdefault(output.name, set()).add(output.message)
        assert set(spellings) == {"m1", "m2", "t1", "t2", "ack"}
        assert {len(each) for each in spellings.values()} == {1}


def test_a_challenge_is_never_repeated() -> None:
    """In 100 lossy ceremonies with 16 rounds: each index at most once, in order."""
    for seed in range(100):
        grant = grant_for(f"rounds {seed}", policy=Policy(rounds=16))
        pair = Pair(f"rounds {seed}", loss=0.2, grant=grant)
        pair.run()
        indices = [
            output.value[0]
            for side, output in pair.said
            if side == "old" and isinstance(output, a.SendRound)
        ]
        assert indices == list(range(len(indices))) and len(indices) <= 16


def test_the_same_seed_gives_the_same_ceremony() -> None:
    """Randomness and time are arguments."""
    first, second = Pair("same", loss=0.2), Pair("same", loss=0.2)
    first.run()
    second.run()
    assert first.said == second.said and first.bundle == second.bundle


def test_a_user_who_types_too_slowly() -> None:
    """OLD ends it after 120 seconds, NEW hides the code and gives up."""
    pair = Pair("slow")
    pair.typing = 121 * SECOND
    pair.run()
    assert (pair.old.state, pair.new.state) == (OldState.ENDED, NewState.ENDED)
    reasons = [end.reason for end in pair.events(a.Ended) if isinstance(end, a.Ended)]
    assert reasons == [a.EndReason.CODE_TOO_LATE, a.EndReason.NO_PROOF]
    assert pair.bundle is None


def test_a_lost_last_ack_leaves_a_bundle_and_an_unconfirmed_old() -> None:
    """NEW has what it needs; OLD says: handed over, unconfirmed."""
    pair = Pair("no ack")
    pair.run(lambda: pair.bundle is not None)
    pair.gap = 10_000 * SECOND
    pair.drop()
    pair.run()
    assert pair.new.state is NewState.DONE
    (end,) = pair.events(a.Ended)
    assert isinstance(end, a.Ended) and end.reason is a.EndReason.UNCONFIRMED


def test_nothing_secret_shows_in_what_the_cores_say() -> None:
    """Canaries: keys, QR secret, EID, code and messages in no repr of any output."""
    pair = Pair("canary", loss=0.2)
    pair.run()
    shown = repr(pair.said) + repr(pair.old.qr) + repr(pair.old) + repr(pair.new)
    shown += repr({**vars(pair.old), "_outputs": 0, "_links": 0})
    shown += repr({**vars(pair.new), "_outputs": 0, "_t2": 0, "_candidates": 0})
    assert pair.old._binding is not None and pair.old._peer is not None
    session = pair.old._binding._session
    secrets = [
        pair.old.qr.secret,
        pair.old._responder.eid,
        pair.old._responder._q,
        pair.old._responder.device_key.seed(),
        pair.new._initiator.r,
        pair.new._initiator.device_key.seed(),
        session.ck,
        session.k1,
        session.k2,
        pair.old._peer.message,
    ]
    for secret in secrets:
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
    assert pair.old._peer.code not in shown
