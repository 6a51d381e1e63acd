"""What a guesser gets judged of each secret, and whether known and unknown users take as long."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from figures import Figure

from backend import guessing
from backend.hands import Hands
from nearproof.daemon.backend.policy import BackendPolicy


def measure(*, quick: bool) -> list[Figure]:
    """Counts of judged guesses; for the times, how often a known user's answer is the later one."""
    samples = 60 if quick else 400
    with tempfile.TemporaryDirectory() as folder:
        hands = Hands(f"sqlite:///{folder}/counted.db", BackendPolicy())
        counted = {
            "wrong PINs judged, a laptop, for ever": (
                guessing.pins(hands, hands.enrolled("one")),
                9,
            ),
            "wrong SMS codes judged, a copy": (
                guessing.sms_codes(hands, hands.enrolled("two"), "two"),
                9,
            ),
            "  the same, by one laptop in a day": (
                _in_a_day(hands, "three"),
                45,
            ),
            "wrong check codes judged, a copy": (
                guessing.check_codes(hands, hands.enrolled("four")),
                3,
            ),
            "wrong user IDs judged, a copy": (
                guessing.user_ids(hands, hands.enrolled("five")),
                3,
            ),
        }
        hands.close()
        timed = Hands(f"sqlite:///{folder}/timed.db", BackendPolicy(wait=0))
        known, unknown = guessing.name_times(timed, samples)
        timed.close()
    share = guessing.superiority(known, unknown)
    apart = abs(share - 0.5) / guessing.sigma(samples, samples)
    difference = (statistics.median(known) - statistics.median(unknown)) * 1e6
    return [
        *(Figure(name, value, "", 1, target=most) for name, (value, most) in counted.items()),
        Figure("user ID: known takes longer than unknown", share * 100, "%", samples),
        Figure("  from a toss-up", apart, "sigma", samples, target=4),
        Figure(
            "  difference of the medians",
            difference,
            "us",
            samples,
            floor=statistics.median(unknown) * 1e6,
            floor_name="the answer itself",
        ),
    ]


def _in_a_day(hands: Hands, name: str) -> int:
    old = hands.enrolled(name)
    return guessing.in_a_day(hands, lambda: guessing.sms_codes(hands, old, name))
