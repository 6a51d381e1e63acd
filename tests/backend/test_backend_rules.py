"""The rules under any order of events: the whole service on a clock that the test moves."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from backend.bundles import bundle_of
from backend.time_machine import TimeMachine
from nearproof.crypto.errors import RefusalCode, VerificationError
from nearproof.crypto.grant import LIFETIME, Grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.exchange import Answer, Request
from nearproof.daemon.backend.rules import (
    BackendPolicy,
    Ceremony,
    Device,
    Millis,
    Problem,
    waits,
)
from nearproof.daemon.backend.service import Service
from nearproof.daemon.backend.wire import CeremonyState, DeviceState, ReportReason, ServiceCode

POLICY = BackendPolicy(wait=60, lifetime=1800)
ISSUER = DeviceKey(bytes([9]) * 32)
ACCOUNTS = ("alice", "bob")

COPY_CODES = {
    ServiceCode.DEVICE_REVOKED,
    ServiceCode.CEREMONY_RUNNING,
    ServiceCode.CEREMONY_OVER,
    ServiceCode.NOT_ITS_OLD,
    ServiceCode.WAITING,
    ServiceCode.GRANTS_USED_UP,
    ServiceCode.ALREADY_USED,
}


class Laptop:
    """A key, and the account that it has been enrolled in, if any."""

    def __init__(self, key: DeviceKey, account: str = "") -> None:
        self.key = key
        self.account = account
        self.revoked = False


class Issued:
    """A grant as the test remembers it."""

    def __init__(self, copy: str, old: Laptop, grant: Grant, at: Millis) -> None:
        self.copy = copy
        self.old = old
        self.grant = grant
        self.at = at


class CopyMachine(RuleBasedStateMachine):
    """Two accounts and any number of laptops do whatever they like, in any order."""

    laptops = Bundle("laptops")
    copies = Bundle("copies")
    grants = Bundle("grants")

    @initialize(target=laptops)
    def begin(self) -> object:
        self.random = Random(3)
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "backend.db"
        self.store = TimeMachine(self.path)
        self.service = Service(self.store, ISSUER, POLICY, self.random.randbytes)
        self.enrolled = 0
        first = []
        for account in ACCOUNTS:
            laptop = Laptop(DeviceKey.generate(self.random.randbytes), account)
            with self.store.write() as records:
                records.add_account(account)
                records.add_device(
                    Device(laptop.key.kid, laptop.key.public, account, "first", DeviceState.ACTIVE)
                )
            first.append(laptop)
        return multiple(*first)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    # -- what happens -----------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 59, 60, 61, 300, LIFETIME, LIFETIME + 1, 2000]))
    def time_passes(self, seconds: int) -> None:
        self.store.now += seconds * 1000

    @rule(target=copies, old=laptops)
    def start(self, old: Laptop) -> object:
        answer = self.ask(old, "POST", "/v1/ceremonies", lambda r: self.service.start(r))
        if answer is None:
            return multiple()
        copy = msgspec.json.decode(answer.body, type=wire.Ceremony)
        assert copy.live
        assert copy.old == old.key.kid.hex()
        return copy.id

    @rule(target=grants, copy=copies, old=laptops)
    def issue(self, copy: str, old: Laptop) -> object:
        before = self.copy(copy)
        path = f"/v1/ceremonies/{copy}/grants"
        answer = self.ask(old, "POST", path, lambda r: self.service.grant(r, copy))
        if answer is None:
            return multiple()
        assert before.state is CeremonyState.LIVE
        assert before.ready <= self.store.now <= before.deadline
        grant = verify_grant(answer.body, ISSUER.public)
        assert grant.cnf == old.key.public
        assert grant.nbf == self.store.now // 1000
        return Issued(copy, old, grant, self.store.now)

    @rule(copy=copies, laptop=laptops)
    def cancel(self, copy: str, laptop: Laptop) -> None:
        path = f"/v1/ceremonies/{copy}/cancel"
        answer = self.ask(laptop, "POST", path, lambda r: self.service.cancel(r, copy))
        if answer is not None:
            assert self.copy(copy).account == laptop.account
            assert not msgspec.json.decode(answer.body, type=wire.Ceremony).live

    @rule(issued=grants, reason=st.sampled_from(ReportReason))
    def report(self, issued: Issued, reason: ReportReason) -> None:
        path = f"/v1/ceremonies/{issued.copy}/reports"
        body = msgspec.json.encode(wire.Report(issued.grant.cti.hex(), reason))
        self.ask(issued.old, "POST", path, lambda r: self.service.report(r, issued.copy), body=body)

    @rule(laptop=laptops)
    @precondition(lambda self: self.enrolled > 1)
    def revoke(self, laptop: Laptop) -> None:
        with self.store.write() as records:
            records.revoke(laptop.key.kid)
        laptop.revoked = True

    @rule(target=laptops, issued=grants, named=st.sampled_from(ACCOUNTS))
    def redeem(self, issued: Issued, named: str) -> object:
        """A good bundle under this grant, handed in by its own new laptop."""
        new = Laptop(DeviceKey.generate(self.random.randbytes), named)
        before = self.copy(issued.copy)
        if not self.hand_in(issued, new, named):
            return multiple()
        assert self.store.now <= issued.grant.exp * 1000
        assert named == issued.old.account
        assert not issued.old.revoked
        assert before.state is CeremonyState.LIVE
        assert self.copy(issued.copy).state is CeremonyState.DONE
        self.enrolled += 1
        return new

    @rule(issued=consumes(grants), new=laptops)
    def redeem_for_a_laptop_that_is_enrolled(self, issued: Issued, new: Laptop) -> None:
        if new.key.public != issued.old.key.public:
            assert not self.hand_in(issued, new, issued.old.account)

    # -- what never happens -------------------------------------------------------------------

    @invariant()
    def every_enrolment_has_its_own_grant_and_copy(self) -> None:
        if not hasattr(self, "store"):
            return
        with closing(sqlite3.connect(self.path)) as database:

            def one(query: str) -> int:
                return int(database.execute(query).fetchone()[0] or 0)

            def most(table: str, column: str, state: str) -> int:
                return one(
                    f"SELECT max(n) FROM (SELECT count(*) AS n FROM {table}"  # noqa: S608
                    f" WHERE state LIKE '{state}' GROUP BY {column})"
                )

            assert most("ceremonies", "account", "live") <= 1
            assert most("grants", "ceremony", "issued") <= 1
            assert most("grants", "ceremony", "spent") <= 1
            assert most("grants", "ceremony", "%") <= POLICY.grants
            assert not one(
                "SELECT count(*) FROM grants JOIN ceremonies ON ceremonies.id = grants.ceremony"
                " WHERE grants.state = 'issued' AND ceremonies.state != 'live'"
            )
            assert one("SELECT max(wrong_names) FROM ceremonies") <= POLICY.wrong_names
            assert one("SELECT count(*) FROM redemptions") == self.enrolled
            assert one("SELECT count(*) FROM devices") == self.enrolled + len(ACCOUNTS)

    # -- helpers ------------------------------------------------------------------------------

    def copy(self, copy: str) -> Ceremony:
        with self.store.read() as records:
            ceremony = records.ceremony(bytes.fromhex(copy))
        assert ceremony is not None
        return ceremony

    def request(self, laptop: Laptop, method: str, path: str, body: bytes) -> Request:
        return self.store.request(laptop.key, method, path, body, self.random)

    def ask(
        self, laptop: Laptop, method: str, path: str, call: object, *, body: bytes = b"{}"
    ) -> Answer | None:
        """The answer, or None for a refusal of the kinds that a copy may meet."""
        try:
            return call(self.request(laptop, method, path, body))  # type: ignore[operator, no-any-return]
        except Problem as problem:
            elsewhere = problem.code is ServiceCode.NOT_FOUND
            assert elsewhere or problem.code in COPY_CODES, problem
            return None

    def hand_in(self, issued: Issued, new: Laptop, named: str) -> bool:
        bundle = bundle_of(issued.grant, issued.old.key, new.key)
        request = self.request(new, "POST", "/v1/redemptions", bundle)
        try:
            return self.service.redeem(request, named, "new").status == 201
        except VerificationError as refusal:
            assert refusal.step == 8, refusal
            assert refusal.code is not RefusalCode.REQUEST_KEY
            return False


CopyMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyOrderOfEvents = CopyMachine.TestCase


def ceremony(**changes: int) -> Ceremony:
    times = {"started": 0, "ready": 60_000, "deadline": 120_000, **changes}
    return Ceremony(bytes(16), "alice", bytes(16), CeremonyState.LIVE, **times)


@pytest.mark.parametrize(
    ("now", "left"), [(0, 60), (1, 60), (59_000, 1), (59_999, 1), (60_000, 0), (99_000, 0)]
)
def test_the_wait_is_rounded_up(now: Millis, left: int) -> None:
    """A laptop told to come back in n seconds is never told so again for a fraction."""
    assert waits(ceremony(), now) == left
    assert waits(replace(ceremony(), state=CeremonyState.CANCELLED), now) == 0


@pytest.mark.parametrize(
    "changes",
    [{"wait": -1}, {"rounds": -1}, {"lifetime": 0}, {"grants": 0}, {"wrong_names": 0}],
)
def test_a_policy_without_sense_is_refused(changes: dict[str, int]) -> None:
    """ValueError when it is made, not a surprise when it is used."""
    with pytest.raises(ValueError, match=r"negative|at least"):
        BackendPolicy(**changes)


@pytest.mark.parametrize("name", ["", " ", "a b", "a\n", "x" * 65, "a/b", "<a>"])
def test_a_user_id_has_one_form(name: str) -> None:
    """What is no user ID is refused; what is one is compared in one form."""
    if name != "a\n":
        with pytest.raises(ValueError, match="user ID"):
            wire.account_name(name)
    assert wire.account_name(" A\u030age@Example.ORG\n") == "\u00e5ge@example.org"
