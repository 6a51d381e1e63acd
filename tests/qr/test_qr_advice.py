"""Advice: what each kind of bad frame is called, and how seldom it is said."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nearproof.qr.advice import HOLD, PAUSE, AdviceReason, Adviser, objection
from nearproof.qr.candidate import locate
from nearproof.qr.lens import Shot
from nearproof.qr.measure import measure
from qr.samples import TEXT, photo


@pytest.mark.parametrize(
    ("shot", "text", "reason"),
    [
        (Shot(exposure=0.05), TEXT, AdviceReason.DARK),
        (Shot(exposure=0.15), None, AdviceReason.DARK),
        (Shot(width=60), TEXT, AdviceReason.TOO_SMALL),
        (Shot(width=80, noise=10), TEXT, AdviceReason.TOO_SMALL),
        (Shot(blur=4), TEXT, AdviceReason.BLURRED),
        (Shot(blur=5, noise=10), TEXT, AdviceReason.BLURRED),
        (Shot(blur=6, width=400), TEXT, AdviceReason.BLURRED),
        (Shot(motion=15), TEXT, AdviceReason.BLURRED),
        (Shot(), TEXT, AdviceReason.CLEAR),
        (Shot(noise=50), TEXT, AdviceReason.CLEAR),
        (Shot(yaw=50), TEXT, AdviceReason.CLEAR),
        (Shot(), None, AdviceReason.CLEAR),
        (Shot(noise=15), None, AdviceReason.CLEAR),
    ],
)
def test_a_bad_frame_is_called_what_it_is(
    shot: Shot, text: str | None, reason: AdviceReason
) -> None:
    """And a frame with nothing wrong, or with no code in it, is not complained about."""
    for seed in range(5):
        grey = photo(shot, text, seed)
        assert objection(measure(grey, locate(grey))) is reason


def test_advice_waits_until_it_has_held() -> None:
    """One dark frame is a hand before the lens."""
    adviser = Adviser()
    assert adviser.hear(AdviceReason.DARK, 10.0) is None
    assert adviser.hear(AdviceReason.CLEAR, 10.3) is None
    assert adviser.hear(AdviceReason.DARK, 10.5) is None
    assert adviser.hear(AdviceReason.DARK, 10.5 + HOLD - 0.01) is None
    assert adviser.hear(AdviceReason.DARK, 10.5 + HOLD) is AdviceReason.DARK


def test_advice_is_given_on_change_only() -> None:
    """The same thing is not said twice; that it has passed is said once."""
    adviser = Adviser()
    said = [adviser.hear(AdviceReason.DARK, at / 10) for at in range(50)]
    said += [adviser.hear(AdviceReason.CLEAR, at / 10) for at in range(50, 100)]
    assert [reason for reason in said if reason] == [AdviceReason.DARK, AdviceReason.CLEAR]


def test_advice_is_never_given_twice_within_the_pause() -> None:
    """Even for a foreign QR, which is certain at its first reading."""
    adviser = Adviser()
    assert adviser.hear(AdviceReason.FOREIGN, 0.0) is AdviceReason.FOREIGN
    times = [0.0]
    for at in range(1, 300):
        reason = AdviceReason.FOREIGN if at % 7 == 0 else AdviceReason.CLEAR
        if adviser.hear(reason, at / 30):
            times.append(at / 30)
    assert all(later - earlier >= PAUSE for earlier, later in pairwise(times))


def test_a_camera_failure_is_said_at_once() -> None:
    """It is no matter of opinion; and said again only after something else."""
    adviser = Adviser()
    assert adviser.say(AdviceReason.BUSY, 0.0) is AdviceReason.BUSY
    assert adviser.say(AdviceReason.BUSY, 5.0) is None
    assert adviser.say(AdviceReason.GONE, 5.0) is AdviceReason.GONE
