"""NEW: finds OLD, commits, shows the code, takes the proof (SPEC, section 7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from nearproof.crypto import advert
from nearproof.crypto.errors import (
    EncodingError,
    KeyRefused,
    LocalError,
    PeerError,
    SealBroken,
    UnknownVersion,
)
from nearproof.crypto.identity import DeviceKey, check_public_key
from nearproof.crypto.messages import ATT_VERSION, MAX_MESSAGE, RSSI_RANGE, QrPayload, check_label
from nearproof.crypto.primitives import KEY_SIZE, Randomness, equal
from nearproof.crypto.session.actions import (
    Acknowledged,
    CodeHidden,
    CodeShown,
    Disconnect,
    Ended,
    EndReason,
    OldAnswered,
    ProofReceived,
    RefusalReason,
    Refused,
    SendMessage,
    SendRound,
)
from nearproof.crypto.session.initiator import Candidate, Initiator, Joined
from nearproof.crypto.session.machine import Machine, Timer
from nearproof.crypto.session.rounds import CHALLENGE_SIZE
from nearproof.crypto.session.timing import (
    ANSWER_WAIT,
    CODE_TTL,
    M2_WAIT,
    MATCH_WAIT,
    PROOF_WAIT,
    Micros,
)
from nearproof.crypto.session.transitions import NEW, NewState, NewStep, follow

R_SIZE: Final = 32


@dataclass(slots=True)
class _Link:
    """The one connection; each message of OLD is expected once on it, m2 and then t2."""

    name: str
    candidate: Candidate
    rssi: int | None
    m2_due: Micros | None
    """Until m2 has come."""
    handed_over: bool = False
    """Whether t2 has come."""
    outgoing: deque[str] = field(default_factory=deque)
    """Names of the messages that the shell has not yet reported as sent."""


class NewSession(Machine):
    """One scan of one QR, at most one bundle.

    Inputs take the clock's reading last; see `nearproof.crypto.session.actions` for what comes
    out.  There is one link at a time; whatever belongs to an earlier one is ignored.  After a
    loss the shell connects again to the same EID, in whatever state; DONE has no deadline, since
    the bundle holds whether or not OLD hears of it.  Randomness is drawn in this order: 32 bytes
    for r; 32 for e at the first connection to each EID.  Drop a session that is over: its keys
    live as long as it does.
    """

    def __init__(
        self,
        *,
        qr: QrPayload,
        issuer_public: bytes,
        device_key: DeviceKey,
        label: str,
        now: Micros,
        randomness: Randomness,
    ) -> None:
        """Begin to look for the OLD that shows `qr`.

        Raises `LocalError` for a label that OLD would refuse (`tidy_label` makes a good one)
        and for an unusable issuer key.
        """
        super().__init__(now)
        try:
            check_label(label)
            check_public_key(issuer_public)
        except (EncodingError, KeyRefused) as error:
            raise LocalError(str(error)) from None
        self.state = NewState.SCAN
        self._randomness = randomness
        self._initiator = Initiator(qr, device_key, label, issuer_public, randomness(R_SIZE))
        self._candidates: dict[bytes, Candidate] = {}
        self._scan_until, self._scan_fails_as = now + MATCH_WAIT, EndReason.NOT_NEAR
        self._link: _Link | None = None
        self._joined: Joined | None = None
        self._joined_at: Micros = now
        self._unanswered: set[int] = set()
        self._showing = False
        self._t2: bytes | None = None
        self._stored = False
        self._acknowledged = False

    # -- what the shell may ask -----------------------------------------------------

    @property
    def phase_ends(self) -> Micros | None:
        """When the present state ends by itself; the code is hidden 30 s before SHOW does."""
        return next((due for due, _ in self._phase()), None)

    # -- inputs ---------------------------------------------------------------------

    def heard(self, uuid: bytes, now: Micros) -> bool:
        """Whether this advertised UUID (16 bytes) is worth a connection now."""
        self.tick(now)
        if self.state is NewState.ENDED:
            return False
        if self._joined is not None:
            return equal(uuid, self._joined.eid)
        matches = advert.match(self._initiator.qr, uuid)
        if matches and self._scan_fails_as is EndReason.NOT_NEAR:
            self._scan_until, self._scan_fails_as = now + ANSWER_WAIT, EndReason.NO_ANSWER
        return matches

    def connected(self, link: str, eid: bytes, rssi: int | None, now: Micros) -> None:
        """A link to the advertiser of `eid` stands and is subscribed: m1 goes out.

        `rssi`: dBm of the advert, None (or a value that HCI does not have) if unknown.  Raises
        `LocalError` if `heard` would refuse this EID, or while another link stands.
        """
        self.tick(now)
        if self.state is NewState.ENDED:
            self._say(Disconnect(link))
            return
        if self._link is not None:
            raise LocalError("one link at a time")
        if not self.heard(eid, now):
            raise LocalError("not an advert of this QR")
        if rssi is not None and not RSSI_RANGE[0] <= rssi <= RSSI_RANGE[1]:
            rssi = None
        sent = follow(NEW, self.state, NewStep.M1)
        if eid not in self._candidates:
            self._candidates[eid] = self._initiator.start(eid, self._randomness(KEY_SIZE))
        candidate = self._candidates[eid]
        self.state = sent
        self._link = _Link(link, candidate, rssi, now + M2_WAIT)
        self._send("m1", candidate.m1)

    def disconnected(self, link: str, now: Micros) -> None:
        """A link ended, whoever ended it."""
        self.tick(now)
        if self._current(link):
            self._link = None

    def receive(self, link: str, message: bytes, now: Micros) -> None:
        """A whole message arrived on MESSAGES."""
        self.tick(now)
        current = self._current(link)
        if current is None:
            return
        if len(message) > MAX_MESSAGE:
            self._refuse(RefusalReason.TOO_LONG, f"{len(message)} bytes")
        elif current.m2_due is not None:
            self._receive_m2(current, message)
        elif self._joined is not None and not current.handed_over:
            self._receive_t2(current, message, self._joined)
        else:
            self._refuse(RefusalReason.OUT_OF_TURN)

    def sent(self, link: str, now: Micros) -> None:
        """The oldest message on its way has been acknowledged in full.

        Raises `LocalError` if none is on its way.
        """
        self.tick(now)
        current = self._current(link)
        if current is None:
            return
        if not current.outgoing:
            raise LocalError("no message is on its way")
        name = current.outgoing.popleft()
        if name == "t1":
            self._show_code()
        elif name == "ack" and not self._acknowledged:
            self._acknowledged = True
            self._say(Acknowledged())

    def write_refused(self, link: str, att_error: int, now: Micros) -> None:
        """OLD answered a write on MESSAGES with this ATT error."""
        self.tick(now)
        current = self._current(link)
        if current is None:
            return
        if att_error == ATT_VERSION and self._joined is None:  # only m1 can have been written
            self._end(EndReason.VERSION)
        else:
            self._refuse(RefusalReason.WRITE_REFUSED, f"ATT error 0x{att_error:02x}")

    def receive_round(self, link: str, value: bytes, now: Micros) -> None:
        """A challenge arrived on ROUNDS: answered if it is a new one, and while the code shows."""
        self.tick(now)
        current = self._current(link)
        if current is None:
            return
        fresh = len(value) == CHALLENGE_SIZE and value[0] in self._unanswered
        wanted = self.state is NewState.SHOW and current.m2_due is None
        if self._joined is not None and fresh and wanted:
            self._unanswered.discard(value[0])
            self._say(SendRound(link, self._joined.answer_round(value)))
        else:
            self._say(Refused(link, RefusalReason.BAD_ROUND))

    def stored(self, now: Micros) -> None:
        """The bundle is on disk: OLD may know.  Raises `LocalError` if there is none, or twice."""
        self.tick(now)
        state = follow(NEW, self.state, NewStep.STORED)
        if self._stored:
            raise LocalError("the bundle was stored before")
        self.state, self._stored = state, True
        self._send_ack()

    def cancel(self, now: Micros) -> None:
        """The user gives up.  Raises `LocalError` if there is nothing left to cancel."""
        self.tick(now)
        self._end(EndReason.CANCELLED)

    # -- messages -------------------------------------------------------------------

    def _receive_m2(self, link: _Link, message: bytes) -> None:
        if self._joined is None:
            self._join(link, message)
        elif equal(message, self._joined.m2):
            link.m2_due = None
            self._send("t1", self._joined.t1)
        else:
            self._refuse(RefusalReason.BAD_M2, "not the m2 that was accepted")

    def _join(self, link: _Link, message: bytes) -> None:
        """The first valid m2: this OLD is final."""
        try:
            joined = link.candidate.join(message, link.rssi)
        except UnknownVersion as error:
            self._end(EndReason.VERSION, str(error))
        except (SealBroken, KeyRefused, EncodingError) as error:
            self._refuse(RefusalReason.BAD_M2, str(error))
        else:
            self.state = follow(NEW, self.state, NewStep.M2)
            self._joined, self._joined_at = joined, self._now
            self._unanswered = set(range(joined.rounds))
            link.m2_due = None
            self._say(OldAnswered(link.name))
            self._send("t1", joined.t1)

    def _receive_t2(self, link: _Link, message: bytes, joined: Joined) -> None:
        if self._t2 is not None:
            if equal(message, self._t2):
                link.handed_over = True
                self._send_ack()
            else:
                self._refuse(RefusalReason.BAD_T2_SEAL, "not the t2 that was accepted")
            return
        try:
            plaintext = joined.open_t2(message)
        except SealBroken as error:
            self._refuse(RefusalReason.BAD_T2_SEAL, str(error))
            return
        try:
            bundle = joined.judge_t2(plaintext)
        except PeerError as error:
            self._end(EndReason.BAD_PROOF, str(error))
            return
        self.state = follow(NEW, self.state, NewStep.T2)
        self._t2, link.handed_over = message, True
        self._hide_code()
        self._say(ProofReceived(bundle))

    def _send_ack(self) -> None:
        """Once the bundle is stored, and on each link on which t2 has come."""
        if self._stored and self._joined and self._link and self._link.handed_over:
            self._send("ack", self._joined.seal_ack())

    def _send(self, name: str, message: bytes) -> None:
        if self._link is not None:
            self._link.outgoing.append(name)
            self._say(SendMessage(self._link.name, name, message))

    # -- the code -------------------------------------------------------------------

    def _show_code(self) -> None:
        in_time = self._now < self._joined_at + CODE_TTL
        if self._joined is not None and self.state is NewState.SHOW and in_time:
            self._showing = True
            self._say(CodeShown(self._joined.check_code()))

    def _hide_code(self) -> None:
        if self._showing:
            self._showing = False
            self._say(CodeHidden())

    # -- link, end, time ------------------------------------------------------------

    def _current(self, link: str) -> _Link | None:
        return self._link if self._link is not None and self._link.name == link else None

    def _refuse(self, reason: RefusalReason, detail: str = "") -> None:
        """A refusal changes only the connection."""
        if self._link is not None:
            self._say(Refused(self._link.name, reason, detail))
            self._leave()

    def _leave(self) -> None:
        if self._link is not None:
            self._say(Disconnect(self._link.name))
            self._link = None

    def _end(self, reason: EndReason, detail: str = "") -> None:
        """The session is over, for good."""
        self.state = follow(NEW, self.state, NewStep.END)
        self._hide_code()
        self._leave()
        self._say(Ended(reason, detail))

    def _timers(self) -> Iterator[Timer]:
        yield from self._phase()
        if self._showing:
            yield self._joined_at + CODE_TTL, self._hide_code
        if self._link is not None and self._link.m2_due is not None:
            yield self._link.m2_due, partial(self._refuse, RefusalReason.M2_TIMEOUT)

    def _phase(self) -> Iterator[Timer]:
        """What ends the present state: at most one timer."""
        if self.state in (NewState.SCAN, NewState.SENT):
            yield self._scan_until, partial(self._end, self._scan_fails_as)
        elif self.state is NewState.SHOW:
            yield self._joined_at + PROOF_WAIT, partial(self._end, EndReason.NO_PROOF)
