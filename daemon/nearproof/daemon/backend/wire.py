"""What goes over HTTP: JSON bodies, problem details (RFC 9457), codes and media types.

Client and server share this module.  Identifiers (kid, cti, ceremony) are lower-case hex,
keys are standard base64, times are whole UNIX seconds on the database's clock.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Final

import msgspec

API_VERSION: Final = 1
SERVICE: Final = "nearproof"

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
BUNDLE: Final = "application/cbor"
GRANT: Final = 'application/cose; cose-type="cose-sign1"'  # RFC 9052, 11.3.1

MAX_JSON: Final = 4096  # bytes of a request's JSON body
MAX_BUNDLE: Final = 4096  # bytes (SPEC, Bundle)
MAX_ACCOUNT: Final = 64  # characters


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
    # enrolling the first laptop
    INVITE = "invite"
    ACCOUNT_ACTIVE = "account_active"
    KEY_KNOWN = "key_known"
    # copying
    CEREMONY_RUNNING = "ceremony_running"
    CEREMONY_OVER = "ceremony_over"
    NOT_ITS_OLD = "not_its_old"
    WAITING = "waiting"
    GRANTS_USED_UP = "grants_used_up"
    ALREADY_USED = "already_used"


class DeviceState(StrEnum):
    """Where an enrolled laptop stands."""

    ACTIVE = "active"
    REVOKED = "revoked"


class CeremonyState(StrEnum):
    """Where a copy stands; all but LIVE are final."""

    LIVE = "live"
    DONE = "done"  # a bundle was redeemed
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # past its deadline
    REFUSED = "refused"  # too many wrong names


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
    """A body that a client sends: nothing in it that the server does not know."""


class Nothing(_Request, frozen=True):
    """The body of a POST that has nothing to add: `{}`."""


class Activation(_Request, frozen=True):
    """Enrol the first laptop of an account; the request is signed by `public_key` (32 bytes)."""

    code: str
    public_key: bytes
    label: str

    def __repr__(self) -> str:
        return f"Activation(label={self.label!r})"


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


class Alert(msgspec.Struct, frozen=True):
    """Something every laptop of the account should show."""

    kind: str
    ceremony: str
    at: int


class Device(msgspec.Struct, frozen=True):
    """One enrolled laptop, as its account sees it; `alerts` are the newest, newest first."""

    account: str
    kid: str
    label: str
    state: DeviceState
    alerts: tuple[Alert, ...] = ()


class Ceremony(msgspec.Struct, frozen=True):
    """One copy.  Times are UNIX seconds; `waits` is what is left of the wait, in seconds.

    `new_label` is what the laptop that redeemed the proof calls itself.
    """

    id: str
    state: CeremonyState
    old: str
    started_at: int
    ready_at: int
    deadline: int
    waits: int
    grants_left: int
    new_label: str = ""

    @property
    def live(self) -> bool:
        """Whether it can still lead to an enrolment."""
        return self.state is CeremonyState.LIVE


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457.  `code` is a `ServiceCode` or a `RefusalCode`; `step` is the verifier's."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    step: int | None = None
    seconds: int | None = None


def essence(media: str) -> str:
    """A media type without its parameters (RFC 9110 8.3.1)."""
    return media.partition(";")[0].strip().lower()


def account_name(text: str) -> str:
    """The one form of a user ID: NFC, lower case, without surrounding space.

    Raises ValueError unless it has 1 to 64 letters, digits, or `-_.@+`.
    """
    name = unicodedata.normalize("NFC", text.strip()).casefold()
    if not 0 < len(name) <= MAX_ACCOUNT:
        raise ValueError("a user ID has 1 to 64 characters")
    if not all(character.isalnum() or character in "-_.@+" for character in name):
        raise ValueError("a user ID has letters, digits, and - _ . @ + only")
    return name
