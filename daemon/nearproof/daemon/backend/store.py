"""Transactions, and the clock that decides.

What a committed transaction wrote survives `kill -9` and a power cut.  A write has its lock
before it reads what it decides on: the whole SQLite file, or on PostgreSQL the row of its
account (`locked`), so that it cannot change under it, however many workers there are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from nearproof.daemon.backend.databases import LOCK_TIMEOUT, database
from nearproof.daemon.backend.errors import DatabaseAway, DatabaseDamaged
from nearproof.daemon.backend.facts import Millis, Problem
from nearproof.daemon.backend.migrations import migrate
from nearproof.daemon.backend.records import Records
from nearproof.daemon.backend.schema import accounts
from nearproof.daemon.backend.wire import ServiceCode
from nearproof.daemon.locale import marked


class Store:
    """The database of one backend.  Thread-safe.

    `url`: sqlite:///PATH or postgresql://...  Raises on opening: `DatabaseRefused`,
    `DatabaseAway`, `DatabaseDamaged`, `DatabaseForeign`, `SchemaUnknown`.
    """

    def __init__(self, url: str) -> None:
        self._database = database(url)
        self._engine = self._database.engine()
        # SQLite makes waiting writers poll; within a process a lock queues them instead.
        self._writers = threading.Lock() if self._database.serial else None
        self._open()

    def _open(self) -> None:
        """Connect, and bring the schema up to date."""
        connected = False
        try:
            self._engine.connect().close()
            connected = True
            migrate(self._engine)
        except BaseException as error:
            self.close()
            if not isinstance(error, DBAPIError):
                raise
            if self._database.damaged(error.orig):
                raise DatabaseDamaged(_first_line(error)) from error
            if not connected or self._database.transient(error.orig):
                raise DatabaseAway(_first_line(error)) from error
            raise

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def write(self, account: str | None = None) -> Iterator[Records]:
        """One write transaction: committed on leaving, rolled back by any exception.

        It holds `account` from the start; None where nothing of an account that exists is
        decided.  Raises `Problem` (BUSY) where the lock, or the disk, cannot be had.
        """
        with self._turn(), self._transaction(reading=False, account=account) as records:
            yield records

    @contextmanager
    def read(self) -> Iterator[Records]:
        """One snapshot to read from; raises `Problem` (BUSY) as `write` does."""
        with self._transaction(reading=True) as records:
            yield records

    def clock(self, connection: Connection) -> Millis:
        """The database's clock, the only one that decides."""
        return self._database.clock(connection)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._writers is None:
            yield
            return
        if not self._writers.acquire(timeout=LOCK_TIMEOUT):
            raise _busy()
        try:
            yield
        finally:
            self._writers.release()

    @contextmanager
    def _transaction(self, *, reading: bool, account: str | None = None) -> Iterator[Records]:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(reading=reading)
                with connection.begin():
                    if account is not None and not self._database.serial:
                        row = select(accounts.c.name).where(accounts.c.name == account)
                        connection.execute(row.with_for_update())
                    # After the lock: whoever waited for it must not decide by an older time.
                    yield Records(connection, self.clock(connection))
        except DBAPIError as error:
            if self._database.damaged(error.orig):
                raise DatabaseDamaged(_first_line(error)) from error
            if not self._database.transient(error.orig):
                raise
            raise _busy() from error  # rolled back: nothing has happened


def _first_line(error: DBAPIError) -> str:
    """What the driver says; the lines below it explain, and fit no sentence."""
    return str(error.orig).partition("\n")[0]


def _busy() -> Problem:
    return Problem(ServiceCode.BUSY, marked("the database cannot take this now"), seconds=1)
