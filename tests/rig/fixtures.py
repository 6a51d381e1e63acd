"""The fixture of two laptops, for the tests of the rig and for those that use it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rig import kernel, prerequisites
from rig.errors import RigError
from rig.pair import Rig, open_rig

_missing: list[str] = []  # why there can be no rig on this machine


def build_for(session: pytest.Session) -> None:
    """Build the kernel, outside every test's timeout, if a collected test needs it."""
    needed = any(item.get_closest_marker("rig") for item in session.items)
    if not needed or session.config.getoption("collectonly"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")

    def say(line: str) -> None:
        if reporter is not None:
            reporter.write_line(f"rig: {line}")

    try:
        prerequisites.require(prerequisites.RUN)
        kernel.build(say)
    except RigError as error:
        _missing[:] = [str(error)]


@pytest.fixture(scope="session")
def rig_possible() -> None:
    """Skip where the rig cannot be."""
    if _missing:
        pytest.skip(_missing[0])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(rig_possible: None) -> AsyncIterator[Rig]:
    """Two laptops for the tests of one file, each of which leaves them as it found them."""
    async with open_rig() as rig:
        yield rig
