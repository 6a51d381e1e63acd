"""Whatever the desktop says has its words, and it is light to import."""

from __future__ import annotations

import subprocess
import sys
from string import Formatter

from nearproof.daemon.desktop.errors import FingerprintReason, NotifierReason, ScreenReason
from nearproof.daemon.desktop.fingerprint import Hint
from nearproof.daemon.desktop.screen import Blind
from nearproof.daemon.outcomes.desktop import DESKTOP
from nearproof.daemon.texts import TEXTS


def test_every_reason_is_explained() -> None:
    """Each reason has one row, so its own advice."""
    reasons = [*NotifierReason, *FingerprintReason, *ScreenReason]
    assert [outcome.of for outcome in DESKTOP] == reasons


def test_every_hint_has_words() -> None:
    """What to do at the reader, and what could not be looked at."""
    assert {f"finger_{hint}" for hint in Hint} | set(Blind) <= set(TEXTS)


def test_outcomes_fill_in_the_detail_alone() -> None:
    """An error of the desktop has nothing else."""
    assert all(fields(row.text) <= {"detail"} for row in DESKTOP)


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_nothing_heavy_is_imported() -> None:
    """An idle daemon that has nothing to show is spared dbus-fast."""
    modules = ("notify", "fingerprint", "screen")
    imports = "; ".join(f"import nearproof.daemon.desktop.{name}" for name in modules)
    code = f"import sys; {imports}; sys.exit('dbus_fast' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
