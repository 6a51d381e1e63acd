"""PINs at the backend: what a try costs, in which order it is judged, and what never leaks."""

from __future__ import annotations

import pytest

from backend.hands import ISSUER, PIN, Hands, code_of, read, refusal
from backend.world import pin_of
from nearproof.crypto.userkey import PinContext, make_pin_proof
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.facts import Problem
from nearproof.daemon.backend.wire import (
    DeviceState,
    EventKind,
    PinAction,
    ServiceCode,
    Verification,
)

HOUR = 3_600_000
WRONG = "839275"


def test_the_ladder(hands: Hands, name: str) -> None:
    """3 wrong: 3 hours; 6: a day; 9: the laptop is dead, its copy cancelled, everybody told."""
    old, witness = hands.enrolled(name), hands.enrolled(name, "witness", slot=2)
    counts = []
    for count in range(1, 10):
        problem = refusal(hands.start(old, WRONG))
        counts.append((problem.code, problem.tries_left, problem.seconds))
        if problem.seconds:
            before = hands.store.now
            with pytest.raises(Problem) as caught:
                hands.start(old, PIN)
            assert caught.value.code is ServiceCode.PIN_LOCKED
            assert hands.device(old).wrong_pins == count
            hands.store.now = before + problem.seconds * 1000
    wrong = ServiceCode.WRONG_PIN
    assert counts == [
        (wrong, 2, None),
        (wrong, 1, None),
        (wrong, 0, 3 * 3600),
        (wrong, 2, None),
        (wrong, 1, None),
        (wrong, 0, 24 * 3600),
        (wrong, 2, None),
        (wrong, 1, None),
        (ServiceCode.DEVICE_DEAD, None, None),
    ]
    assert hands.device(old).state is DeviceState.DEAD
    assert code_of(hands.start, old, PIN) is ServiceCode.DEVICE_DEAD
    assert hands.heard(witness)[-3:] == [
        EventKind.PIN_LOCKED,
        EventKind.PIN_LOCKED,
        EventKind.DEVICE_DEAD,
    ]


def test_nobody_locks_out_somebody_else(hands: Hands, name: str) -> None:
    """The counter is the laptop's: the account's others go on."""
    thief, owner = hands.enrolled(name), hands.enrolled(name, "owner", slot=2)
    for _ in range(3):
        hands.start(thief, WRONG)
    assert code_of(hands.start, thief) is ServiceCode.PIN_LOCKED
    assert hands.started(owner).live


def test_success_resets_the_ladder_and_reports_the_tries(hands: Hands, name: str) -> None:
    """The owner sees that somebody has guessed in between."""
    old = hands.enrolled(name)
    for _ in range(2):
        hands.start(old, WRONG)
    assert hands.started(old).wrong_pins == 2
    assert hands.device(old).wrong_pins == 0


def test_the_same_request_is_one_try(hands: Hands, name: str) -> None:
    """A retry gets the answer again; the same key with another body is refused unevaluated."""
    old = hands.enrolled(name)
    bodies = []
    for pin in (WRONG, PIN):
        proof = hands.proof(old, PinAction.COPY, pin=pin)
        bodies.append(wire.Start(consent=True, uv=Verification.PIN, proof=proof))
        if pin == WRONG:
            request = hands.request(old, "POST", "/v1/start", bodies[0], "one-and-only")
            first = hands.service.start(request)
    assert hands.service.start(request) == first
    assert hands.device(old).wrong_pins == 1
    other = hands.request(old, "POST", "/v1/start", bodies[1], "one-and-only")
    assert code_of(hands.service.start, other) is ServiceCode.IDEMPOTENCY_CONFLICT
    assert hands.device(old).wrong_pins == 1


def test_a_challenge_is_good_once_for_one_thing(hands: Hands, name: str) -> None:
    """Used, replaced, too old, or of another action: no try, and nothing is told."""
    old = hands.enrolled(name)
    copy = hands.started(old)
    hands.store.now = copy.ready_at * 1000 + 1000
    proof = hands.proof(old, PinAction.GRANT, copy.id)
    body = wire.GrantRequest(proof)
    assert hands.post("grant", old, copy.id, body=body).status == 201
    assert code_of(hands.post, "grant", old, copy.id, body=body) is ServiceCode.CHALLENGE
    for pin in (PIN, WRONG):
        replaced = wire.GrantRequest(hands.proof(old, PinAction.GRANT, copy.id, pin))
        good = wire.GrantRequest(hands.proof(old, PinAction.GRANT, copy.id))
        assert code_of(hands.post, "grant", old, copy.id, body=replaced) is ServiceCode.CHALLENGE
    assert hands.post("grant", old, copy.id, body=good).status == 201
    stale = wire.GrantRequest(hands.proof(old, PinAction.GRANT, copy.id))
    hands.store.now += 301_000
    assert code_of(hands.post, "grant", old, copy.id, body=stale) is ServiceCode.CHALLENGE
    assert hands.device(old).wrong_pins == 0


