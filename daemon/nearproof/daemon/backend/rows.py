"""What every group of rows needs: a connection, the database's clock, and statements by key.

A statement is built once and executed with its values: building it anew costs more than
the database takes for it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Delete,
    Insert,
    Row,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from nearproof.daemon.backend.facts import Millis


class Rows:
    """The rows of one transaction; `now` is the database's clock when it had its lock."""

    def __init__(self, connection: Connection, now: Millis) -> None:
        self._connection = connection
        self.now = now

    def _one(self, query: Any, **values: Any) -> Row[Any] | None:
        return self._connection.execute(query, values).one_or_none()

    def _all(self, query: Any, **values: Any) -> list[Row[Any]]:
        return list(self._connection.execute(query, values))

    def _write(self, statement: Any, **values: Any) -> None:
        self._connection.execute(statement, values)

    def _find(self, table: Table, **key: Any) -> Row[Any] | None:
        """The one row whose columns have these values."""
        return self._one(_select(table, tuple(key)), **_named(key))

    def _insert(self, table: Table, **values: Any) -> None:
        self._write(_insert(table), **values)

    def _update(self, table: Table, key: dict[str, Any], **values: Any) -> None:
        """The rows whose columns have the values of `key`."""
        self._write(_update(table, tuple(key)), **_named(key), **values)

    def _delete(self, table: Table, **key: Any) -> None:
        self._write(_delete(table, tuple(key)), **_named(key))


def _named(key: dict[str, Any]) -> dict[str, Any]:
    return {f"key_{name}": value for name, value in key.items()}


def _where(table: Table, names: tuple[str, ...]) -> Any:
    return [table.c[name] == bindparam(f"key_{name}") for name in names]


@cache
def _select(table: Table, names: tuple[str, ...]) -> Select[Any]:
    return select(table).where(*_where(table, names))


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


@cache
def _update(table: Table, names: tuple[str, ...]) -> Update:
    return update(table).where(*_where(table, names))


@cache
def _delete(table: Table, names: tuple[str, ...]) -> Delete:
    return delete(table).where(*_where(table, names))
