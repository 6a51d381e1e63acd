"""What can be wrong between a command and the daemon of its laptop."""

from __future__ import annotations

from enum import StrEnum


class DaemonReason(StrEnum):
    """Why the daemon did not do what it was asked."""

    RUNS = "daemon_runs"  # another one serves this home
    NO_PLACE = "daemon_no_place"  # nowhere to put the socket
    LOST = "daemon_lost"  # it ended before it answered
    STOPPED = "daemon_stopped"  # it was told to end
    FOREIGN = "daemon_foreign"  # it speaks something else, or is somebody else's


class DaemonError(Exception):
    """The daemon of this laptop could not do it; `detail` is for people and logs."""

    def __init__(self, reason: DaemonReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
