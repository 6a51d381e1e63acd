"""What can be wrong between a command and the daemon of its laptop."""

from __future__ import annotations

from nearproof.daemon.control.errors import DaemonReason
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose

_E, _W = Exit, Whose

CONTROL: Rows = (
    Outcome(
        DaemonReason.RUNS,
        _E.TRY_AGAIN,
        _W.YOURS,
        "A daemon already serves this laptop. Commands use it by themselves; `systemctl --user "
        "status nearproof` shows it.",
    ),
    Outcome(
        DaemonReason.NO_PLACE,
        _E.PERMISSION,
        _W.LAPTOP,
        "There is no private folder for the daemon's socket ({detail}). Log in at this laptop "
        "itself, or set XDG_RUNTIME_DIR to a folder that is yours alone.",
    ),
    Outcome(
        DaemonReason.LOST,
        _E.TRY_AGAIN,
        _W.OURS,
        "The nearproof daemon ended before this command did. Run the same command again: it "
        "goes on where it stood.",
    ),
    Outcome(
        DaemonReason.STOPPED,
        _E.TRY_AGAIN,
        _W.NOBODY,
        "The nearproof daemon was stopped. Run the same command again: it goes on where it stood.",
    ),
    Outcome(
        DaemonReason.FOREIGN,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "The daemon of this laptop does not speak as this command does ({detail}). Restart it: "
        "systemctl --user restart nearproof",
    ),
)
