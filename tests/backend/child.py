"""Serve one data folder in a process of its own: DATA_DIR, POLICY, PORT, DATABASE, WORKERS."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.server import serve

if __name__ == "__main__":
    serve(
        "127.0.0.1",
        int(sys.argv[3]),
        Path(sys.argv[1]),
        msgspec.json.decode(sys.argv[2], type=BackendPolicy),
        database=sys.argv[4] or None,
        workers=int(sys.argv[5]),
        ready=lambda ready: print(ready.json(), flush=True),
    )
