"""The schema's history, by alembic; `versions/` has one file a change."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from nearproof.daemon.backend import schema
from nearproof.daemon.backend.errors import DatabaseForeign

_LOCK: Final = 0x6E656172  # of one migration at a time; any number that is ours


def migrate(engine: Engine) -> None:
    """Bring the database to this program's schema, in one transaction; most often a look.

    Raises `DatabaseForeign` for another program's tables, `SchemaUnknown` for a later version.
    """
    with engine.connect() as connection, connection.begin():
        if _revision(connection) == schema.HEAD:
            return
    # Before the lock, not under it: importing alembic takes longer than making the tables.
    from nearproof.daemon.backend.migrations.upgrade import upgrade

    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if (found := _revision(connection)) != schema.HEAD:  # another worker may have been first
            upgrade(connection, found)


def _revision(connection: Connection) -> str | None:
    """What the database says of itself, None for an empty one."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    said = None
    if "alembic_version" in tables:
        said = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if said is None:
        raise DatabaseForeign(", ".join(sorted(tables)[:3]))
    return str(said)
