"""Room for the next copy, made at the backend's console: `python -m hil.tidy DATA`.

For each line "tidy ACCOUNT" on standard input it cancels the account's copy and revokes every
laptop but the first; after that, or for "count ACCOUNT", it prints how many are active.  One
process for all of them: to start one takes a virtual laptop longer than the work.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from nearproof.daemon.backend.admin import cancel, revoke

ACTIVE = "SELECT kid FROM devices WHERE account = ? AND state = 'active' ORDER BY enrolled"


def active(data: Path, account: str) -> list[bytes]:
    """The key ids of an account's active laptops, the first one first."""
    uri = f"file:{data}/backend.db?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        return [kid for (kid,) in database.execute(ACTIVE, (account,))]


def main() -> None:
    """Serve until standard input ends."""
    data = Path(sys.argv[1])
    for line in sys.stdin:
        verb, account = line.split()
        if verb == "tidy":
            cancel(data, account)
            for kid in active(data, account)[1:]:
                revoke(data, kid)
        print(len(active(data, account)), flush=True)


if __name__ == "__main__":
    main()
