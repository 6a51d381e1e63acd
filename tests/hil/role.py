"""A nearproof process on a laptop, what it tells, and the person who answers its questions.

A laptop is anything that runs commands, here or over a network: `Machine`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, Self

from nearproof.daemon.demo.people import PIN

KNOWN: Final = {
    "start": "yes",
    "pin": PIN,
    "consent": "yes",
    "qr_is_shown": "yes",
    "new_pin": PIN,
    "new_pin_again": PIN,
    "fingerprint": "no",
    "notifications": "yes",
}

Event = dict[str, Any]


class Output(Protocol):
    """A stream of lines."""

    async def readline(self) -> bytes:
        """The next line, empty at the end."""
        ...


class Process(Protocol):
    """A command that runs on a laptop; as a context, it is killed in the end."""

    @property
    def stdout(self) -> Output:
        """Its standard output."""
        ...

    def write(self, data: bytes) -> None:
        """Send to its standard input."""

    def close_stdin(self) -> None:
        """End its standard input."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""

    async def wait(self) -> int:
        """Its exit code, negative for a signal."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...


class Finished(Protocol):
    """A command that has ended."""

    @property
    def stdout(self) -> bytes:
        """What it wrote."""
        ...


class Machine(Protocol):
    """A laptop on which commands run."""

    def spawn(self, *argv: str) -> Process:
        """Start a command."""
        ...

    async def run(self, *argv: str, stdin: bytes = b"") -> Finished:
        """Run a command; raises if it ends badly."""
        ...


class Role:
    """One nearproof process and what it has told, each event with `at`, our seconds."""

    def __init__(
        self,
        name: str,
        process: Process,
        heard: Callable[[str, Event], None] = lambda name, event: None,
    ) -> None:
        self.name = name
        self.process = process
        self.told: list[Event] = []
        self._heard = heard
        self._news = asyncio.Condition()
        self._over = False
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while line := await self.process.stdout.readline():
            event: Event = json.loads(line) | {"at": time.monotonic()}
            async with self._news:
                self.told.append(event)
                self._news.notify_all()
            self._heard(self.name, event)
        async with self._news:
            self._over = True
            self._news.notify_all()

    def find(self, name: str) -> Event | None:
        """The first event of that name so far."""
        return next((event for event in self.told if name in names(event)), None)

    async def until(self, name: str, times: int = 1) -> Event | None:
        """Wait until it was told so often; the first one, or None if the process ended without."""

        def often() -> bool:
            return sum(name in names(event) for event in self.told) >= times

        async with self._news:
            await self._news.wait_for(lambda: self._over or often())
        return self.find(name) if often() else None

    async def exit(self) -> int:
        """The exit code, once all that was told has been read."""
        await self._reader
        return await self.process.wait()

    @property
    def reason(self) -> str:
        """The last word of a process that failed, or ""."""
        last = self.find("failed") or {}
        return str(last.get("reason", last.get("text", "")))


def names(event: Event) -> set[str]:
    """What an event is called here: a question also "asked_pin", with its step "asked_pin_9"."""
    name = str(event.get("event"))
    if name != "asked":
        return {name}
    question = f"asked_{event['what']}"
    return {name, question, f"{question}_{event['step']}"}


class Phone(Protocol):
    """The account's phone."""

    async def codes(self) -> list[str]:
        """Every code that was sent, the newest last."""
        ...

    async def code_after(self, known: int) -> str:
        """The newest code, once there are more than `known`, or after a while without."""
        ...


async def answer(
    role: Role,
    phone: Phone,
    more: Mapping[str, str] | None = None,
    hold: tuple[str, asyncio.Event] | None = None,
) -> None:
    """The person, until the process ends: PIN, yes, the code of a new SMS, and `more` by name.

    A question of the name in `hold` is answered when that event has happened.
    """
    known, lines = len(await phone.codes()), KNOWN | dict(more or {})
    times = 0
    while await role.until("asked", times := times + 1):
        asked = [event for event in role.told if event.get("event") == "asked"][times - 1]
        what = asked["what"]
        if hold is not None and hold[0] in names(asked):
            await hold[1].wait()
        if what == "sms_code":
            lines[what] = await phone.code_after(known)
            known = len(await phone.codes())
        if what in lines:
            role.process.write(f"{lines[what]}\n".encode())
