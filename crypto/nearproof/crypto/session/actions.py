"""What a session machine asks of its shell, and what it tells the people at the laptops.

Actions are to be carried out in order; events are to be shown and logged.  None of them
holds key material; `CodeShown.code` is for the screen alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class EndReason(StrEnum):
    """Why a session ended without the proof in NEW's hands."""

    CANCELLED = "cancelled"
    # OLD
    QR_EXPIRED = "qr_expired"  # no m1 within 180 s of display
    OTHER_DEVICE = "other_device"  # a different valid m1
    BAD_T1 = "bad_t1"  # a t1 that opens but fails a check
    WRONG_CODE = "wrong_code"
    PEER_SILENT = "peer_silent"  # bound, but no t1 within 120 s of the first m1
    CODE_TOO_LATE = "code_too_late"  # no right code within 120 s of the first m1
    UNCONFIRMED = "unconfirmed"  # proof made, no ack before G.exp
    # NEW
    NOT_NEAR = "not_near"  # no advert matched within 30 s
    NO_ANSWER = "no_answer"  # matched, but no valid m2 in time
    NO_PROOF = "no_proof"  # code shown, but no t2 in time
    BAD_PROOF = "bad_proof"  # t2 opened, but the bundle does not hold
    VERSION = "version"  # the other laptop speaks another version


class RefusalReason(StrEnum):
    """Why one message or link was refused while the session goes on."""

    BAD_M1 = "bad_m1"
    BAD_T1_SEAL = "bad_t1_seal"  # t1 that fails its AEAD
    BAD_ACK = "bad_ack"
    BAD_M2 = "bad_m2"
    BAD_T2_SEAL = "bad_t2_seal"
    M1_TIMEOUT = "m1_timeout"  # 5 s without a whole m1
    T1_TIMEOUT = "t1_timeout"
    M2_TIMEOUT = "m2_timeout"  # NEW: 5 s without a valid m2 on this link
    VERSION = "version"  # ATT error 0x82
    TOO_LONG = "too_long"
    SECOND_CENTRAL = "second_central"
    WRITE_REFUSED = "write_refused"  # NEW: OLD answered a write with another ATT error
    OUT_OF_TURN = "out_of_turn"
    BAD_ROUND = "bad_round"


# -- actions ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Advertise:
    """Start advertising this EID and keep at it."""

    eid: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StopAdvertising:
    """Stop advertising."""


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Frame and send one whole message on the MESSAGES characteristic of this link.

    NEW's shell reports `sent(link, now)` when the last frame has been acknowledged, and sends
    nothing else on that characteristic before.
    """

    link: str
    name: str  # "m1", "m2", "t1", "t2", "ack": for logs
    message: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SendRound:
    """Send one unframed value on the ROUNDS characteristic of this link."""

    link: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RejectWrite:
    """Answer the write in hand with this ATT error."""

    link: str
    att_error: int


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End this link."""

    link: str


# -- events: OLD --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bound:
    """The first valid m1: the QR now belongs to one NEW."""

    link: str


@dataclass(frozen=True, slots=True)
class CodeWanted:
    """A good t1: ask the user to type the code that NEW shows."""

    link: str
    label: str  # what NEW calls itself


@dataclass(frozen=True, slots=True)
class RoundTimed:
    """One round answered: microseconds from notify to write, or None if it was lost."""

    index: int
    rtt: int | None


@dataclass(frozen=True, slots=True)
class ProofMade:
    """The right code was typed; the proof exists and goes out as t2."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """NEW acknowledged the proof: done."""


@dataclass(frozen=True, slots=True)
class OtherDeviceSeen:
    """A different valid m1 after the proof was made: reported, nothing changes."""

    link: str


# -- events: NEW --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OldAnswered:
    """A valid m2: OLD is found and final."""

    link: str


@dataclass(frozen=True, slots=True)
class CodeShown:
    """Show these six digits ("123456") until told to hide them, and subscribe to the rounds.

    Repeated after a reconnection, where only the subscription is new.
    """

    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeHidden:
    """Stop showing the code."""


@dataclass(frozen=True, slots=True)
class ProofReceived:
    """A verified bundle: store it durably, then call `stored(now)`."""

    bundle: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ack has been written: NEW is done with the radio."""


# -- events: both -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """One message or link was refused; the session goes on unchanged."""

    link: str
    reason: RefusalReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over.  `report`: OLD must tell the account (alert on a wrong code)."""

    reason: EndReason
    detail: str = ""
    report: bool = False


Action = Advertise | StopAdvertising | SendMessage | SendRound | RejectWrite | Disconnect
Event = (
    Bound
    | CodeWanted
    | RoundTimed
    | ProofMade
    | Delivered
    | OtherDeviceSeen
    | OldAnswered
    | CodeShown
    | CodeHidden
    | ProofReceived
    | Acknowledged
    | Refused
    | Ended
)
Output = Action | Event
