"""The clocks of this machine itself; `backend` holds the laptop's against the backend's."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from typing import Final

from nearproof.daemon.clock import boottime as now
from nearproof.daemon.doctor.checks import (
    LAPTOPS,
    Area,
    Check,
    Result,
    Role,
    Target,
    fail,
    ok,
    skipped,
    warn,
)
from nearproof.daemon.outcomes.kinds import Exit

SYNCHRONIZE: Final = "sudo timedatectl set-ntp true"

_TIMEX_SIZE: Final = 512  # bytes; struct timex has 208 on 64-bit Linux
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronized


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """CLOCK_BOOTTIME and, before it, CLOCK_MONOTONIC, in microseconds; the kernel's NTP state.

    None where the kernel does not tell.
    """

    boottime: int | None
    monotonic: int
    synchronized: bool | None


async def gather(_target: Target) -> ClockFacts:
    """Read the clocks."""
    monotonic = time.monotonic_ns() // 1000
    try:
        boottime = now()
    except OSError:
        boottime = None
    return ClockFacts(boottime, monotonic, _synchronized())


def _synchronized() -> bool | None:
    """Asked of the kernel, so that it does not matter which daemon keeps the time."""
    asked = ctypes.create_string_buffer(_TIMEX_SIZE)  # modes = 0: change nothing
    state = ctypes.CDLL(None).adjtimex(asked)
    return None if state < 0 else state != _TIME_ERROR


def boottime(facts: ClockFacts) -> Result:
    """There is a clock that goes on while the laptop sleeps."""
    if facts.boottime is None or facts.boottime < facts.monotonic:
        return fail(
            "the kernel has no clock that goes on while the laptop sleeps (CLOCK_BOOTTIME)",
            "sudo apt-get update && sudo apt-get full-upgrade",
        )
    return ok("the clock goes on during sleep")


def ntp(facts: ClockFacts) -> Result:
    """The backend's clock decides every waiting time, so it had better be right."""
    if facts.synchronized is None:
        return skipped("the kernel does not tell whether its clock is kept")
    if not facts.synchronized:
        return warn(
            "nothing keeps this machine's clock, by which all waiting times are counted",
            SYNCHRONIZE,
        )
    return ok("the clock is synchronized")


CLOCK: Final = Area(
    gather,
    (
        Check("clock.boottime", LAPTOPS, Exit.TRY_AGAIN, boottime),
        Check("clock.ntp", frozenset({Role.BACKEND}), Exit.TRY_AGAIN, ntp),
    ),
)
