"""How often and after what pause a connection is tried again: a table and one loop.

Two levels.  Some faults are worth another try at the same advertiser, which `retrying` does
itself; after the rest the advert in hand is stale and the caller has to hear a new one, so
they are handed back (after a pause, where BlueZ needs one).  Anything without an entry, such
as an ATT error of our own or a bad MAC, is terminal and handed back at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

T = TypeVar("T")

OVERALL_DEADLINE: Final = 30.0  # seconds, all tries of one connection together
SCAN_WINDOW: Final = 8.0  # seconds until a scan is started afresh
CONNECT_TIMEOUT: Final = 10.0  # seconds for one try, services included


class Fault(StrEnum):
    """What can go wrong in one try to connect, as far as the answer to it differs."""

    ABORTED = "aborted"  # le-connection-abort-by-local: interference, mostly
    IN_PROGRESS = "in_progress"  # bluetoothd is still busy with the try before
    DISCOVERY = "discovery"  # connected and gone again before its services were read
    TIMEOUT = "timeout"
    GONE = "gone"  # bluetoothd has forgotten the device
    WRONG_BEARER = "wrong_bearer"  # br-connection-*: it dialled classic Bluetooth
    FAILED = "failed"  # refused for any other reason


@dataclass(frozen=True, slots=True)
class Rule:
    """After a fault: pause `delay` plus up to `jitter` seconds, then `again` more tries."""

    again: int = 0
    delay: float = 0.0
    jitter: float = 0.0


MANY: Final = 1_000_000  # the overall deadline is the limit

RULES: Final[Mapping[Fault, Rule]] = MappingProxyType(
    {
        Fault.ABORTED: Rule(again=MANY, delay=0.25, jitter=0.25),
        Fault.IN_PROGRESS: Rule(again=MANY, delay=0.25, jitter=0.25),
        # A race inside bluetoothd (seen in 7 of 103 connections): once more, at once.
        Fault.DISCOVERY: Rule(again=1),
        Fault.TIMEOUT: Rule(delay=0.5),
        Fault.GONE: Rule(),
        Fault.WRONG_BEARER: Rule(),
        Fault.FAILED: Rule(delay=0.25, jitter=0.25),
    }
)


@dataclass(frozen=True, slots=True)
class Clockwork:
    """The outside world of the loop.

    `now` is a monotonic clock in seconds, `sleep` waits that many, `uniform(a, b)` draws
    from [a, b]: jitter, not a secret.
    """

    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    uniform: Callable[[float, float], float]


async def retrying(
    attempt: Callable[[], Awaitable[T]],
    classify: Callable[[Exception], Fault | None],
    clockwork: Clockwork,
    *,
    overall: float = OVERALL_DEADLINE,
) -> T:
    """Run `attempt` by the rules until it succeeds, and return what it returned.

    Raises the last exception of `attempt` when the rules allow no further try, when the next
    one would begin `overall` seconds or more after the first, or when `classify` says None.
    """
    deadline = clockwork.now() + overall
    seen: Counter[Fault] = Counter()
    while True:
        try:
            return await attempt()
        except Exception as error:
            fault = classify(error)
            if fault is None:
                raise
            rule = RULES[fault]
            seen[fault] += 1
            pause = rule.delay + clockwork.uniform(0.0, rule.jitter)
            if clockwork.now() + pause >= deadline:
                raise
            if pause:
                await clockwork.sleep(pause)
            if seen[fault] > rule.again:
                raise
