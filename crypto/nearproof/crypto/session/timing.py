"""The times of PXP1, in microseconds of a clock that runs on during suspend (CLOCK_BOOTTIME)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nearproof.crypto.errors import LocalError
from nearproof.crypto.grant import LAST_QR, Grant
from nearproof.crypto.grant import QR_TTL as QR_TTL_SECONDS
from nearproof.crypto.verifier import MAX_AGE

Micros = int
"""A reading of the clock, from any epoch; it never goes back."""

SECOND: Final = 1_000_000

# What both sides and the verifier must agree on (SPEC, section 10).
QR_TTL: Final = QR_TTL_SECONDS * SECOND
"""From display to the first m1."""
CODE_TTL: Final = 120 * SECOND
"""From the first m1 to the right code (OLD); from m2 to the code's disappearance (NEW)."""
PROOF_TTL: Final = MAX_AGE * SECOND
"""From the QR's iat to the proof: what the verifier allows."""
ROUND_TTL: Final = 2 * SECOND
"""After which a round is lost."""

# How long to bear with the other side; another implementation may choose otherwise.
M1_WAIT: Final = 5 * SECOND
"""OLD: from a connection to a valid m1."""
T1_WAIT: Final = 10 * SECOND
"""OLD: from m2 to a good t1 on that link."""
M2_WAIT: Final = 5 * SECOND
"""NEW: from a connection to a valid m2."""
MATCH_WAIT: Final = 30 * SECOND
"""NEW: until an advert matches."""
ANSWER_WAIT: Final = 30 * SECOND
"""NEW: from the first match to a valid m2."""
PROOF_WAIT: Final = 150 * SECOND
"""NEW: from m2 to t2; OLD's 120 s and the time to reconnect."""


@dataclass(frozen=True, slots=True)
class GrantClock:
    """OLD's time: the grant's nbf and what has passed since it arrived, never the wall clock."""

    grant: Grant
    received_at: Micros
    """The clock's reading when the grant arrived."""

    @property
    def expires(self) -> Micros:
        """The reading at the grant's exp."""
        return self.received_at + (self.grant.exp - self.grant.nbf) * SECOND

    def unix(self, now: Micros) -> int:
        """UNIX seconds at this reading.  Raises `LocalError` before the grant arrived."""
        if now < self.received_at:
            raise LocalError("the grant was received in the future")
        return self.grant.nbf + (now - self.received_at) // SECOND

    def check_time_left(self, now: Micros) -> None:
        """Raise `LocalError` after exp - 300: m1 and the code must still fit."""
        if self.unix(now) > self.grant.exp - LAST_QR:
            raise LocalError("the grant has no time left for a QR")
