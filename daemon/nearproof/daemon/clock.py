"""The one clock of the sessions: CLOCK_BOOTTIME, which goes on while the laptop sleeps."""

from __future__ import annotations

import time


def boottime() -> int:
    """Microseconds since boot, suspend included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
