"""The tables: what makes them and what reads them agree; what is not ours is left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import Connection, inspect, text

from backend.conftest import KINDS
from backend.postgres import Cluster
from nearproof.daemon.backend import schema
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.databases import database as database_at
from nearproof.daemon.backend.errors import DatabaseForeign, SchemaUnknown
from nearproof.daemon.backend.store import Store
from nearproof.daemon.cli import main
from nearproof.daemon.outcomes.kinds import Exit


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return empty(request, tmp_path, "one")


def empty(request: pytest.FixtureRequest, folder: Path, name: str) -> str:
    kind: str = request.node.callspec.params["url"]
    if kind == "sqlite":
        return f"sqlite:///{folder}/{name}.db"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.database()


def test_migrations_make_the_tables_of_the_schema(
    url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Alembic sees no difference, and the database describes both in the same words.

    Alembic alone would not see a check, nor the condition of a partial index.
    """
    store = Store(url)
    with store._engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []
        migrated = described(connection)
    store.close()
    engine = database_at(empty(request, tmp_path, "two")).engine()
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
        assert described(connection) == migrated
    engine.dispose()
    assert len(migrated) > len(schema.metadata.tables)


def described(connection: Connection) -> set[str]:
    """Every column, constraint and index, as the database itself writes it."""
    if connection.dialect.name == "sqlite":
        made = connection.execute(text("SELECT tbl_name, sql FROM sqlite_master WHERE sql > ''"))
        return {
            f"{table}: {part.strip().rstrip(',')}"
            for table, sql in made
            if table != "alembic_version"
            for part in sql.splitlines()
        }
    queries = (
        "SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace",
        "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT table_name, concat_ws(' ', column_name, data_type, is_nullable, column_default)"
        " FROM information_schema.columns WHERE table_schema = 'public'",
    )
    rows = (row for query in queries for row in connection.execute(text(query)))
    return {f"{table}: {what}" for table, what in rows if table != "alembic_version"}


def stored(url: str) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    """Every table and its rows."""
    engine = database_at(url).engine()
    with engine.connect() as connection:
        for name in sorted(inspect(connection).get_table_names()):
            rows = connection.execute(text(f'SELECT * FROM "{name}"'))  # noqa: S608
            yield name, [tuple(row) for row in rows]
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", SchemaUnknown, "9999"),
        ("DELETE FROM alembic_version", DatabaseForeign, "accounts"),
        ("DROP TABLE alembic_version", DatabaseForeign, "accounts"),
    ],
)
def test_a_database_that_is_not_ours_is_left_alone(
    url: str, change: str, error: type[Exception], says: str
) -> None:
    """A later revision, or none: refused, and every table and row is as it was."""
    store = Store(url)
    with store.write() as records:
        records.add_account("alice")
        records._connection.execute(text(change))
    store.close()
    before = list(stored(url))
    for _ in range(2):
        with pytest.raises(error, match=says):
            Store(url)
    assert list(stored(url)) == before


@pytest.mark.parametrize("command", ["serve --listen 127.0.0.1:0", "outbox", "invite anna"])
def test_the_operator_is_told_of_a_later_version(tmp_path: Path, command: str) -> None:
    """In both languages, what it is and what to do; not a byte of the file is changed."""
    with open_data_dir(tmp_path):
        pass
    file = tmp_path / "backend.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("UPDATE alembic_version SET version_num = '0042'")
        other.commit()
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = file.read_bytes()
    for lang, says in (("en", "update nearproof"), ("da", "opdatér nearproof")):
        arguments = ["--lang", lang, "backend", *command.split(), "--data", str(tmp_path)]
        refused = CliRunner().invoke(main, arguments)
        assert refused.exit_code == Exit.TRY_AGAIN
        assert "0042" in refused.output
        assert says in refused.output
    assert file.read_bytes() == before
