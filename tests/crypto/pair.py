"""Two session machines back to back: in virtual time, over links that lose messages.

The shells, the two people and the radio of a ceremony are played here; the cores are the real
ones.  Everything follows from the seed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from copy import copy
from hashlib import shake_256
from typing import TypeVar

from nearproof.crypto.errors import LocalError
from nearproof.crypto.grant import Grant, Policy, issue_grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.primitives import Randomness
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.machine import Machine
from nearproof.crypto.session.new import NewSession
from nearproof.crypto.session.old import OldSession
from nearproof.crypto.session.timing import SECOND, Micros
from nearproof.crypto.session.transitions import NewState, OldState

NBF = 1_800_000_000
T = TypeVar("T")

BOOT: Micros = 7_000 * SECOND
"""When the grant arrives: no epoch of anybody's."""


def stream(seed: object) -> Randomness:
    """Bytes that follow from the seed, never the same twice."""
    drawn = 0

    def draw(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return shake_256(f"{seed}/{drawn}".encode()).digest(size)

    return draw


def key(name: str) -> DeviceKey:
    return DeviceKey.generate(stream(name))


ISSUER, OLD_KEY, NEW_KEY = key("I"), key("O"), key("D")


def grant_for(
    seed: object = 0,
    *,
    issuer: DeviceKey = ISSUER,
    old: DeviceKey = OLD_KEY,
    policy: Policy | None = None,
) -> Grant:
    raw = issue_grant(
        issuer,
        iss="test",
        cti=stream(f"cti {seed}")(16),
        nbf=NBF,
        old_public=old.public,
        policy=policy or Policy(),
    )
    return verify_grant(raw, issuer.public)


def old_session(seed: object = 0, *, grant: Grant | None = None) -> OldSession:
    return OldSession(
        device_key=OLD_KEY,
        grant=grant or grant_for(seed),
        received_at=BOOT,
        now=BOOT,
        randomness=stream(f"old {seed}"),
    )


def new_session(
    old: OldSession, seed: object = 0, *, device_key: DeviceKey = NEW_KEY, now: Micros = BOOT
) -> NewSession:
    return NewSession(
        qr=old.qr,
        issuer_public=ISSUER.public,
        device_key=device_key,
        label="Ane laptop",
        now=now,
        randomness=stream(f"new {seed}"),
    )


class Pair:
    """One ceremony.

    `loss` is the chance that a message takes its link down, half the time just after it has
    arrived.  `typing` is how long the user takes, `gap` how long a new connection takes.
    """

    latency: Micros = 30_000
    gap: Micros = 400_000
    typing: Micros = 8 * SECOND

    def __init__(self, seed: object = 0, *, loss: float = 0.0, grant: Grant | None = None) -> None:
        self.now: Micros = BOOT
        self.old = old_session(seed, grant=grant)
        self.new = new_session(self.old, seed)
        self.said: list[tuple[str, a.Output]] = []
        self.bundle: bytes | None = None
        self.eid: bytes | None = None
        self._chance = stream(f"chance {seed}")
        self._loss = loss
        self._queue: list[tuple[Micros, int, Callable[[], None]]] = []
        self._order = 0
        self._links = 0
        self._link: str | None = None
        self._code: str | None = None
        self._typing = False
        self.old.started(self.now)
        self._drain()
        self._later(self.gap, self._connect)

    # -- the course of things ---------------------------------------------------------

    def run(self, until: Callable[[], bool] | None = None, seconds: int = 700) -> None:
        """Go on until nothing can happen any more, `until` holds, or the time is over."""
        end = self.now + seconds * SECOND
        while not (until is not None and until()):
            due = [t for t in (self.old.deadline(), self.new.deadline()) if t is not None]
            if self._queue:
                due.append(self._queue[0][0])
            if not due or min(due) > end:
                return
            self.now = max(self.now, min(due))
            self.old.tick(self.now)
            self.new.tick(self.now)
            while self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
            self._drain()

    def done(self) -> bool:
        return self.old.state is OldState.DONE and self.new.state is NewState.DONE

    def events(self, kind: type[a.Output]) -> list[a.Output]:
        return [output for _, output in self.said if isinstance(output, kind)]

    # -- the radio --------------------------------------------------------------------

    def _connect(self) -> None:
        wanted = self.new.state is not NewState.ENDED and not self._acknowledged()
        if self._link is not None or self.eid is None or not wanted:
            return
        if not self.new.heard(self.eid, self.now):
            return
        self._links += 1
        self._link = f"link{self._links}"
        self.old.connected(self._link, self.now)
        self.new.connected(self._link, self.eid, -60, self.now)
        self._drain()

    def drop(self) -> None:
        """The link is lost; the two sides learn it one after the other."""
        link, self._link = self._link, None
        if link is not None:
            self.new.disconnected(link, self.now)
            self._later(self._pick(200_000), lambda: self.old.disconnected(link, self.now))
            self._later(self.gap + self._pick(self.gap), self._connect)

    def _carry(self, link: str, deliver: Callable[[], None]) -> None:
        """One message: late, lost, or delivered as the last one of its link."""
        if self._pick(1000) >= self._loss * 1000:
            self._later(self.latency, lambda: self._deliver(link, deliver))
            return
        if self._pick(2):
            self._later(self.latency, lambda: self._deliver(link, deliver))
        self._later(self.latency, lambda: self._drop_if(link))

    def _deliver(self, link: str, deliver: Callable[[], None]) -> None:
        if link == self._link:
            deliver()

    def _drop_if(self, link: str) -> None:
        if link == self._link:
            self.drop()

    def _later(self, delay: Micros, happen: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (self.now + delay, self._order, happen))

    def _pick(self, below: int) -> int:
        return int.from_bytes(self._chance(8), "big") % below

    # -- the shells and the people ------------------------------------------------------

    def _drain(self) -> None:
        while True:
            outputs = [("old", output) for output in self.old.outputs()]
            outputs += [("new", output) for output in self.new.outputs()]
            if not outputs:
                return
            self.said += outputs
            for side, output in outputs:
                self._carry_out(side, output)

    def _carry_out(self, side: str, output: a.Output) -> None:
        match output:
            case a.Advertise(eid):
                self.eid = eid
            case a.StopAdvertising():
                self.eid = None
            case a.SendMessage(link, _, message) if side == "old":
                self._carry(link, lambda: self.new.receive(link, message, self.now))
            case a.SendMessage(link, _, message):
                self._carry(link, lambda: self._written(link, message))
            case a.SendRound(link, value) if side == "old":
                self._carry(link, lambda: self.new.receive_round(link, value, self.now))
            case a.SendRound(link, value):
                self._carry(link, lambda: self.old.receive_round(link, value, self.now))
            case a.Disconnect(link) | a.RejectWrite(link):
                self._drop_if(link)
            case a.CodeShown(code):
                self._code = code
                self.old.rounds_subscribed(None, self.now)
                self._people()
            case a.CodeWanted():
                self._people()
            case a.ProofReceived(bundle):
                self.bundle = bundle
                self._later(5_000, lambda: self.new.stored(self.now))
            case _:
                pass

    def _written(self, link: str, message: bytes) -> None:
        self.old.receive(link, message, self.now)
        self._drain()
        self._later(self.latency, lambda: self.new.sent(link, self.now))

    def _people(self) -> None:
        code = self._code
        if code is not None and self.old.state is OldState.PROMPT and not self._typing:
            self._typing = True
            self._later(self.typing, lambda: self._type(code))

    def _type(self, code: str) -> None:
        try:
            self.old.enter_code(code, self.now)
        except LocalError:
            assert self.old.state is OldState.ENDED

    def _acknowledged(self) -> bool:
        return bool(self.events(a.Acknowledged))


_NOT_STATE = {"_now", "_outputs", "_links", "_link", "_served", "_randomness"}


def snapshot(machine: Machine) -> dict[str, object]:
    """All that a refused message must leave as it was: everything but the links."""
    state = {name: copy(value) for name, value in vars(machine).items() if name not in _NOT_STATE}
    if isinstance(machine, OldSession):
        state["_rounds"] = vars(machine._rounds).copy()
    return state


def only(outputs: list[a.Output], kind: type[T]) -> T:
    """The one output of this kind."""
    found = [output for output in outputs if isinstance(output, kind)]
    assert len(found) == 1, outputs
    return found[0]


def kinds(outputs: list[a.Output]) -> list[str]:
    """Their names, a message's with its own."""
    return [
        output.name if isinstance(output, a.SendMessage) else type(output).__name__
        for output in outputs
    ]
