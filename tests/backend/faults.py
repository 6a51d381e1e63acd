"""Backends that break one rule of the contract each, as somebody else's might.

A fault changes our own backend where it keeps the rule; all else of it works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from nearproof.crypto.cose import Unverified
from nearproof.crypto.errors import ChallengeVoid, SealBroken
from nearproof.crypto.grant import issue_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.userkey import verify_pin_proof
from nearproof.daemon.backend import copies, desk, enrolling, pins, rules, signatures
from nearproof.daemon.backend.desk import read_id
from nearproof.daemon.backend.exchange import Request
from nearproof.daemon.backend.facts import Ceremony, Device, Grant, GrantState, Problem
from nearproof.daemon.backend.records import Records

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Fault:
    """What a backend does wrong, and what the suite says of it."""

    make: Callable[[Patch], None]
    why: str


FAULTS: dict[str, Fault] = {}
"""By the check that must find it."""


def found_as(why: str) -> Callable[[Callable[[Patch], None]], Fault]:
    """The fault is named as the check that finds it, in these words."""

    def kept(make: Callable[[Patch], None]) -> Fault:
        FAULTS[make.__name__] = Fault(make, why)
        return FAULTS[make.__name__]

    return kept


def nothing(*_args: Any, **_kwargs: Any) -> None:
    """Does not do it."""


@found_as("the start of the copy was not told")
def whole_ceremony(patch: Patch) -> None:
    """It keeps what happens to itself."""
    patch.setattr(Records, "tell", nothing)


@found_as("it is not revoked")
def revoking_is_immediate(patch: Patch) -> None:
    """It says yes, and leaves the laptop as it is."""
    patch.setattr(rules, "revoke", lambda _asking, target, _now: target)


@found_as("not refused, where signature_time is due")
def requests_are_signed(patch: Patch) -> None:
    """It takes yesterday's requests."""
    patch.setattr(signatures, "MAX_AGE", 86_400)


@found_as("refused with wrong_pin, not with challenge")
def replaced_challenges_cost_nothing(patch: Patch) -> None:
    """It takes an honest proof that came late for a wrong PIN."""

    def judged(*args: Any) -> None:
        try:
            verify_pin_proof(*args)
        except ChallengeVoid:
            raise SealBroken from None

    patch.setattr(desk, "verify_pin_proof", judged)


@found_as("the second answer is another one")
def requests_are_answered_once(patch: Patch) -> None:
    """It remembers no answer."""
    patch.setattr(Records, "answer", nothing)
    patch.setattr(Records, "remember", nothing)


@found_as("refused with wrong_pin, not with idempotency_conflict")
def keys_are_for_one_request(patch: Patch) -> None:
    """It takes any body for a replay."""
    patch.setattr(Request, "fingerprint", lambda _request, _key: b"the same")


@found_as("refused with ceremony_running, not with invite")
def invites_are_single_use(patch: Patch) -> None:
    """A code works as often as one likes."""
    patch.setattr(Records, "use_invite", nothing)


@found_as("a grant was issued before that")
def the_wait_is_kept(patch: Patch) -> None:
    """It tells of a wait, and forgets it."""
    patch.setattr(rules, "require_ready", nothing)


@found_as("a grant that does not hold: grant_signature")
def grants_are_the_issuers(patch: Patch) -> None:
    """Another key signs its grants."""
    another = DeviceKey(bytes([7]) * 32)
    patch.setattr(copies, "issue_grant", lambda _issuer, **terms: issue_grant(another, **terms))


@found_as("not refused, where pin_needed is due")
def grants_need_the_pin(patch: Patch) -> None:
    """The PIN of the start is enough for it."""
    patch.setattr(pins, "is_fresh", lambda *_facts: True)


@found_as("not refused, where grants_used_up is due")
def grants_are_counted(patch: Patch) -> None:
    """It counts no grants."""
    patch.setattr(Records, "count_grants", lambda _records, _ceremony: 0)


@found_as("not refused, where grant_signature is due")
def bundles_are_signed(patch: Patch) -> None:
    """It reads claims without looking at who has signed them."""
    patch.setattr(Unverified, "verify", lambda token, _public: token._claims)


@found_as("not refused, where already_used is due")
def bundles_are_single_use(patch: Patch) -> None:
    """One grant, any number of laptops."""
    found = Records.grant

    def unspent(records: Records, cti: bytes) -> Grant | None:
        grant = found(records, cti)
        return grant and replace(grant, state=GrantState.ISSUED)

    patch.setattr(Records, "grant", unspent)
    patch.setattr(Records, "spend", nothing)


@found_as("refused with out_of_turn, not with wrong_sms_code")
def names_are_not_told_apart(patch: Patch) -> None:
    """For a user ID that it does not know there is no next step."""
    named = enrolling.name

    def telling(ceremony: Ceremony, name: str, *terms: Any) -> Ceremony:
        after = named(ceremony, name, *terms)
        return after if name == ceremony.account else replace(after, state=ceremony.state)

    patch.setattr(enrolling, "name", telling)


@found_as("not refused, where code_void is due")
def sms_codes_are_counted(patch: Patch) -> None:
    """A code can be tried for ever."""
    patch.setattr(enrolling, "code_in_force", lambda *_facts: True)


@found_as("it does not say how many tries are left")
def pins_are_counted(patch: Patch) -> None:
    """A PIN can be tried for ever."""
    patch.setattr(pins, "wrong", lambda device, _now: device)


@found_as("not refused, where no_slot is due")
def slots_are_counted(patch: Patch) -> None:
    """There is always room for one more."""
    free = rules.Standing.free_slot

    def always(standing: rules.Standing) -> int:
        try:
            return free(standing)
        except Problem:
            return 1

    patch.setattr(rules.Standing, "free_slot", always)


@found_as("not refused, where too_new is due")
def newcomers_act_on_nobody(patch: Patch) -> None:
    """The first day is like any other."""
    patch.setattr(rules, "require_experienced", nothing)


@found_as("not refused, where grant_not_current is due")
def reports_void_the_grant(patch: Patch) -> None:
    """It hears of a wrong code, and goes on."""
    patch.setattr(rules, "voids", lambda *_facts: False)


@found_as("not refused, where ceremony_over is due")
def cancelling_ends_it(patch: Patch) -> None:
    """It says yes, and goes on."""
    patch.setattr(rules, "cancel", lambda ceremony, *_facts: ceremony)


@found_as("not refused, where not_found is due")
def strangers_see_nothing(patch: Patch) -> None:
    """Whoever has the id may look."""

    def anybodys(records: Records, ceremony_id: str, _asking: Device) -> Ceremony:
        ceremony = records.ceremony(read_id(ceremony_id))
        assert ceremony is not None
        return ceremony

    patch.setattr(copies, "find_ceremony", anybodys)
