"""Make room for the next copy, at the backend's console: `python -m hil.tidy DATA ACCOUNT`.

Cancels the account's copy and revokes every laptop but the first; with `--count` it only prints
how many are active.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from nearproof.daemon.backend.admin import cancel, revoke

ACTIVE = "SELECT kid FROM devices WHERE account = ? AND state = 'active' ORDER BY enrolled"


def main() -> None:
    """Do it."""
    data, account, *count = sys.argv[1:]
    uri = f"file:{data}/backend.db?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        active = [kid for (kid,) in database.execute(ACTIVE, (account,))]
    if count:
        print(len(active))
        return
    cancel(Path(data), account)
    for kid in active[1:]:
        revoke(Path(data), kid)


if __name__ == "__main__":
    main()
