"""The process that outlives a rig by an instant, so that nothing of the rig does.

It makes the rig's temporary directory and prints its path, then reads process groups from its
standard input, a number a line.  The rig holds the other end.  When that closes, because the
rig is done or because it was killed, the keeper kills the groups and removes the directory:
there is one way to clean up, and every run takes it.

A User Mode Linux leaves spinning stub processes when only its main process is killed; hence
groups.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Keep one rig; see the module's text."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    root = Path(tempfile.mkdtemp(prefix="nearproof-rig-"))
    print(root, flush=True)
    groups = {int(line) for line in sys.stdin}
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    wait_for_end(groups)
    shutil.rmtree(root)


def wait_for_end(groups: set[int]) -> None:
    """Wait until no process of these groups runs; they have been killed."""
    while running := members(groups):
        for process in running:
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(process)
                select.select([descriptor], [], [])  # readable when it has ended
                os.close(descriptor)


def members(groups: set[int]) -> list[int]:
    """The processes of these groups, without zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            process, _, rest = stat.read_text().partition(" (")
            state, _, group = rest.rpartition(") ")[2].split()[:3]
            if state not in "ZX" and int(group) in groups:
                found.append(int(process))
    return found


if __name__ == "__main__":
    main()
