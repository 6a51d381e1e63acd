"""What every group of rows needs: a connection, and the database's clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from nearproof.daemon.backend.facts import Millis


class Rows:
    """The rows of one transaction; `now` is the database's clock when it had its lock."""

    def __init__(self, connection: Connection, now: Millis) -> None:
        self._connection = connection
        self.now = now

    def _one(self, query: Any) -> Row[Any] | None:
        return self._connection.execute(query).one_or_none()

    def _all(self, query: Any) -> list[Row[Any]]:
        return list(self._connection.execute(query))

    def _write(self, statement: Any) -> None:
        self._connection.execute(statement)