def test_a_proof_for_something_else_is_a_wrong_pin(hands: Hands, name: str) -> None:
    """Or it would be a free guess."""
    old = hands.enrolled(name)
    drawn = read(
        hands.post("challenge", old, body=wire.ChallengeRequest(PinAction.COPY)), wire.Challenge
    )
    for context in (
        PinContext(drawn.challenge, PinAction.GRANT, b"", old.kid),
        PinContext(drawn.challenge, PinAction.COPY, b"", ISSUER.kid),
    ):
        proof = make_pin_proof(pin_of(old), context)
        body = wire.Start(consent=True, uv=Verification.PIN, proof=proof)
        answer = code_of(hands.post, "start", old, body=body)
        assert answer in (ServiceCode.WRONG_PIN, ServiceCode.CHALLENGE)
    assert hands.device(old).wrong_pins == 1


@pytest.mark.parametrize("proof", [b"", b"\x00" * 600, b"\xd2\x80"])
def test_what_is_no_proof_is_no_try(hands: Hands, name: str, proof: bytes) -> None:
    """MALFORMED, and the counter stands."""
    old = hands.enrolled(name)
    hands.proof(old, PinAction.COPY)
    body = wire.Start(consent=True, uv=Verification.PIN, proof=proof)
    assert code_of(hands.post, "start", old, body=body) is ServiceCode.MALFORMED
    assert hands.device(old).wrong_pins == 0


def test_a_grant_needs_the_pin_again_within_limits(hands: Hands, name: str) -> None:
    """The first always; later ones of the copy not within half an hour of the last."""
    old = hands.enrolled(name)
    copy = hands.started(old)
    hands.store.now += HOUR
    assert code_of(hands.grant, old, copy.id, None) is ServiceCode.PIN_NEEDED
    assert hands.grant(old, copy.id).status == 201
    hands.store.now += 1_800_000
    assert hands.grant(old, copy.id, None).status == 201
    hands.store.now += 1
    assert code_of(hands.grant, old, copy.id, None) is ServiceCode.PIN_NEEDED


def test_a_fingerprint_starts_a_copy_and_no_more(hands: Hands, name: str) -> None:
    """Accepted at step 5; at step 9 only the PIN is; and not while the PIN is locked."""
    old = hands.enrolled(name)
    copy = read(hands.start(old, None), wire.Ceremony)
    hands.store.now += HOUR
    assert code_of(hands.grant, old, copy.id, None) is ServiceCode.PIN_NEEDED
    hands.post("cancel", old, copy.id)
    for _ in range(3):
        hands.start(old, WRONG)
    assert code_of(hands.start, old, None) is ServiceCode.PIN_LOCKED


def test_a_pin_is_changed_at_the_backend_alone(hands: Hands, name: str) -> None:
    """The old PIN is needed and counted; from then on only the new one counts."""
    old = hands.enrolled(name)
    new_pin = "274839"

    def change(typed: str) -> object:
        asked = wire.ChallengeRequest(PinAction.CHANGE)
        drawn = read(hands.post("challenge", old, body=asked), wire.Challenge)
        proofs = [
            make_pin_proof(pin_of(old, pin), PinContext(drawn.challenge, action, b"", old.kid))
            for pin, action in ((typed, PinAction.CHANGE), (new_pin, PinAction.SET))
        ]
        body = wire.PinChange(proofs[0], pin_of(old, new_pin).public, proofs[1])
        return hands.post("change_pin", old, body=body)

    assert code_of(change, WRONG) is ServiceCode.WRONG_PIN
    change(PIN)
    assert hands.device(old).wrong_before == 1
    assert refusal(hands.start(old, PIN)).code == ServiceCode.WRONG_PIN
    assert read(hands.start(old, new_pin), wire.Ceremony).live


def test_a_new_pins_proof_over_a_void_challenge_changes_nothing(hands: Hands, name: str) -> None:
    """CHALLENGE, as for every other proof: the laptop asks for another and goes on."""
    old = hands.enrolled(name)
    new, copy = hands.proved(old)
    hands.name(new, copy, name)
    hands.code(new, copy)
    body = wire.NewPin(pin_of(new).public, hands.proof(new, PinAction.SET, copy))
    hands.proof(new, PinAction.SET, copy)
    assert code_of(hands.post, "finish", new, copy, body=body) is ServiceCode.CHALLENGE
    assert read(hands.finish(new, copy), wire.Enrolment).account == name


def test_a_refused_start_costs_no_try(hands: Hands, name: str) -> None:
    """Whatever keeps the copy from starting is said before the PIN is judged."""
    keys = [hands.enrolled(name, f"number {slot}", slot=slot) for slot in (1, 2, 3)]
    assert code_of(hands.start, keys[0], WRONG) is ServiceCode.NO_SLOT
    assert hands.device(keys[0]).wrong_pins == 0
