"""The rules under any order of events: the whole service on a clock that the test moves."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from backend.hands import ISSUER, PIN, Hands
from backend.world import damage, pin_of
from nearproof.crypto.errors import RefusalCode, VerificationError
from nearproof.crypto.grant import LIFETIME, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.exchange import Answer
from nearproof.daemon.backend.facts import Ceremony, Millis, Problem
from nearproof.daemon.backend.policy import SLOTS, BackendPolicy
from nearproof.daemon.backend.rules import waits
from nearproof.daemon.backend.schema import audit, ceremonies, devices, grants, redemptions
from nearproof.daemon.backend.wire import (
    OPEN,
    CeremonyKind,
    CeremonyState,
    DeviceState,
    ServiceCode,
)

POLICY = BackendPolicy(wait=60, lifetime=1800, newcomer=600, starts_a_day=50)
ACCOUNTS = ("alice", "bob")
NEVER = {
    ServiceCode.MALFORMED,
    ServiceCode.SIGNATURE,
    ServiceCode.INTERNAL,
    ServiceCode.IDEMPOTENCY_CONFLICT,
    ServiceCode.CHALLENGE,
    ServiceCode.BUSY,
}
"""What no order of honest requests leads to."""


class Laptop:
    """A key, and the ceremony that enrols it, if any."""

    def __init__(self, key: DeviceKey, copy: str = "") -> None:
        self.key = key
        self.copy = copy


class CeremonyMachine(RuleBasedStateMachine):
    """Two accounts and any number of laptops do whatever they like, in any order."""

    laptops = Bundle("laptops")
    copies = Bundle("copies")

    @initialize(target=laptops)
    def begin(self) -> object:
        self.folder = tempfile.TemporaryDirectory()
        self.hands = Hands(f"sqlite:///{Path(self.folder.name)}/backend.db", POLICY)
        return multiple(*(Laptop(self.hands.enrolled(account)) for account in ACCOUNTS))

    def teardown(self) -> None:
        if hasattr(self, "hands"):
            self.hands.close()
            assert damage(Path(self.folder.name) / "backend.db") == []
            self.folder.cleanup()

    def tried(self, call: object, *args: object) -> Answer | None:
        """The answer, or None for a refusal of the kinds that a ceremony may meet."""
        try:
            answer: Answer = call(*args)  # type: ignore[operator]
        except Problem as problem:
            assert problem.code not in NEVER, problem
            return None
        return answer if answer.status < 300 else None

    # -- what happens -----------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 30, 60, 300, 600, LIFETIME + 1, 1801, 11_000, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.hands.store.now += seconds * 1000

    @rule(target=copies, old=laptops, pin=st.sampled_from([PIN, PIN, PIN, "839275", None]))
    def start(self, old: Laptop, pin: str | None) -> object:
        answer = self.tried(self.hands.start, old.key, pin)
        if answer is None:
            return multiple()
        copy = msgspec.json.decode(answer.body, type=wire.Ceremony)
        assert copy.live
        assert copy.old == old.key.kid.hex()
        return copy.id

    @rule(target=laptops, account=st.sampled_from(ACCOUNTS))
    def activate(self, account: str) -> object:
        new = Laptop(self.hands.key())
        body = wire.Activation(self.hands.invite(account), new.key.public, "invited")
        answer = self.tried(lambda: self.hands.post("activate", new.key, body=body))
        if answer is None:
            return multiple()
        new.copy = msgspec.json.decode(answer.body, type=wire.Enrolment).id
        return new

    @rule(copy=copies, old=laptops, pin=st.sampled_from([PIN, PIN, None]))
    def issue(self, copy: str, old: Laptop, pin: str | None) -> None:
        before = self.hands.ceremony(copy)
        if self.tried(self.hands.grant, old.key, copy, pin):
            assert before.state is CeremonyState.LIVE
            assert before.ready <= self.hands.store.now <= before.deadline

    @rule(target=laptops, copy=copies, old=laptops)
    def hand_in(self, copy: str, old: Laptop) -> object:
        """A grant and a good bundle under it, handed in by a new laptop."""
        before = self.hands.ceremony(copy)
        answer = self.tried(self.hands.grant, old.key, copy)
        if answer is None:
            return multiple()
        grant = verify_grant(answer.body, ISSUER.public)
        new = Laptop(self.hands.key(), copy)
        try:
            self.hands.redeem(grant, old.key, new.key)
        except VerificationError as refusal:
            assert refusal.step == 8
            assert refusal.code is not RefusalCode.REQUEST_KEY
            return multiple()
        assert before.state is CeremonyState.LIVE
        return new

    @rule(target=laptops, old=laptops, steps=st.integers(1, 4))
    def copy_on(self, old: Laptop, steps: int) -> object:
        """What people do: the steps in their order, up to one of them."""
        account = self.hands.device(old.key).account
        started = self.tried(self.hands.start, old.key)
        if started is None:
            return multiple()
        copy = msgspec.json.decode(started.body, type=wire.Ceremony)
        self.hands.store.now += copy.waits * 1000
        new = self.hand_in(copy.id, old)
        if not isinstance(new, Laptop):
            return multiple()
        if steps > 1:
            self.name(new, account)
        if steps > 2:
            self.type_code(new, True)
        if steps > 3:
            self.finish(new)
        return new

    @rule(target=laptops, account=st.sampled_from(ACCOUNTS))
    def activate_on(self, account: str) -> object:
        new = self.activate(account)
        if not isinstance(new, Laptop):
            return multiple()
        self.hands.store.now += 60_000
        self.send_code(new)
        self.type_code(new, True)
        self.finish(new)
        return new

    @rule(new=laptops, named=st.sampled_from([*ACCOUNTS, "somebody"]))
    def name(self, new: Laptop, named: str) -> None:
        if new.copy:
            body = wire.Name(named)
            self.tried(lambda: self.hands.post("name", new.key, new.copy, body=body))

    @rule(new=laptops)
    def send_code(self, new: Laptop) -> None:
        if new.copy:
            self.tried(self.hands.post, "send_code", new.key, new.copy)

    @rule(new=laptops, right=st.sampled_from([True, True, False]))
    def type_code(self, new: Laptop, right: bool) -> None:
        if not new.copy:
            return
        before = self.hands.ceremony(new.copy)
        code = self.hands.sms(new.copy)
        typed = code if right else f"{(int(code) + 1) % 10**6:06}"
        if self.tried(self.hands.code, new.key, new.copy, typed):
            assert right
            assert before.named == before.account

    @rule(new=laptops)
    def finish(self, new: Laptop) -> None:
        if not new.copy:
            return
        before = self.hands.ceremony(new.copy)
        if self.tried(self.hands.finish, new.key, new.copy):
            event(f"active by {before.kind}")
            assert before.state is CeremonyState.CONFIRMED
            assert before.named == before.account
            if before.kind is CeremonyKind.COPY:
                with self.hands.store.read() as records:
                    old = records.device(before.old or b"")
                assert old is not None and old.state is DeviceState.ACTIVE
            assert self.hands.device(new.key).user_public == pin_of(new.key).public

    @rule(copy=copies, laptop=laptops)
    def cancel(self, copy: str, laptop: Laptop) -> None:
        before = self.hands.ceremony(copy)
        if self.tried(self.hands.post, "cancel", laptop.key, copy):
            assert self.hands.device(laptop.key).account == before.account
            assert not self.hands.ceremony(copy).open

    @rule(laptop=laptops, other=laptops)
    def revoke(self, laptop: Laptop, other: Laptop) -> None:
        if self.tried(self.hands.post, "revoke", laptop.key, other.key.kid.hex()):
            assert self.hands.device(other.key).state is not DeviceState.ACTIVE

    # -- what never happens -------------------------------------------------------------------

    @invariant()
    def the_books_balance(self) -> None:
        if not hasattr(self, "hands"):
            return
        with self.hands.store.read() as records:
            connection = records._connection
            machines = list(connection.execute(devices.select()))
            running = list(connection.execute(ceremonies.select()))
            granted = list(connection.execute(grants.select()))
            assert records.verify_audit().keys() == set(ACCOUNTS)
            assert records.count(audit.name) >= len(running)
            proofs = records.count(redemptions.name)
        active = Counter(row.account for row in machines if row.state == DeviceState.ACTIVE)
        assert all(count <= SLOTS for count in active.values())
        assert all(row.user_public for row in machines if row.state == DeviceState.ACTIVE)
        reserved = [row for row in running if row.state in OPEN]
        assert len({row.account for row in reserved}) == len(reserved)
        held = {(r.account, r.slot) for r in machines if r.state == DeviceState.ACTIVE}
        assert not held & {(row.account, row.slot) for row in reserved}
        done = [row for row in running if row.state == CeremonyState.DONE]
        assert len(machines) >= len(ACCOUNTS) + len(done)
        assert all(row.named == row.account for row in done)
        assert all(row.wrong_codes <= 9 and row.code <= 3 and row.names <= 3 for row in running)
        assert all(row.wrong_pins <= 9 for row in machines)
        per = Counter(row.ceremony for row in granted)
        assert all(count <= POLICY.grants for count in per.values())
        assert proofs == sum(row.state == "spent" for row in granted)


CeremonyMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyOrderOfEvents = CeremonyMachine.TestCase


CEREMONY = Ceremony(
    id=bytes(16),
    account="alice",
    kind=CeremonyKind.COPY,
    old=bytes(16),
    state=CeremonyState.LIVE,
    slot=1,
    started=0,
    ready=60_000,
    deadline=120_000,
)


@pytest.mark.parametrize(
    ("now", "left"), [(0, 60), (1, 60), (59_000, 1), (59_999, 1), (60_000, 0), (99_000, 0)]
)
def test_the_wait_is_rounded_up(now: Millis, left: int) -> None:
    """A laptop told to come back in n seconds is never told so again for a fraction."""
    assert waits(CEREMONY, now) == left
    assert waits(replace(CEREMONY, state=CeremonyState.CANCELLED), now) == 0


@pytest.mark.parametrize("name", ["", " ", "a b", "a\n", "x" * 65, "a/b", "<a>"])
def test_a_user_id_has_one_form(name: str) -> None:
    """What is no user ID is refused; what is one is compared in one form."""
    if name != "a\n":
        with pytest.raises(ValueError, match="user ID"):
            wire.account_name(name)
    assert wire.account_name(" A\u030age@Example.ORG\n") == "\u00e5ge@example.org"
