"""What several tests of the roles stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.desk import Desk, open_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A backend, an air, and room for laptops."""
    async with open_desk(tmp_path) as desk:
        yield desk
