"""Upgrading by alembic, which takes longer to import than a database at the head to open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from nearproof.daemon.backend import schema
from nearproof.daemon.backend.errors import SchemaUnknown


def upgrade(connection: Connection, found: str | None) -> None:
    """Run what is missing after the revision `found`, in the transaction that has begun.

    Raises `SchemaUnknown` for one that this program does not know: nothing is changed.
    """
    scripts = ScriptDirectory(str(Path(__file__).parent))

    def missing(revision: Any, _context: object) -> Any:
        return scripts._upgrade_revs(schema.HEAD, revision)

    try:
        with EnvironmentContext(Config(), scripts, fn=missing) as environment:
            environment.configure(connection=connection, target_metadata=schema.metadata)
            environment.run_migrations()
    except CommandError:
        raise SchemaUnknown(found) from None
