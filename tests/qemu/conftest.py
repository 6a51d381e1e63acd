"""The tests on Debian's own kernel; those that boot it only run with `-m qemu`."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line("markers", "qemu: boots Debian's kernel; only run with `-m qemu`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave them out unless they are asked for by name."""
    if "qemu" in config.getoption("markexpr"):
        return
    slow = [item for item in items if item.get_closest_marker("qemu")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]
