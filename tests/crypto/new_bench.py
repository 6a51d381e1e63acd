"""A real NEW on a bench, with an OLD by hand at the other end of the link."""

from __future__ import annotations

from crypto.hostile import HandOld
from crypto.pair import BOOT, ISSUER, NEW_KEY, only, snapshot, stream
from nearproof.crypto import handshake
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.session import actions as a
from nearproof.crypto.session.new import NewSession
from nearproof.crypto.session.transitions import NewState


def new_for(
    old: HandOld, seed: object = 0, *, device_key: DeviceKey = NEW_KEY, label: str = "new"
) -> NewSession:
    return NewSession(
        qr=old.qr,
        issuer_public=ISSUER.public,
        device_key=device_key,
        label=label,
        now=BOOT,
        randomness=stream(f"new {seed}"),
    )


class Bench:
    """A real NEW, an OLD by hand, and the time."""

    def __init__(self, seed: object = 0, *, old: HandOld | None = None) -> None:
        self.old = old or HandOld(seed)
        self.now = BOOT
        self.new = new_for(self.old, seed)
        self._names = iter(f"link{i}" for i in range(100_000))
        self.link = ""

    def connect(self, eid: bytes | None = None) -> list[a.Output]:
        self.link = next(self._names)
        self.new.connected(self.link, eid or self.old.eid, -60, self.now)
        return self.new.outputs()

    def say(self, message: bytes) -> list[a.Output]:
        self.new.receive(self.link, message, self.now)
        return self.new.outputs()

    def sent(self) -> list[a.Output]:
        self.new.sent(self.link, self.now)
        return self.new.outputs()

    def wait(self, micros: int) -> list[a.Output]:
        self.now += micros
        self.new.tick(self.now)
        return self.new.outputs()

    def lose(self) -> list[a.Output]:
        self.new.disconnected(self.link, self.now)
        return self.new.outputs()

    # The steps of an honest ceremony; each brings NEW to the state it names.

    def sent_m1(self) -> Bench:
        self.m1 = only(self.connect(), a.SendMessage).message
        self.sent()
        return self

    def show(self) -> Bench:
        self.sent_m1()
        self.m2 = self.old.accept(self.m1)
        self.t1 = only(self.say(self.m2), a.SendMessage).message
        said = self.old.read_t1(self.t1)
        self.code = handshake.check_code(self.old.session, said.r, said.new_public)
        self.sent()
        self.t2 = self.old.t2()
        return self

    def done(self) -> Bench:
        self.show()
        self.bundle = only(self.say(self.t2), a.ProofReceived).bundle
        return self

    def in_state(self, state: NewState) -> Bench:
        if state is not NewState.SCAN:
            {"sent": self.sent_m1, "show": self.show, "done": self.done}[state.value]()
        assert self.new.state is state
        return self

    def again(self) -> list[a.Output]:
        """A new link, up to where OLD has answered m1 again."""
        self.lose()
        assert only(self.connect(), a.SendMessage).message == self.m1
        self.sent()
        return self.say(self.m2)


def check_refused(bench: Bench, message: bytes, reason: a.RefusalReason) -> None:
    """It costs the link and changes nothing else."""
    before = snapshot(bench.new)
    outputs = bench.say(message)
    assert only(outputs, a.Refused).reason is reason
    assert only(outputs, a.Disconnect).link == bench.link
    assert snapshot(bench.new) == before
