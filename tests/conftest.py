"""The two laptops of `--hil`, and the virtual ones for every test that is marked `rig`."""

from __future__ import annotations

import pytest

from hil.fixtures import pair, pytest_addoption, pytest_collection_modifyitems
from rig.fixtures import build_for, rig, rig_possible

__all__ = ["pair", "pytest_addoption", "pytest_collection_modifyitems", "rig", "rig_possible"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the kernel if need be."""
    build_for(session)
