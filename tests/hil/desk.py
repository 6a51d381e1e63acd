"""The backend of the two-laptop tests and its operator: accounts, SMS, and what makes room.

The limits of the backend are its defaults, but for the one in `LIMITS` and the waiting time:
one OLD makes hundreds of copies here.  Between two of them `tidy` does what an owner would:
it revokes the laptops that were added, and cancels what was left open.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from hil.role import Machine, Process, Role, answer
from nearproof.daemon.demo.people import CODE

SMS_POLL: Final = 0.1  # seconds between looks at the phone
SMS_PATIENCE: Final = 3.0  # seconds for a new SMS, until the last one is taken to be meant
LIMITS: Final = {"starts_a_day": 1_000}


class DeskError(RuntimeError):
    """The backend does not start, or an account gets no first laptop."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A backend that serves, and the machine on which it does."""

    machine: Machine
    command: tuple[str, ...]  # nearproof there
    data: str
    console: Process  # `hil.tidy`
    join_line: str

    async def invite(self, account: str) -> str:
        """The activation code of an account, which is made if it is new."""
        phone = ("--phone", self.phone(account).number)
        invite = ("backend", "invite", "--data", self.data, *phone, account)
        invited = await self.machine.run(*self.command, "--json", *invite)
        return str(json.loads(invited.stdout)["activation_code"])

    async def activate(self, account: str, laptop: Machine, *command: str) -> None:
        """Join a laptop and make it the first of an account, by its own `nearproof`.

        Raises `DeskError` if that does not end well.
        """
        code = await self.invite(account)
        await laptop.run(*command, "join", *self.join_line.split())
        async with laptop.spawn(*command, "--json", "new", "activate") as process:
            role = Role("old", process)
            await answer(role, self.phone(account), {"activation_code": code})
            if await role.exit():
                raise DeskError(f"not activated: {role.reason}")

    def phone(self, account: str) -> Phone:
        """The account's phone, each with a number of its own."""
        return Phone(self, f"+45{zlib.crc32(account.encode()):010}")

    async def tidy(self, account: str) -> None:
        """Cancel the account's copy, and revoke every laptop but its first."""
        await self._ask("tidy", account)

    async def active(self, account: str) -> int:
        """How many active laptops the account has."""
        return await self._ask("count", account)

    async def _ask(self, verb: str, account: str) -> int:
        self.console.write(f"{verb} {account}\n".encode())
        line = await self.console.stdout.readline()
        if not line:
            raise DeskError("the backend's console has ended")
        return int(line)


@dataclass(frozen=True, slots=True)
class Phone:
    """Where the SMS of one account go: lines of the file in the backend's folder."""

    desk: Desk
    number: str  # E.164

    async def codes(self) -> list[str]:
        """Every code that was sent to it, the newest last."""
        script = f"cat {self.desk.data}/sms.jsonl 2>/dev/null || true"
        lines = (await self.desk.machine.run("sh", "-c", script)).stdout.splitlines()
        sent = [json.loads(line) for line in lines]
        texts = [message["text"] for message in sent if message["phone"] == self.number]
        return [match[1] for text in texts if (match := CODE.search(text))]

    async def code_after(self, known: int) -> str:
        """The newest code, once there are more than `known`, or after a while without.

        A laptop that was killed asks for the code that it has caused already.
        """
        asked = time.monotonic()
        while True:
            codes = await self.codes()
            waited = time.monotonic() - asked
            if len(codes) > known or (codes and waited > SMS_PATIENCE):
                return codes[-1]
            await asyncio.sleep(SMS_POLL)


@asynccontextmanager
async def open_desk(
    machine: Machine,
    command: Sequence[str],
    python: Sequence[str],
    data: str,
    listen: str,
    reached_at: str,
    *,
    wait: int = 0,
    limits: Mapping[str, int] = LIMITS,
) -> AsyncIterator[Desk]:
    """Serve on a machine, with the folder `data` for all it keeps.

    `wait` is the waiting time for a copy, in seconds.  Raises `DeskError` if it does not start.
    """
    policy = f"{data}.toml"
    lines = "".join(f"{name} = {value}\n" for name, value in {**limits, "wait": wait}.items())
    await machine.run("sh", "-c", 'cat > "$0"', policy, stdin=lines.encode())
    serve = ("backend", "serve", "--policy", policy, "--data", data)
    where = ("--listen", listen, "--reached-at", reached_at)
    async with (
        machine.spawn(*command, "--json", *serve, *where) as process,
        machine.spawn(*python, "-m", "hil.tidy", data) as console,
    ):
        line = await process.stdout.readline()
        ready = json.loads(line) if line else {}
        if ready.get("event") != "backend_ready":
            raise DeskError(f"the backend does not start: {ready.get('text', '')}")
        yield Desk(machine, tuple(command), data, console, ready["join"])
