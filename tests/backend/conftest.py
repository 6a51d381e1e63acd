"""One server a test file; each test brings its own users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.world import BackendProcess, World, backend


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, BackendProcess]]:
    data_dir = tmp_path_factory.mktemp("backend") / "data"
    with backend(data_dir) as running:
        yield data_dir, running


@pytest.fixture
def here(server: tuple[Path, BackendProcess]) -> World:
    """This test's users at the shared server, whose copies do not wait."""
    return World(*server)
