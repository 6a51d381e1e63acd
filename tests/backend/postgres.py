"""A PostgreSQL server of the tests' own: a socket in a temporary folder, no network.

It is Debian's `postgresql` package.  PostgreSQL does not run as root, so that root gives its
processes to `nobody`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "120",
    "shared_buffers": "32MB",
}
# The tests kill the backend, never the database: its own durability may be switched off.
UNSYNCED = {"fsync": "off", "full_page_writes": "off"}
_names = count(1)


def programs() -> Path | None:
    """Where `initdb` and `postgres` are, None if they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    candidates = [*reversed(found), *map(Path, os.get_exec_path())]
    return next((path for path in candidates if (path / "initdb").exists()), None)


class Cluster:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def database(self, template: str = "template0") -> str:
        """The URL of a new database: an empty one, or a copy of the one named."""
        name = f"test{os.getpid()}_{next(_names)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return f"postgresql://nearproof@/{name}?host={self._folder}"

    def drop(self, url: str) -> None:
        """Remove the database of this URL, whoever uses it."""
        self._execute(f'DROP DATABASE "{name_of(url)}" WITH (FORCE)')

    def close(self, url: str, *, again: bool = False) -> None:
        """Let nobody into the database of this URL, and throw out who is there; or open it."""
        name = name_of(url)
        self._execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {str(again).lower()}')
        self._execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
        )

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _dsn(self, name: str) -> str:
        return f"host={self._folder} user=nearproof dbname={name}"


def name_of(url: str) -> str:
    """The database's name."""
    return urlsplit(url).path.lstrip("/")


@contextmanager
def cluster(binaries: Path, *, durable: bool = False) -> Iterator[Cluster]:
    """Start a server for as long as the block runs; `durable` is for measuring."""
    options = OPTIONS if durable else OPTIONS | UNSYNCED
    folder = Path(tempfile.mkdtemp(prefix="np-pg-"))
    unprivileged: dict[str, Any] = {}
    if os.geteuid() == 0:
        unprivileged = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, "nobody", "nogroup")
    data = folder / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "nearproof", "-A", "trust", "-N", "-E", "UTF8"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        **unprivileged,
    )
    chosen = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    server = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-k", folder, *chosen],
        stderr=subprocess.PIPE,
        cwd="/",
        **unprivileged,
    )
    try:
        assert server.stderr is not None
        for line in server.stderr:
            if b"ready to accept connections" in line:
                break
        server.stderr.close()
        yield Cluster(folder)
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder)
