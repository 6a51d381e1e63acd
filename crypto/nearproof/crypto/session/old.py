"""OLD: shows the QR, serves one NEW, asks for the code, signs the proof (SPEC, section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from nearproof.crypto import handshake
from nearproof.crypto.errors import (
    EncodingError,
    KeyRefused,
    LocalError,
    PeerError,
    SealBroken,
    UnknownVersion,
)
from nearproof.crypto.grant import Grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import ATT_VERSION, MAX_M1, MAX_MESSAGE, QrPayload
from nearproof.crypto.primitives import KEY_SIZE, Randomness, equal
from nearproof.crypto.session.actions import (
    Advertise,
    Bound,
    CodeWanted,
    Delivered,
    Disconnect,
    Ended,
    EndReason,
    OtherDeviceSeen,
    ProofMade,
    RefusalReason,
    Refused,
    RejectWrite,
    RoundTimed,
    SendMessage,
    SendRound,
    StopAdvertising,
)
from nearproof.crypto.session.machine import Machine, Timer
from nearproof.crypto.session.responder import Binding, Opened, Peer, Responder
from nearproof.crypto.session.rounds import NONCE_SIZE, Rounds
from nearproof.crypto.session.timing import (
    CODE_TTL,
    M1_WAIT,
    PROOF_TTL,
    QR_TTL,
    T1_WAIT,
    GrantClock,
    Micros,
)
from nearproof.crypto.session.transitions import OLD, OldState, OldStep, follow


class _Stage(Enum):
    """How far one link has come; each of its messages is expected once, in this order."""

    SILENT = auto()  # nothing valid yet: m1 expected
    ANSWERED = auto()  # m2 went out: t1 expected
    INTRODUCED = auto()  # a good t1, maybe replayed: rounds, t2; ack expected
    LEAVING = auto()  # to be disconnected: not listened to


@dataclass(slots=True)
class _Link:
    stage: _Stage
    due: Micros | None
    rounds: bool = False


class OldSession(Machine):
    """One grant, one QR, at most one proof.

    Inputs take the reading of CLOCK_BOOTTIME last; see `nearproof.crypto.session.actions` for
    what comes out.  What a link sends after it was told to leave is ignored.  Randomness is
    drawn in this order: 32 bytes for Q, 16 for the secret, 10 for the advert; 32 for e when m1
    binds; 8 for each round.  Drop a session that is over: its keys live as long as it does.
    """

    def __init__(
        self,
        *,
        device_key: DeviceKey,
        grant: Grant,
        received_at: Micros,
        now: Micros,
        randomness: Randomness,
    ) -> None:
        """Make the QR, with `received_at` the clock's reading when the grant arrived.

        Raises `LocalError` if the grant is another device's or has no time left for a QR,
        `VerificationError` (step 7) if its terms are not those of PXP1.
        """
        super().__init__(now)
        grant.check_policy()
        if not equal(grant.cnf, device_key.public):
            raise LocalError("the grant is for another device")
        self.state = OldState.SHOWN
        self._clock = GrantClock(grant, received_at)
        self._clock.check_time_left(now)
        self._randomness = randomness
        self._responder = Responder.create(device_key, grant, self._clock.unix(now), randomness)
        self._created_at = now
        self._started_at: Micros | None = None
        self._code_until: Micros | None = None
        self._links: dict[str, _Link] = {}
        self._served: str | None = None
        self._binding: Binding | None = None
        self._peer: Peer | None = None
        self._rounds = Rounds(grant.policy.rounds)
        self._t2: bytes | None = None
        self._ack: bytes | None = None

    # -- what the shell may ask -----------------------------------------------------

    @property
    def qr(self) -> QrPayload:
        """What to put on display."""
        return self._responder.qr

    @property
    def phase_ends(self) -> Micros | None:
        """When the present state ends by itself: for a countdown."""
        return next((due for due, _ in self._phase()), None)

    # -- inputs ---------------------------------------------------------------------

    def started(self, now: Micros) -> None:
        """The QR is on display: its 180 s begin.

        Raises `LocalError` if it was before, or if the grant has no time left for a QR.
        """
        self.tick(now)
        if self._started_at is not None or self.state is not OldState.SHOWN:
            raise LocalError("the QR was shown before")
        self._clock.check_time_left(now)
        self._started_at = now
        self._say(Advertise(self._responder.eid))

    def connected(self, link: str, now: Micros) -> None:
        """A central connected; it has 5 s for a valid m1."""
        self.tick(now)
        self._stop_serving(link)  # a stack may have kept the loss of its predecessor to itself
        if self._serving():
            self._links[link] = _Link(_Stage.SILENT, now + M1_WAIT)
        else:
            self._say(Disconnect(link))

    def disconnected(self, link: str, now: Micros) -> None:
        """A link ended, whoever ended it."""
        self.tick(now)
        if self._links.pop(link, None) is not None:
            self._stop_serving(link)

    def receive(self, link: str, message: bytes, now: Micros) -> None:
        """A whole message arrived on MESSAGES."""
        self.tick(now)
        stage = self._stage(link)
        if stage is _Stage.LEAVING:
            return
        if not self._serving():
            self._refuse(link, RefusalReason.OUT_OF_TURN)
        elif len(message) > (MAX_M1 if stage is _Stage.SILENT else MAX_MESSAGE):
            self._refuse(link, RefusalReason.TOO_LONG, f"{len(message)} bytes")
        elif stage is _Stage.SILENT:
            self._receive_m1(link, message)
        elif stage is _Stage.ANSWERED:
            self._receive_t1(link, message)
        else:
            self._receive_ack(link, message)

    def rounds_subscribed(self, link: str | None, now: Micros) -> None:
        """ROUNDS was subscribed to; by the served link where the stack does not say by whom."""
        self.tick(now)
        peer = self._links.get(link if link is not None else self._served or "")
        if peer is not None:
            peer.rounds = True
            self._open_round()

    def receive_round(self, link: str, value: bytes, now: Micros) -> None:
        """An answer arrived on ROUNDS; one that no round waits for is ignored."""
        self.tick(now)
        stage = self._stage(link)
        if stage is _Stage.LEAVING:
            return
        if stage is not _Stage.INTRODUCED:
            self._refuse(link, RefusalReason.OUT_OF_TURN, "a round before t1")
        elif self._rounds.waiting is not None and self._binding is not None:
            index = self._rounds.waiting.index
            rtt = self._rounds.answer(self._binding.rounds_key(), value, now)
            self._say(RoundTimed(index, rtt))
            self._open_round()

    def enter_code(self, text: str, now: Micros) -> None:
        """The user typed the code: the only try.

        Raises `LocalError` if none was asked for, `MalformedCode` if it is not six digits (no
        try).  If it comes too late it is not judged.
        """
        asked = self.state is OldState.PROMPT
        self.tick(now)
        if asked and self.state is OldState.ENDED:
            return
        if self._binding is None or self._peer is None:
            raise LocalError("no NEW has asked for a code")
        proved = follow(OLD, self.state, OldStep.CODE)
        digits = handshake.typed_code(text)
        if not equal(digits.encode(), self._peer.code.encode()):
            self._end(EndReason.WRONG_CODE)
            return
        self._lose_round()
        summary, iat = self._rounds.summary(), self._clock.unix(now)
        self._t2 = self._binding.prove(self._peer, summary, iat)
        self.state = proved
        self._say(ProofMade())
        self._send_t2()

    def cancel(self, now: Micros) -> None:
        """The user gives up; a proof that was made stays made, and unconfirmed.

        Raises `LocalError` if there is nothing left to cancel.
        """
        self.tick(now)
        proved = self.state is OldState.PROVED
        self._end(EndReason.UNCONFIRMED if proved else EndReason.CANCELLED)

    # -- m1 -------------------------------------------------------------------------

    def _receive_m1(self, link: str, message: bytes) -> None:
        if self._binding is not None and equal(message, self._binding.m1):
            self._answer_m1(link, self._binding)
            return
        try:
            opened = self._responder.open_m1(message)
        except UnknownVersion as error:
            # No disconnection: the error response has to get out; the 5 s end this link.
            self._say(
                RejectWrite(link, ATT_VERSION),
                Refused(link, RefusalReason.VERSION, str(error)),
            )
        except (SealBroken, KeyRefused, EncodingError) as error:
            self._refuse(link, RefusalReason.BAD_M1, str(error))
        else:
            if self._binding is None:
                self._bind(link, opened)
            else:
                self._meet_other(link)

    def _bind(self, link: str, opened: Opened) -> None:
        bound = follow(OLD, self.state, OldStep.M1)
        self._binding = self._responder.bind(opened, self._randomness(KEY_SIZE))
        # The verifier counts from the QR's iat, which a slow start leaves behind.
        self._code_until = min(self._now + CODE_TTL, self._created_at + PROOF_TTL)
        self.state = bound
        self._say(Bound(link))
        self._answer_m1(link, self._binding)

    def _answer_m1(self, link: str, binding: Binding) -> None:
        if self._served is not None:
            # It keeps its 5 s: the served link may be a dead one of the same NEW.
            self._say(Refused(link, RefusalReason.SECOND_CENTRAL))
            return
        self._served = link
        peer = self._links[link]
        peer.stage, peer.due = _Stage.ANSWERED, self._now + T1_WAIT
        self._say(SendMessage(link, "m2", binding.m2))

    def _meet_other(self, link: str) -> None:
        """A different m1 that opens: somebody else has the QR, or NEW scanned it twice."""
        if self.state in (OldState.BOUND, OldState.PROMPT):
            self._end(EndReason.OTHER_DEVICE)
        else:
            self._say(OtherDeviceSeen(link))
            self._leave(link)

    # -- t1 -------------------------------------------------------------------------

    def _receive_t1(self, link: str, message: bytes) -> None:
        if self._peer is not None:
            if equal(message, self._peer.message):
                self._go_on(link)
            else:
                self._refuse(link, RefusalReason.BAD_T1_SEAL, "not the t1 that was accepted")
        elif self._binding is not None:
            self._judge_t1(link, message, self._binding)

    def _judge_t1(self, link: str, message: bytes, binding: Binding) -> None:
        try:
            plaintext = binding.open_t1(message)
        except SealBroken as error:
            self._refuse(link, RefusalReason.BAD_T1_SEAL, str(error))
            return
        try:
            peer = binding.judge_t1(message, plaintext)
        except PeerError as error:
            self._end(EndReason.BAD_T1, str(error))
            return
        self.state = follow(OLD, self.state, OldStep.T1)
        self._peer = peer
        self._say(CodeWanted(link, peer.said.label))
        self._go_on(link)

    def _go_on(self, link: str) -> None:
        """After t1 on this link, the first or a repeated one."""
        peer = self._links[link]
        peer.stage, peer.due = _Stage.INTRODUCED, None
        self._send_t2()
        self._open_round()

    # -- rounds, t2, ack ------------------------------------------------------------

    def _open_round(self) -> None:
        link = self._introduced_link()
        if (
            link is not None
            and self._links[link].rounds
            and self.state is OldState.PROMPT
            and self._rounds.waiting is None
            and self._rounds.left > 0
        ):
            value = self._rounds.open(self._randomness(NONCE_SIZE), self._now)
            self._say(SendRound(link, value))

    def _lose_round(self) -> None:
        if self._rounds.waiting is not None:
            self._say(RoundTimed(self._rounds.waiting.index, None))
            self._rounds.waiting = None

    def _round_timed_out(self) -> None:
        self._lose_round()
        self._open_round()

    def _send_t2(self) -> None:
        link = self._introduced_link()
        if self._t2 is not None and link is not None:
            self._say(SendMessage(link, "t2", self._t2))

    def _receive_ack(self, link: str, message: bytes) -> None:
        if self._ack is not None and equal(message, self._ack):
            return
        if self.state is not OldState.PROVED or self._binding is None:
            self._refuse(link, RefusalReason.OUT_OF_TURN)
            return
        try:
            self._binding.open_ack(message)
        except SealBroken as error:
            self._refuse(link, RefusalReason.BAD_ACK, str(error))
            return
        self.state = follow(OLD, self.state, OldStep.ACK)
        self._ack = message
        self._say(StopAdvertising(), Delivered())

    # -- links and ends -------------------------------------------------------------

    def _stage(self, link: str) -> _Stage:
        """A link that is not, or no longer, connected counts as leaving."""
        peer = self._links.get(link)
        return _Stage.LEAVING if peer is None else peer.stage

    def _introduced_link(self) -> str | None:
        link = self._served
        return link if link is not None and self._stage(link) is _Stage.INTRODUCED else None

    def _refuse(self, link: str, reason: RefusalReason, detail: str = "") -> None:
        """A refusal changes only the connection."""
        self._say(Refused(link, reason, detail))
        self._leave(link)

    def _leave(self, link: str) -> None:
        self._links[link] = _Link(_Stage.LEAVING, None)
        self._stop_serving(link)
        self._say(Disconnect(link))

    def _stop_serving(self, link: str) -> None:
        if self._served == link:
            self._served = None
            self._lose_round()

    def _end(self, reason: EndReason, detail: str = "") -> None:
        """The session is over, for good."""
        ended = follow(OLD, self.state, OldStep.END)
        # The account hears of a QR that somebody bound without proving D, and of a wrong code.
        alarming = (EndReason.WRONG_CODE, EndReason.OTHER_DEVICE)
        report = self.state is OldState.BOUND or reason in alarming
        self.state = ended
        if self._started_at is not None:
            self._say(StopAdvertising())
        for link in [link for link in self._links if self._stage(link) is not _Stage.LEAVING]:
            self._leave(link)
        self._say(Ended(reason, detail, report))

    # -- time -----------------------------------------------------------------------

    def _timers(self) -> Iterator[Timer]:
        yield from self._phase()
        if self._rounds.waiting is not None:
            yield self._rounds.waiting.due, self._round_timed_out
        for link, peer in self._links.items():
            if peer.due is not None:
                yield peer.due, partial(self._link_timed_out, link)

    def _phase(self) -> Iterator[Timer]:
        """What ends the present state: at most one timer."""
        if self.state is OldState.SHOWN and self._started_at is not None:
            yield self._started_at + QR_TTL, partial(self._end, EndReason.QR_EXPIRED)
        elif self.state is OldState.BOUND and self._code_until is not None:
            yield self._code_until, partial(self._end, EndReason.PEER_SILENT)
        elif self.state is OldState.PROMPT and self._code_until is not None:
            yield self._code_until, partial(self._end, EndReason.CODE_TOO_LATE)
        elif self.state is OldState.PROVED:
            yield self._clock.expires, partial(self._end, EndReason.UNCONFIRMED)

    def _link_timed_out(self, link: str) -> None:
        silent = self._stage(link) is _Stage.SILENT
        self._refuse(link, RefusalReason.M1_TIMEOUT if silent else RefusalReason.T1_TIMEOUT)

    def _serving(self) -> bool:
        shown = self._started_at is not None and self.state is not OldState.ENDED
        return shown and self._now < self._clock.expires
