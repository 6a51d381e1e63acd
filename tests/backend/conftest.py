"""One server a test file and database; each test brings its own users."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from backend.hands import Hands
from backend.postgres import Cluster, cluster, programs
from backend.world import BackendProcess, World, backend
from nearproof.daemon.backend.policy import BackendPolicy

_numbers = count(1)

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server; where it is not installed, `scripts/test` fails, and others skip."""
    binaries = programs()
    if binaries is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("PostgreSQL is not installed: apt install postgresql")
    with cluster(binaries) as running:
        yield running


@pytest.fixture(scope="module", params=KINDS)
def database(request: pytest.FixtureRequest) -> str | None:
    """A database of each kind: the URL of an empty one, None for the folder's own file."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres").database()
    return url


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, database: str | None
) -> Iterator[tuple[Path, BackendProcess]]:
    data_dir = tmp_path_factory.mktemp("backend") / "data"
    with backend(data_dir, database=database) as running:
        yield data_dir, running


@pytest.fixture
def here(server: tuple[Path, BackendProcess], database: str | None) -> World:
    """This test's users at the shared server, whose copies do not wait."""
    return World(*server, database=database)


@pytest.fixture
def hands(database: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hands]:
    """The service itself under the default policy, on a clock that the test moves."""
    url = database or f"sqlite:///{tmp_path_factory.mktemp('hands')}/backend.db"
    hands = Hands(url, BackendPolicy(), seed=next(_numbers))
    yield hands
    hands.close()


@pytest.fixture
def name() -> str:
    """A user of this test's own."""
    return f"user{next(_numbers)}"
