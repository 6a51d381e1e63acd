"""What goes over HTTP: JSON bodies, problem details (RFC 9457), codes and media types.

Client and server share this module.  What may stand in a `repr` is decided here too: no code,
no PIN proof, no user key does.  Identifiers (kid, cti, ceremony) are lower-case hex,
keys are standard base64, times are whole UNIX seconds on the database's clock.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from nearproof.crypto.messages import MAX_LABEL
from nearproof.daemon.locale import marked

API_VERSION: Final = 1
SERVICE: Final = "nearproof"

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
BUNDLE: Final = "application/cbor"
GRANT: Final = 'application/cose; cose-type="cose-sign1"'  # RFC 9052, 11.3.1

MAX_JSON: Final = 4096  # bytes of a request's JSON body
MAX_BUNDLE: Final = 4096  # bytes (SPEC, Bundle)
MAX_ACCOUNT: Final = 64  # characters

# In answers, which a laptop shows, keeps, or asks about next.
Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
MaybeId = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{32})?\Z")]
Label = Annotated[str, msgspec.Meta(max_length=MAX_LABEL)]
AccountName = Annotated[str, msgspec.Meta(max_length=MAX_ACCOUNT)]


class ServiceCode(StrEnum):
    """Why a request was refused, where it is not the verifier that refuses (`RefusalCode`)."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    MEDIA_TYPE = "media_type"
    NOT_FOUND = "not_found"
    METHOD = "method"
    BUSY = "busy"
    INTERNAL = "internal"
    # who asks
    SIGNATURE = "signature"
    SIGNATURE_TIME = "signature_time"
    UNKNOWN_DEVICE = "unknown_device"
    DEVICE_REVOKED = "device_revoked"
    IDEMPOTENCY_KEY = "idempotency_key"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    # the PIN
    CHALLENGE = "challenge"  # unknown, used, or too old: ask for another
    PIN_NEEDED = "pin_needed"
    WRONG_PIN = "wrong_pin"
    PIN_LOCKED = "pin_locked"
    DEVICE_DEAD = "device_dead"
    # starting
    CONSENT = "consent"
    INVITE = "invite"
    KEY_KNOWN = "key_known"
    CEREMONY_RUNNING = "ceremony_running"
    NO_SLOT = "no_slot"
    STARTS_USED_UP = "starts_used_up"
    TOO_NEW = "too_new"
    PHONE_CHANGED = "phone_changed"
    # copying
    CEREMONY_OVER = "ceremony_over"
    NOT_ITS_OLD = "not_its_old"
    WAITING = "waiting"
    GRANTS_USED_UP = "grants_used_up"
    ALREADY_USED = "already_used"
    # enrolling
    NOT_ITS_NEW = "not_its_new"
    OUT_OF_TURN = "out_of_turn"
    NAMES_USED_UP = "names_used_up"
    CODES_USED_UP = "codes_used_up"
    CODE_VOID = "code_void"
    WRONG_SMS_CODE = "wrong_sms_code"


class DeviceState(StrEnum):
    """Where a laptop stands; all but ENROLLING and ACTIVE are final."""

    ENROLLING = "enrolling"  # its enrolment is under way
    ACTIVE = "active"
    REVOKED = "revoked"
    DEAD = "dead"  # too many wrong PINs
    ABANDONED = "abandoned"  # its enrolment has ended without it


class CeremonyKind(StrEnum):
    """What leads to the new laptop."""

    COPY = "copy"
    INVITE = "invite"


class CeremonyState(StrEnum):
    """Where a ceremony stands, in its order; from DONE on it is over."""

    LIVE = "live"  # the wait, then the QR codes
    PROVED = "proved"  # a bundle was redeemed: the user ID is next
    NAMED = "named"  # a code was sent: it is next
    CONFIRMED = "confirmed"  # the code was right: the PIN is next
    DONE = "done"  # the new laptop is active
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # past its deadline
    REFUSED = "refused"  # too many wrong codes


OPEN: Final = (
    CeremonyState.LIVE,
    CeremonyState.PROVED,
    CeremonyState.NAMED,
    CeremonyState.CONFIRMED,
)
"""The states of a ceremony that can still lead to an active laptop, in order."""


class Verification(StrEnum):
    """How a person was verified (uv) when a copy was started."""

    PIN = "pin"
    FINGERPRINT = "fingerprint"  # stated by the device key; good for the start alone


class PinAction(StrEnum):
    """What a PIN proof is made for."""

    COPY = "copy"
    GRANT = "grant"
    SET = "set"  # by the new user key
    CHANGE = "change"  # by the old one


class EventKind(StrEnum):
    """What every active laptop of an account hears of."""

    COPY_STARTED = "copy_started"
    ACTIVATION_STARTED = "activation_started"  # by an operator's invite
    CANCELLED = "cancelled"
    REFUSED = "refused"
    ACTIVATED = "activated"
    REVOKED = "revoked"
    PIN_LOCKED = "pin_locked"
    DEVICE_DEAD = "device_dead"
    PHONE_CHANGED = "phone_changed"
    FRAUD_ALERT = "fraud_alert"  # OLD was typed a wrong check code


class ReportReason(StrEnum):
    """What OLD tells its account about a QR: OLD's own `EndReason`s, and what it saw later."""

    CANCELLED = "cancelled"
    QR_EXPIRED = "qr_expired"
    OTHER_DEVICE = "other_device"
    BAD_T1 = "bad_t1"
    WRONG_CODE = "wrong_code"
    CODE_TOO_LATE = "code_too_late"
    UNCONFIRMED = "unconfirmed"  # the proof was made, no ack came
    OTHER_DEVICE_SEEN = "other_device_seen"  # a different m1, after the proof was made


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body that a client sends: nothing in it that the server does not know, or may show."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Nothing(_Request, frozen=True):
    """The body of a POST that has nothing to add: `{}`."""


