"""What a PIN try costs: pure.

A device's counter, never an account's: nobody can lock out somebody else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from nearproof.daemon.backend.facts import Ceremony, Device, Millis, Problem
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.rules import seconds_until
from nearproof.daemon.backend.wire import DeviceState, ServiceCode

LADDER: Final = {3: 3 * 3600, 6: 24 * 3600}
"""Wrong tries, and for how many seconds the PIN is locked after them."""
DEAD_AFTER: Final = 9
"""Wrong tries, and the laptop is dead."""


def require_unlocked(device: Device, now: Millis) -> None:
    """Raise `Problem` while the PIN is locked: no try is evaluated then."""
    if seconds := seconds_until(device.locked_until, now):
        raise Problem(ServiceCode.PIN_LOCKED, "too many wrong PINs", seconds=seconds)


def wrong(device: Device, now: Millis) -> Device:
    """The laptop after one more wrong PIN: perhaps locked, or dead."""
    count = device.wrong_pins + 1
    if count >= DEAD_AFTER:
        return replace(device, wrong_pins=count, state=DeviceState.DEAD, slot=None)
    locked = now + LADDER[count] * 1000 if count in LADDER else 0
    return replace(device, wrong_pins=count, locked_until=locked)


def right(device: Device) -> Device:
    """The laptop after a right PIN: the ladder starts anew, and remembers what came before."""
    return replace(device, wrong_pins=0, wrong_before=device.wrong_pins, locked_until=0)


def refusal(device: Device, now: Millis) -> Problem:
    """What to say after the wrong PIN that led to this state of the laptop."""
    if device.state is DeviceState.DEAD:
        return Problem(ServiceCode.DEVICE_DEAD, "too many wrong PINs: this laptop is blocked")
    left = min(step for step in (*LADDER, DEAD_AFTER) if step > device.wrong_pins)
    return Problem(
        ServiceCode.WRONG_PIN,
        "wrong PIN",
        seconds=seconds_until(device.locked_until, now) or None,
        tries_left=0 if device.wrong_pins in LADDER else left - device.wrong_pins,
    )


def is_fresh(ceremony: Ceremony, now: Millis, policy: BackendPolicy) -> bool:
    """Whether the last PIN for a grant of this ceremony still stands for the next one."""
    return ceremony.pin_at > 0 and now <= ceremony.pin_at + policy.pin_fresh * 1000
