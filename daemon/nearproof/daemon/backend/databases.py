"""What differs between SQLite and PostgreSQL: how to begin, what time it is, what passes.

SQLite (the default) is one file: WAL with full sync, and every write takes the file's lock
before it reads (BEGIN IMMEDIATE).  PostgreSQL serves any number of workers: a write holds its
account's row, and reads what it decides on after it has that lock (READ COMMITTED).
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, create_engine, event, text

from nearproof.daemon.backend.errors import DatabaseRefused
from nearproof.daemon.backend.facts import Millis
from nearproof.daemon.locale import marked

THREADS: Final = 8  # readers and the writer of a process; more would only wait for each other
LOCK_TIMEOUT: Final = 10.0  # seconds to wait for other writers

_SQLITE_TRANSIENT: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
)
_SQLITE_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# Connection lost, resources, operator's shutdown, deadlock, serialization, lock timeout; and a
# key that somebody else has inserted first: asked again, that meets its own refusal.
_POSTGRES_TRANSIENT: Final = ("08", "53", "57", "40", "55P03", "23505")
_POSTGRES_NOW: Final = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")


class Database(Protocol):
    """One kind of database."""

    serial: bool
    """Whether a write has the whole database, one at a time: a process then queues its own, and
    need not hold its account."""

    def engine(self) -> Engine:
        """Connections to it."""

    def clock(self, connection: Connection) -> Millis:
        """Its time."""

    def transient(self, error: BaseException | None) -> bool:
        """Whether this is the state of the disk, the server or a lock, and no mistake of ours."""

    def damaged(self, error: BaseException | None) -> bool:
        """Whether what is stored is no database, or no longer a whole one."""


class Sqlite:
    """One file."""

    serial = True

    def __init__(self, path: str) -> None:
        self._path = path

    def engine(self) -> Engine:
        """Connections to it."""
        engine = create_engine(
            f"sqlite:///{self._path}",
            pool_size=THREADS,
            max_overflow=0,
            pool_timeout=LOCK_TIMEOUT,
            connect_args={"timeout": LOCK_TIMEOUT},
            hide_parameters=True,  # an error's text must not carry a bundle or a user key
        )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def clock(self, connection: Connection) -> Millis:
        """This machine's: the file is opened by processes of one machine alone, and what SQLite
        calls 'now' is the same clock, asked by a statement."""
        return time.time_ns() // 1_000_000

    def transient(self, error: BaseException | None) -> bool:
        """Whether the file or its disk is busy or full."""
        return _sqlite_code(error) in _SQLITE_TRANSIENT

    def damaged(self, error: BaseException | None) -> bool:
        """Whether the file is another program's, or has lost pages."""
        return _sqlite_code(error) in _SQLITE_DAMAGED


class Postgres:
    """A server; who may connect is its own business (a socket's peer, a password file)."""

    serial = False

    def __init__(self, url: str) -> None:
        self._url = url

    def engine(self) -> Engine:
        """Connections to it.  Raises `DatabaseRefused` where its driver is not installed."""
        try:
            import psycopg  # noqa: F401 - an extra of the package
        except ImportError:
            raise DatabaseRefused(
                marked("for PostgreSQL install nearproof[postgresql], which brings psycopg")
            ) from None
        return create_engine(
            self._url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=THREADS,
            max_overflow=0,
            pool_timeout=LOCK_TIMEOUT,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            connect_args={
                "connect_timeout": int(LOCK_TIMEOUT),
                "options": f"-c lock_timeout={int(LOCK_TIMEOUT * 1000)} -c synchronous_commit=on",
            },
            hide_parameters=True,
        )

    def clock(self, connection: Connection) -> Millis:
        """The server's, the same for every worker."""
        return int(connection.execute(_POSTGRES_NOW).scalar_one())

    def transient(self, error: BaseException | None) -> bool:
        """Whether the server is away, or another transaction was in the way."""
        state = getattr(error, "sqlstate", None)
        return state is None or state.startswith(_POSTGRES_TRANSIENT)

    def damaged(self, error: BaseException | None) -> bool:
        """Never told to a client as such."""
        return False


_ADDRESS: Final = marked("an address is sqlite:///PATH or postgresql://USER@HOST:PORT/NAME")


def database(url: str) -> Database:
    """The database at `sqlite:///PATH` or `postgresql://...`.  Raises `DatabaseRefused`."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise DatabaseRefused(_ADDRESS) from None
    if parts.password is not None or "password=" in parts.query:
        raise DatabaseRefused(
            marked("no password in the address: use PGPASSFILE or peer authentication")
        )
    match parts.scheme:
        case "sqlite":
            return Sqlite(url.removeprefix("sqlite:///"))
        case "postgresql":
            return Postgres(url)
        case _:
            raise DatabaseRefused(_ADDRESS)


def _sqlite_code(error: BaseException | None) -> int:
    """The primary code of an extended one."""
    # 3.11 has none where SQLite never spoke: SQLITE_ERROR, the code of mistakes.
    return (getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR) & 0xFF


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite` alone
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN" if options.get("reading") else "BEGIN IMMEDIATE")
