"""The schema's history, by alembic; `versions/` has one file a change."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, inspect, text

from nearproof.daemon.backend import schema
from nearproof.daemon.backend.errors import SchemaUnknown

_LOCK: Final = 0x6E656172  # of one migration at a time; any number that is ours


def migrate(engine: Engine) -> None:
    """Bring the database to this program's schema, in one transaction; most often a look.

    Raises `SchemaUnknown` for a database that is not ours, or of a later version.
    """
    with engine.connect() as connection, connection.begin():
        if _revision(connection) == schema.HEAD:
            return
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if _revision(connection) != schema.HEAD:  # another worker may have been first
            _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())
    if tables:
        raise SchemaUnknown("the database has tables, and none of them says its version")
    return None


def _upgrade(connection: Connection) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    scripts = ScriptDirectory(str(Path(__file__).parent))

    def upgrade(revision: Any, _context: object) -> Any:
        return scripts._upgrade_revs(schema.HEAD, revision)

    try:
        with EnvironmentContext(Config(), scripts, fn=upgrade) as environment:
            environment.configure(connection=connection, target_metadata=schema.metadata)
            environment.run_migrations()
    except CommandError as error:
        raise SchemaUnknown(str(error)) from None
