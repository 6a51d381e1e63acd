"""A real OLD on a bench, with a NEW by hand at the other end of the link."""

from __future__ import annotations

from collections.abc import Iterator

from crypto.hostile import HandNew
from crypto.pair import (
    BOOT,
    grant_for,
    kinds,
    old_session,
    only,
    snapshot,
)
from nearproof.crypto.grant import Policy
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.transitions import OldState


class Bench:
    """A real OLD, a NEW by hand, and the time."""

    def __init__(self, seed: object = 0, *, policy: Policy | None = None) -> None:
        self.old = old_session(seed, grant=grant_for(seed, policy=policy))
        self.now = BOOT
        self.old.started(self.now)
        self.eid = only(self.old.outputs(), a.Advertise).eid
        self.new = HandNew(self.old.qr, self.eid, seed)
        self._names = iter(f"link{i}" for i in range(100_000))
        self.link = self.connect()

    def connect(self) -> str:
        self.link = next(self._names)
        self.old.connected(self.link, self.now)
        return self.link

    def say(self, message: bytes, link: str | None = None) -> list[a.Output]:
        self.old.receive(link or self.link, message, self.now)
        return self.old.outputs()

    def wait(self, micros: int) -> list[a.Output]:
        self.now += micros
        self.old.tick(self.now)
        return self.old.outputs()

    def lose(self) -> list[a.Output]:
        self.old.disconnected(self.link, self.now)
        return self.old.outputs()

    # The steps of an honest ceremony; each brings OLD to the state it names.

    def bound(self) -> Bench:
        self.m2 = only(self.say(self.new.m1), a.SendMessage).message
        self.new.read_m2(self.m2)
        self.t1 = self.new.t1()
        return self

    def prompt(self) -> Bench:
        self.bound()
        only(self.say(self.t1), a.CodeWanted)
        return self

    def proved(self) -> Bench:
        self.prompt()
        self.old.enter_code(self.new.code, self.now)
        self.t2 = only(self.old.outputs(), a.SendMessage).message
        self.ack = self.new.ack()
        return self

    def done(self) -> Bench:
        self.proved()
        only(self.say(self.ack), a.Delivered)
        return self

    def in_state(self, state: OldState) -> Bench:
        if state is not OldState.SHOWN:
            getattr(self, state.value)()
        assert self.old.state is state
        return self


def check_refused(bench: Bench, message: bytes, reason: a.RefusalReason) -> None:
    """It costs the link and changes nothing else."""
    before = snapshot(bench.old)
    outputs = bench.say(message)
    assert only(outputs, a.Refused).reason is reason
    assert only(outputs, a.Disconnect).link == bench.link
    assert snapshot(bench.old) == before


def flips(message: bytes) -> Iterator[bytes]:
    for bit in range(len(message) * 8):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def cuts(message: bytes) -> Iterator[bytes]:
    for size in range(len(message)):
        yield message[:size]
    yield message + b"\0"


def again_after_m1(bench: Bench) -> None:
    bench.connect()
    assert kinds(bench.say(bench.new.m1)) == ["m2"]


def again_after_t1(bench: Bench) -> None:
    again_after_m1(bench)
    bench.say(bench.t1)
