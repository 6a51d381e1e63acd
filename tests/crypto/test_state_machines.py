"""Random walks over both machines: the tables hold, and refused messages change nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from crypto.hostile import HandNew
from crypto.pair import BOOT, key, new_session, old_session, snapshot
from nearproof.crypto.errors import LocalError
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.machine import Machine
from nearproof.crypto.session.timing import SECOND
from nearproof.crypto.session.transitions import (
    NEW,
    OLD,
    NewState,
    NewStep,
    OldState,
    OldStep,
    follow,
)

LINKS = st.sampled_from(["a"] * 5 + ["b"])
STEPS = st.sampled_from([1, 50_000, 50_000, SECOND, SECOND, 3 * SECOND, 11 * SECOND, 40 * SECOND])
RECENT = st.sampled_from([0] * 6 + list(range(1, 12)))
"""Which message of the air: the last, or any before it."""
HARMLESS = (a.Refused, a.Disconnect, a.RejectWrite, a.RoundTimed)
"""What may come of a message that changes no state (a lost round is the link's doing)."""


def test_every_step_outside_the_tables_is_illegal() -> None:
    """Each state with each step: the table's state, or a LocalError."""
    for state in OldState:
        for step in OldStep:
            check_step(OLD, state, step)
    for new_state in NewState:
        for new_step in NewStep:
            check_step(NEW, new_state, new_step)


def check_step(table: Any, state: Any, step: Any) -> None:
    if step in table[state]:
        assert follow(table, state, step) is table[state][step]
        return
    try:
        follow(table, state, step)
        raise AssertionError("followed")
    except LocalError:
        pass


def test_ended_is_final_and_reachable() -> None:
    """From every state but DONE; DONE keeps its proof."""
    for table, done in ((OLD, OldState.DONE), (NEW, NewState.DONE)):
        for state, steps in table.items():
            assert ("ended" in steps.values()) == (state not in (done, "ended"))
    assert OLD[OldState.ENDED] == {} and NEW[NewState.ENDED] == {}


class World(RuleBasedStateMachine):
    """Real OLD, real NEW, a second NEW with the QR, and an adversary who owns the air."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BOOT
        self.old = old_session("walk")
        self.new = new_session(self.old, "walk")
        self.air: list[bytes] = [b"", b"garbage"]
        self.eid = b""
        self.code = ""
        self.held: list[bytes] = []
        self.seen = {"old": [self.old.state.value], "new": [self.new.state.value]}

    @initialize(steps=st.integers(0, 9))
    def begin(self, steps: int) -> None:
        """Some of the honest course first, or no walk would come far."""
        self.old.started(self.now)
        self.note()
        twin = HandNew(self.old.qr, self.eid, "other", key=key("other D"))
        self.air.append(twin.m1)
        for _ in range(steps):
            self.honest_step()

    @rule()
    def honest_step(self) -> None:
        """What two honest laptops would do next on link a."""
        match self.old.state, self.new.state:
            case OldState.SHOWN, NewState.SCAN:
                self.old_connects("a")
                self.new_connects("a")
            case (OldState.SHOWN, _) | (OldState.PROVED, NewState.DONE):
                self.new_stores()
                self.old_receives("a", 0)
            case OldState.BOUND, NewState.SHOW:
                self.old_receives("a", 0)
                self.new_has_sent("a")
                self.new_has_sent("a")
            case OldState.PROMPT, _ if self.code:
                self.user_types(True)
            case _:
                self.new_receives("a", 0)

    def note(self) -> list[a.Output]:
        """Take all outputs, and keep what went over the air."""
        outputs = self.old.outputs() + self.new.outputs()
        for output in outputs:
            if isinstance(output, a.Advertise):
                self.eid = output.eid
            elif isinstance(output, a.SendMessage):
                self.air.append(output.message)
            elif isinstance(output, a.CodeShown):
                self.code = output.code
            elif isinstance(output, a.ProofReceived):
                self.held.append(output.bundle)
        for name, machine in (("old", self.old), ("new", self.new)):
            if machine.state.value != self.seen[name][-1]:
                self.seen[name].append(machine.state.value)
        return outputs

    def deliver(self, machine: Machine, link: str, message: bytes) -> None:
        """A message either moves something, or leaves everything as it was."""
        machine.tick(self.now)
        self.note()
        before = snapshot(machine)
        assert isinstance(machine, type(self.old) | type(self.new))
        machine.receive(link, message, self.now)
        outputs = self.note()
        if outputs and all(isinstance(output, HARMLESS) for output in outputs):
            after = snapshot(machine)
            before.pop("_rounds", None)
            after.pop("_rounds", None)
            assert after == before
            assert not any(isinstance(output, a.Ended) for output in outputs)

    @rule(micros=STEPS)
    def pass_time(self, micros: int) -> None:
        self.now += micros
        self.old.tick(self.now)
        self.new.tick(self.now)
        self.note()

    @rule(link=LINKS)
    def old_connects(self, link: str) -> None:
        self.old.connected(link, self.now)
        self.note()

    @rule(link=LINKS)
    def old_disconnects(self, link: str) -> None:
        self.old.disconnected(link, self.now)
        self.note()

    @rule(link=LINKS)
    def new_connects(self, link: str) -> None:
        try:
            self.new.connected(link, self.eid, -40, self.now)
        except LocalError:
            pass
        self.note()

    @rule(link=LINKS)
    def new_disconnects(self, link: str) -> None:
        self.new.disconnected(link, self.now)
        self.note()

    @rule(link=LINKS, index=RECENT)
    def old_receives(self, link: str, index: int) -> None:
        """Anything that was ever on the air, in any order: replay, reorder, reflection."""
        self.deliver(self.old, link, self.air[-1 - index % len(self.air)])

    @rule(link=LINKS, index=RECENT)
    def new_receives(self, link: str, index: int) -> None:
        self.deliver(self.new, link, self.air[-1 - index % len(self.air)])

    @rule(link=LINKS, index=st.integers(0, 30), bit=st.integers(0, 8000))
    def somebody_receives_a_flipped_bit(self, link: str, index: int, bit: int) -> None:
        message = bytearray(self.air[index % len(self.air)])
        if message:
            message[bit // 8 % len(message)] ^= 1 << bit % 8
            machine: Machine = self.old if bit % 2 else self.new
            self.deliver(machine, link, bytes(message))

    @rule(link=LINKS)
    def new_has_sent(self, link: str) -> None:
        try:
            self.new.sent(link, self.now)
        except LocalError:
            pass
        self.note()

    @rule(link=LINKS, value=st.binary(min_size=8, max_size=9))
    def rounds(self, link: str, value: bytes) -> None:
        self.old.rounds_subscribed(link, self.now)
        self.old.receive_round(link, value[:8], self.now)
        self.new.receive_round(link, value, self.now)
        self.old.outputs()
        self.new.outputs()

    @precondition(lambda self: self.code)
    @rule(right=st.booleans())
    def user_types(self, right: bool) -> None:
        before = snapshot(self.old)
        try:
            self.old.enter_code(self.code if right else "000001", self.now)
        except LocalError:
            assert snapshot(self.old) == before or self.old.state is OldState.ENDED
        self.note()

    @rule()
    def new_stores(self) -> None:
        try:
            self.new.stored(self.now)
        except LocalError:
            pass
        self.note()

    @invariant()
    def a_proof_needs_the_code(self) -> None:
        if self.held:
            assert "proved" in self.seen["old"]
            assert len(self.held) == 1

    @invariant()
    def the_states_follow_the_tables(self) -> None:
        tables: list[tuple[str, Any]] = [("old", OLD), ("new", NEW)]
        for name, table in tables:
            path = self.seen[name]
            for one, two in pairwise(path):
                assert reachable(table, one, two)

    @invariant()
    def a_dead_machine_has_no_timer(self) -> None:
        if self.new.state is NewState.ENDED:
            assert self.new.deadline() is None
        if self.old.state is OldState.ENDED:
            assert self.old.phase_ends is None


def reachable(table: Any, one: str, two: str) -> bool:
    """In one step, or in two where one input brought both."""
    after = {state.value for state in table[one].values()}
    return two in after or any(two in set(table[state].values()) for state in after)


World.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWorld = World.TestCase


def test_the_rules_can_complete_a_ceremony() -> None:
    """Else the walks would prove little."""
    world = World()
    world.begin(9)
    assert (world.old.state, world.new.state) == (OldState.DONE, NewState.DONE)
    assert world.seen["old"] == ["shown", "bound", "prompt", "proved", "done"]
    assert world.seen["new"] == ["scan", "sent", "show", "done"]
