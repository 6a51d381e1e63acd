"""Run by alembic: the changes go through the connection that `migrate` holds."""

from __future__ import annotations

from alembic import context

from nearproof.daemon.backend.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
