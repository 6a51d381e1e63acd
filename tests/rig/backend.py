"""The backend on the first laptop, and both laptops made ready for a ceremony."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hil.desk import Desk, DeskError, open_desk
from rig.errors import RigError
from rig.laptop import Laptop
from rig.machine import REPO

ACCOUNT = "anna"
PORT = 8443
DATA = "/run/rig/backend"
NEARPROOF = ("nearproof",)
PYTHON = ("env", f"PYTHONPATH={REPO}/tests", "python")


@asynccontextmanager
async def open_backend(laptops: tuple[Laptop, Laptop], wait: int = 0) -> AsyncIterator[Desk]:
    """Serve on the first laptop, join both, and activate the first for `ACCOUNT`.

    `wait` is the waiting time for a copy, in seconds.  Raises `RigError` if it does not start.
    """
    first, second = laptops
    where = (f"{first.address}:{PORT}", first.name)
    try:
        async with open_desk(first, NEARPROOF, PYTHON, DATA, *where, wait=wait) as desk:
            await asyncio.gather(
                desk.activate(ACCOUNT, first, *NEARPROOF),
                second.run(*NEARPROOF, "join", *desk.join_line.split()),
            )
            yield desk
    except DeskError as error:
        raise RigError(f"{first.name}: {error}") from error
