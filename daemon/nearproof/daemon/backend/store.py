"""Transactions on the one SQLite file, and the clock that decides.

WAL with full sync: what a committed transaction wrote survives `kill -9` and a power cut.
A write takes the database's lock before it reads anything (BEGIN IMMEDIATE), so that what it
decides on cannot change under it, however many processes serve the same file.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import OperationalError

from nearproof.daemon.backend import schema
from nearproof.daemon.backend.errors import SchemaUnknown
from nearproof.daemon.backend.records import Records
from nearproof.daemon.backend.rules import Millis, Problem
from nearproof.daemon.backend.wire import ServiceCode

THREADS: Final = 8  # readers and the writer; more would only wait for each other
LOCK_TIMEOUT: Final = 10.0  # seconds to wait for other writers

# `unixepoch('subsec')` needs SQLite 3.42; the Julian day has carried milliseconds since 3.0.
_NOW: Final = text("SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)")

_TRANSIENT: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
)


class Store:
    """The database of one backend.  Thread-safe; raises `SchemaUnknown` on opening."""

    def __init__(self, path: Path) -> None:
        self._engine = create_engine(
            f"sqlite:///{path}",
            pool_size=THREADS,
            max_overflow=0,
            pool_timeout=LOCK_TIMEOUT,
            connect_args={"timeout": LOCK_TIMEOUT},
            hide_parameters=True,  # an error's text must not carry a bundle or a code's hash
        )
        event.listen(self._engine, "connect", _set_up_connection)
        event.listen(self._engine, "begin", _begin)
        # SQLite makes waiting writers poll; within a process a lock queues them instead.
        self._writers = threading.Lock()
        self._create_tables()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Records]:
        """One write transaction: committed on leaving, rolled back by any exception.

        Raises `Problem` (BUSY) where the lock, or the disk, cannot be had.
        """
        if not self._writers.acquire(timeout=LOCK_TIMEOUT):
            raise _busy()
        try:
            with self._transaction("BEGIN IMMEDIATE") as records:
                yield records
        finally:
            self._writers.release()

    @contextmanager
    def read(self) -> Iterator[Records]:
        """One snapshot to read from; raises `Problem` (BUSY) as `write` does."""
        with self._transaction("BEGIN") as records:
            yield records

    def clock(self, connection: Connection) -> Millis:
        """The database's clock, the only one that decides."""
        return int(connection.execute(_NOW).scalar_one())

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Records]:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(begin=begin)
                with connection.begin():
                    yield Records(connection, self.clock(connection))
        except OperationalError as error:
            if not _transient(error.orig):
                raise
            raise _busy() from error  # rolled back: nothing has happened

    def _create_tables(self) -> None:
        with self._engine.connect() as connection, connection.begin():
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version == schema.VERSION:
                return
            if version != 0:
                raise SchemaUnknown(f"the database has version {version}, not {schema.VERSION}")
            schema.metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")


def _set_up_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin`, not by the driver
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(options.get("begin", "BEGIN IMMEDIATE"))


def _transient(error: BaseException | None) -> bool:
    """Whether this is the state of the disk or of the lock, and no mistake of ours."""
    code = error.sqlite_errorcode if isinstance(error, sqlite3.Error) else sqlite3.SQLITE_ERROR
    return code & 0xFF in _TRANSIENT  # the primary code of an extended one


def _busy() -> Problem:
    return Problem(ServiceCode.BUSY, "the database cannot take this now", seconds=1)