class Activation(_Request, frozen=True):
    """Enrol a laptop by invite; the request is signed by `public_key` (32 bytes)."""

    code: str
    public_key: bytes
    label: str


class ChallengeRequest(_Request, frozen=True):
    """Ask for a challenge; `ceremony` is empty for an action outside of one."""

    action: PinAction
    ceremony: str = ""


class Start(_Request, frozen=True):
    """Start a copy: "Yes, I want to copy", and a PIN proof (COPY) or a fingerprint."""

    consent: bool
    uv: Verification
    proof: bytes = b""


class GrantRequest(_Request, frozen=True):
    """Ask for a grant; `proof` (GRANT) may be empty within half an hour of the last."""

    proof: bytes = b""


class Name(_Request, frozen=True):
    """The user ID that the person named on the new laptop."""

    account: str


class SmsCode(_Request, frozen=True):
    """The temporary code from the SMS."""

    code: str


class NewPin(_Request, frozen=True):
    """Set the first PIN: the user key's public half (32 bytes), and its proof (SET)."""

    user_public: bytes
    proof: bytes


class PinChange(_Request, frozen=True):
    """Swap the user key: a proof by the old one (CHANGE) and by the new one (SET).

    Both are over the one challenge for CHANGE.
    """

    old_proof: bytes
    user_public: bytes
    proof: bytes


class Report(_Request, frozen=True):
    """OLD's word on the QR of one grant."""

    cti: str
    reason: ReportReason


class Info(msgspec.Struct, frozen=True):
    """Who answers, and the time that request signatures are judged by."""

    service: str
    api: int
    issuer: bytes
    now: int


class Policy(msgspec.Struct, frozen=True):
    """The limits in force; times in seconds."""

    wait: int
    lifetime: int
    enrolment: int
    grants: int
    names: int
    codes: int
    code_tries: int
    code_lifetime: int
    resend_after: int
    devices: int
    starts_a_day: int
    newcomer: int
    phone_settles: int
    pin_fresh: int
    rounds: int


class Health(msgspec.Struct, frozen=True):
    """The database answers; how many SMS wait to be handed over."""

    status: str
    sms_waiting: int


class Event(msgspec.Struct, frozen=True):
    """Something that every laptop of the account should show; `label` is whose doing or fate."""

    id: int
    kind: EventKind
    at: int
    ceremony: MaybeId = ""
    label: Label = ""


class Events(msgspec.Struct, frozen=True):
    """What came after the cursor that was asked with; ask with this one next."""

    cursor: int
    events: tuple[Event, ...]


class Device(msgspec.Struct, frozen=True):
    """One laptop, as its account sees it.

    `account` is empty while it is being enrolled: it must be named by the person.  `ceremony` is
    the account's open one.  `wrong_pins` counts since the last right PIN.
    """

    account: AccountName
    kid: Id
    label: Label
    state: DeviceState
    ceremony: MaybeId = ""
    wrong_pins: int = 0
    locked_until: int = 0


class Listed(msgspec.Struct, frozen=True):
    """One laptop of a list; times are UNIX seconds."""

    kid: Id
    label: Label
    enrolled_at: int


class Devices(msgspec.Struct, frozen=True):
    """The active laptops of an account, oldest first."""

    devices: tuple[Listed, ...]


class Challenge(msgspec.Struct, frozen=True):
    """32 bytes to prove a PIN over, once."""

    challenge: bytes
    expires_at: int


class Ceremony(msgspec.Struct, frozen=True):
    """One ceremony as the account sees it.  Times are UNIX seconds; `waits` is in seconds.

    `old` is empty for an invite; `new_label` is what the new laptop calls itself.  `wrong_pins`
    is how many wrong PINs came before the asking laptop's last right one.
    """

    id: Id
    state: CeremonyState
    old: MaybeId
    started_at: int
    ready_at: int
    deadline: int
    waits: int
    grants_left: int
    new_label: Label = ""
    kind: CeremonyKind = CeremonyKind.COPY
    wrong_pins: int = 0

    @property
    def live(self) -> bool:
        """Whether it can still lead to an active laptop."""
        return self.state in OPEN


class Enrolment(msgspec.Struct, frozen=True):
    """One ceremony as the new laptop sees it: the same for a right and for a wrong user ID.

    `account` is empty until it is active.  Times are UNIX seconds, 0 where there is none.
    """

    id: Id
    state: CeremonyState
    label: Label
    deadline: int
    waits: int
    names_left: int
    codes_left: int
    tries_left: int
    code_expires_at: int = 0
    resend_at: int = 0
    account: AccountName = ""


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457.  `code` is a `ServiceCode` or a `RefusalCode`; `step` is the verifier's."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    step: int | None = None
    seconds: int | None = None
    tries_left: int | None = None
    devices: tuple[Listed, ...] = ()


def essence(media: str) -> str:
    """A media type without its parameters (RFC 9110 8.3.1)."""
    return media.partition(";")[0].strip().lower()


def account_name(text: str) -> str:
    """The one form of a user ID: NFC, lower case, without surrounding space.

    Raises ValueError unless it has 1 to 64 letters, digits, or `-_.@+`.
    """
    name = unicodedata.normalize("NFC", text.strip()).casefold()
    if not 0 < len(name) <= MAX_ACCOUNT:
        raise ValueError(marked("a user ID has 1 to 64 characters"))
    if not all(character.isalnum() or character in "-_.@+" for character in name):
        raise ValueError(marked("a user ID has letters, digits, and - _ . @ + only"))
    return name
