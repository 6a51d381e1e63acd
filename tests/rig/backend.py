"""The backend on the first laptop, and both laptops made ready for a ceremony."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hil.ceremony import Phone, activate
from nearproof.daemon.demo.people import PHONE
from rig.errors import RigError
from rig.laptop import Laptop
from rig.shell import GuestProcess

ACCOUNT = "anna"
PORT = 8443
DATA = "/run/rig/backend"


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that serves both laptops."""

    laptop: Laptop
    process: GuestProcess
    join_line: str

    async def join(self, laptop: Laptop) -> None:
        """Join a laptop to it."""
        await laptop.run("nearproof", "join", *self.join_line.split())

    @property
    def phone(self) -> Phone:
        """Where the SMS of every account go."""
        return Phone(self.laptop, DATA)

    async def activate(self, laptop: Laptop, account: str = ACCOUNT) -> None:
        """Make a laptop the first one of an account."""
        invite = ("backend", "invite", "--data", DATA, "--phone", PHONE, account)
        invited = await self.laptop.run("nearproof", "--json", *invite)
        code = json.loads(invited.stdout)["activation_code"]
        await activate(laptop, ("nearproof",), code, self.phone)


@asynccontextmanager
async def open_backend(laptops: tuple[Laptop, Laptop], wait: int = 0) -> AsyncIterator[Backend]:
    """Serve on the first laptop, join both, and activate the first for `ACCOUNT`.

    `wait` is the waiting time for a copy, in seconds.  Raises `RigError` if it does not start.
    """
    first, second = laptops
    command = (
        *("nearproof", "--json", "backend", "serve", "--wait", str(wait)),
        *("--data", DATA),
        *("--listen", f"{first.address}:{PORT}", "--reached-at", first.name),
    )
    async with first.spawn(*command) as process:
        line = await process.stdout.readline()
        if not line:
            said = (await process.stderr.read()).decode(errors="replace")
            raise RigError(f"the backend does not start:\n{said}")
        ready: dict[str, Any] = json.loads(line)
        backend = Backend(first, process, ready["join"])
        await asyncio.gather(backend.join(first), backend.join(second))
        await backend.activate(first)
        yield backend
