"""Laptops side by side on one desk: homes, terminals, one emulated air and a real backend."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.world import NO_WAIT, PHONE, BackendProcess, start_backend
from daemon.laptops import FAST
from nearproof.ble.virtual.air import open_air
from nearproof.config.home import Backend, Home
from nearproof.config.settings import Settings
from nearproof.daemon import new, old
from nearproof.daemon.backend.admin import invite
from nearproof.daemon.console import Console
from nearproof.daemon.demo.people import Person
from nearproof.daemon.laptop import Laptop
from nearproof.daemon.views import view_named


class Out(io.StringIO):
    """Standard output whose events can be waited for."""

    def __init__(self, asked: Callable[[str], None]) -> None:
        super().__init__()
        self._asked = asked
        self.events: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    def write(self, text: str) -> int:
        if text.strip():
            self.events.append(json.loads(text))
            if self.events[-1]["event"] == "asked":
                self._asked(self.events[-1]["what"])
            self._news.set()
        return len(text)

    async def until(self, name: str) -> dict[str, Any]:
        async with asyncio.timeout(40):
            while True:
                for event in self.events:
                    if event["event"] == name:
                        return event
                self._news.clear()
                await self._news.wait()

    def told(self, name: str) -> bool:
        return any(event["event"] == name for event in self.events)

    def asked(self) -> list[tuple[str, str]]:
        """Every question so far: its step, and for what."""
        return [(each["step"], each["what"]) for each in self.events if each["event"] == "asked"]


@dataclass
class Side:
    """One laptop: what it tells, and a keyboard; `first` is typed before what a person knows."""

    laptop: Laptop
    out: Out
    keyboard: int
    first: dict[str, list[str]]
    person: Person

    def type(self, line: str) -> None:
        os.write(self.keyboard, f"{line}\n".encode())


@dataclass
class Desk:
    """A backend, an air, and laptops on it."""

    folder: Path
    backend: BackendProcess
    air: str
    stack: contextlib.ExitStack

    @property
    def screen(self) -> Path:
        return self.folder / "screen.png"

    def side(self, name: str) -> Side:
        """A laptop that has joined; again: the same home, a new terminal."""
        home = Home(self.folder / name)
        joined = self.backend.joined
        home.save_backend(Backend(joined.url, joined.certificate, joined.issuer))
        reading, writing = os.pipe()
        self.stack.callback(os.close, reading)
        self.stack.callback(_close, writing)
        person = Person(self.folder / "backend" / "sms.jsonl")

        first: dict[str, list[str]] = {}

        def asked(what: str) -> None:
            if first.get(what):
                os.write(writing, f"{first[what].pop(0)}\n".encode())
            else:
                self._task(types(person, what, writing))

        out = Out(asked)
        console = Console(role=name, as_json=True, out=out, typed=reading)
        settings = Settings(radio=self.air, camera=f"lens:{self.screen}?seed=3", label=name)
        return Side(Laptop(home, settings, console), out, writing, first, person)

    async def old(self) -> Side:
        """A laptop with an activated authenticator."""
        side = self.side("old")
        if side.laptop.home.device() is None:
            code = invite(self.folder / "backend", "anna", NO_WAIT, phone=PHONE)
            await new.activate(side.laptop, code)
        return side

    def shows(self, side: Side) -> asyncio.Task[None]:
        view = view_named(f"png:{self.screen}", side.laptop.console)
        return self._task(old.copy(side.laptop, view))

    def scans(self, side: Side, user: str | None = "anna") -> asyncio.Task[None]:
        return self._task(new.copy(side.laptop, user=user))

    def _task(self, story: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(story)
        self.stack.callback(task.cancel)
        return task


async def types(person: Person, what: str, keyboard: int) -> None:
    """Whatever a person knows: yes, the PIN, the SMS code."""
    if (typed := await person.answer(what)) is not None:
        os.write(keyboard, f"{typed}\n".encode())


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


@contextlib.asynccontextmanager
async def open_desk(folder: Path) -> AsyncIterator[Desk]:
    """A desk whose backend knows no waiting time."""
    backend = start_backend(folder / "backend")
    with contextlib.ExitStack() as stack:
        async with open_air(settings=FAST) as (_, address):
            desk = Desk(folder, backend, address, stack)
            yield desk
    desk.backend.kill()


async def to_the_code(desk: Desk, old_side: Side, new_side: Side) -> tuple[Any, Any, str]:
    showing, scanning = desk.shows(old_side), desk.scans(new_side)
    code = (await new_side.out.until("code"))["code"]
    await old_side.out.until("code_wanted")
    return showing, scanning, code


async def honest(desk: Desk, old_side: Side, new_side: Side) -> None:
    showing, scanning, code = await to_the_code(desk, old_side, new_side)
    old_side.type(f"{code[:3]} {code[3:]}")
    await asyncio.gather(showing, scanning)
    device = new_side.laptop.home.device()
    assert device is not None and device.account == "anna"
    assert new_side.laptop.home.enrolment() is None
