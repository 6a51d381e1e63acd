"""`--hil`: on which two laptops the tests that take a `pair` run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from hil.laptops import Pair, open_pair
from hil.plan import PlanError


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--hil`."""
    parser.addoption(
        "--hil",
        default="rig",
        metavar="LAPTOPS",
        help="rig (default), local:hci0,hci1 or ssh:user@host: see tests/hil/README.md",
    )


@pytest.hookimpl(tryfirst=True)  # before -m is applied
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of a pair with `rig` if that is what they run on."""
    if config.getoption("--hil") == "rig":
        for item in items:
            if "pair" in getattr(item, "fixturenames", ()):
                item.add_marker("rig")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """The two laptops of `--hil`, with a backend, and OLD activated."""
    spec = request.config.getoption("--hil")
    if spec == "rig":
        request.getfixturevalue("rig_possible")
    async with AsyncExitStack() as stack:
        unfit = ""
        try:
            pair = await stack.enter_async_context(open_pair(spec))
        except PlanError as error:
            unfit = str(error)
        if unfit:
            pytest.fail(unfit, pytrace=False)
        yield pair
