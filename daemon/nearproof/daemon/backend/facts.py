"""What the backend knows: the facts that rules judge, as rows give them.

Times are milliseconds since the epoch on the database's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from nearproof.daemon.backend.wire import (
    OPEN,
    CeremonyKind,
    CeremonyState,
    DeviceState,
    Listed,
    ServiceCode,
)

Millis = int


class Problem(Exception):
    """A request that is refused: `seconds` is how long to wait before asking again."""

    def __init__(
        self,
        code: ServiceCode,
        detail: str = "",
        *,
        seconds: int | None = None,
        tries_left: int | None = None,
        devices: tuple[Listed, ...] = (),
    ) -> None:
        self.code = code
        self.detail = detail
        self.seconds = seconds
        self.tries_left = tries_left
        self.devices = devices
        super().__init__(f"{code}: {detail}" if detail else str(code))


class GrantState(StrEnum):
    """Where a grant stands; at most one of a ceremony is ISSUED, and at most one SPENT."""

    ISSUED = "issued"
    VOIDED = "voided"
    SPENT = "spent"


@dataclass(frozen=True, slots=True)
class Account:
    """A user; `phone_since` is when the number was last changed, 0 for the first one."""

    name: str
    phone: str = field(repr=False)
    phone_since: Millis


@dataclass(frozen=True, slots=True)
class Invite:
    """An activation code, by its hash."""

    account: str
    expires: Millis
    used: bool


@dataclass(frozen=True, slots=True)
class Device:
    """A laptop; `public` is its Ed25519 key, `user_public` its user's, 32 bytes each.

    `wrong_pins` counts since the last right PIN, `wrong_before` is what it was before that one.
    `newcomer_until`: until then it may not act on others.
    """

    kid: bytes
    public: bytes
    account: str
    label: str
    state: DeviceState
    slot: int | None = None
    enrolled: Millis = 0
    newcomer_until: Millis = 0
    user_public: bytes = field(default=b"", repr=False)
    wrong_pins: int = 0
    wrong_before: int = 0
    locked_until: Millis = 0


@dataclass(frozen=True, slots=True)
class Ceremony:
    """One way to a new laptop of `account`; it holds `slot` for it.

    `old` is the laptop (kid) that copies, None for an invite; `new` the one (kid) that is being
    enrolled.  `named` is the user ID given last.  `code` is the number of the SMS code in force
    (0: none yet), made at `code_made`, last sent at `code_sent`, `code_wrong` of its tries used;
    `wrong_codes` counts them all.  `pin_at`: when OLD's last PIN for a grant was right.
    """

    id: bytes
    account: str
    kind: CeremonyKind
    old: bytes | None
    state: CeremonyState
    slot: int
    started: Millis
    ready: Millis
    deadline: Millis
    new: bytes | None = None
    named: str = ""
    names: int = 0
    code: int = 0
    code_made: Millis = 0
    code_sent: Millis = 0
    code_wrong: int = 0
    wrong_codes: int = 0
    pin_at: Millis = 0

    @property
    def open(self) -> bool:
        """Whether it can still lead to an active laptop."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant of a ceremony."""

    cti: bytes
    ceremony: bytes
    state: GrantState
