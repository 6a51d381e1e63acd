"""Round trips, as OLD times them while the user types (SPEC, section 7.6).

Evidence only: they bound the distance of nobody, and nothing is refused for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nearproof.crypto.handshake import round_answer
from nearproof.crypto.primitives import equal
from nearproof.crypto.proof import Rtt
from nearproof.crypto.session.timing import ROUND_TTL, Micros

NONCE_SIZE: Final = 8
CHALLENGE_SIZE: Final = 1 + NONCE_SIZE


@dataclass(frozen=True, slots=True)
class OpenRound:
    """The round that waits for its answer."""

    challenge: bytes = field(repr=False)
    """i | c_i, 9 bytes."""
    since: Micros

    @property
    def index(self) -> int:
        """i: counts up from 0 and never repeats, also across links."""
        return self.challenge[0]

    @property
    def due(self) -> Micros:
        """When it is lost."""
        return self.since + ROUND_TTL


class Rounds:
    """The rounds of one QR: at most `limit` are ever opened, one at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._opened = 0
        self._times: list[int] = []
        self.waiting: OpenRound | None = None

    @property
    def left(self) -> int:
        """How many may still be opened."""
        return self._limit - self._opened

    def open(self, nonce: bytes, now: Micros) -> bytes:
        """Open the next one with 8 random bytes: the value to notify."""
        self.waiting = OpenRound(bytes([self._opened]) + nonce, now)
        self._opened += 1
        return self.waiting.challenge

    def answer(self, key: bytes, value: bytes, now: Micros) -> int | None:
        """Close the open round with NEW's answer: its microseconds, or None for a bad MAC."""
        waiting = self.waiting
        self.waiting = None
        if waiting is None or not equal(value, round_answer(key, waiting.challenge)):
            return None
        self._times.append(now - waiting.since)
        return self._times[-1]

    def summary(self) -> Rtt:
        """What goes into the proof."""
        if not self._times:
            return Rtt()
        times = sorted(self._times)
        return Rtt(median_us=times[(len(times) - 1) // 2], min_us=times[0], n=len(times))
