"""One ceremony between two laptops, played by the product's own command line, and its faults.

The QR code is carried over as a picture, since this is about the radio; the person is scripted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import zxingcpp

from hil.desk import Desk
from hil.role import Event, Machine, Process, Role, answer, names

PATIENCE: Final = 60.0  # seconds without a single event before a ceremony counts as stuck
TYPING: Final = 6.0  # seconds the person takes at most
ROUNDS: Final = 4  # of a grant

Fault = Callable[["Ceremony"], Awaitable[None]]


class Ceremony:
    """One ceremony under way.  `faults` strike when their "role:event" is heard, the first once."""

    def __init__(self, faults: Mapping[str, Fault]) -> None:
        self.roles: dict[str, Role] = {}
        self.struck: float | None = None  # when
        self._faults = faults
        self._striking: list[asyncio.Task[None]] = []
        self._patience: asyncio.Timeout | None = None

    def enter(self, name: str, process: Process) -> Role:
        """A process takes part, as "old" or "new"."""
        self.roles[name] = Role(name, process, self._heard)
        return self.roles[name]

    def _heard(self, role: str, event: Event) -> None:
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)
        marks = (f"{role}:{name}" for name in names(event))
        fault = next((self._faults[mark] for mark in marks if mark in self._faults), None)
        if fault is not None and self.struck is None:
            self.struck = time.monotonic()
            self._striking.append(asyncio.ensure_future(fault(self)))

    async def ended(self) -> tuple[int, int]:
        """The exit codes of OLD and NEW.  Raises TimeoutError if nothing happens any more."""
        both = asyncio.gather(self.roles["old"].exit(), self.roles["new"].exit())
        try:
            async with asyncio.timeout(PATIENCE) as self._patience:
                old, new = await both
            await asyncio.gather(*self._striking)
        except TimeoutError:
            raise TimeoutError(f"stuck:\n{self.story()}") from None
        return old, new

    def story(self) -> str:
        """Everything that was told, in order, for a person who wonders what went wrong."""
        events = [(e["at"], name, e) for name, role in self.roles.items() for e in role.told]
        events.sort(key=lambda each: each[0])
        start = events[0][0] if events else 0.0
        return "\n".join(
            f"{at - start:7.3f} {name} {event.get('event')} "
            + str(event.get("reason") or event.get("text") or "")
            for at, name, event in events
        )

    def seconds(self, start: str, end: str) -> float:
        """The time from one "role:event" to another; KeyError if one never came."""
        times = []
        for mark in (start, end):
            role, _, name = mark.partition(":")
            event = self.roles[role].find(name)
            if event is None:
                raise KeyError(mark)
            times.append(event["at"])
        return float(times[1] - times[0])


@asynccontextmanager
async def folder(machine: Machine) -> AsyncIterator[str]:
    """A new folder on a laptop."""
    path = (await machine.run("mktemp", "-d")).stdout.decode().strip()
    try:
        yield path
    finally:
        await machine.run("rm", "-r", path)


@dataclass(frozen=True, slots=True)
class Seat:
    """How a laptop takes part."""

    command: tuple[str, ...] = ("nearproof",)
    home: tuple[str, ...] = ()  # OLD's `--home`, where its authenticator is
    copy: tuple[str, ...] = ()  # options of `copy`, such as its radio


@asynccontextmanager
async def play(
    old_laptop: Machine,
    new_laptop: Machine,
    desk: Desk,
    account: str,
    faults: Mapping[str, Fault] | None = None,
    *,
    seats: tuple[Seat, Seat] = (Seat(), Seat()),
    typed: bool = False,
    typing: float = TYPING,
) -> AsyncIterator[Ceremony]:
    """Start a copy to a `new_laptop` that is nobody's yet, and let the person do their part.

    The account has its first laptop and, when this begins, no other and no copy under way.
    `seats` are OLD's and NEW's.  NEW reads the QR code in a picture, or has its text `typed`;
    the check code is typed after the rounds or `typing` seconds.
    Raises `RuntimeError` if OLD does not get as far as its QR.
    """
    ceremony = Ceremony(faults or {})
    old_seat, new_seat = seats
    phone = desk.phone(account)
    await desk.tidy(account)
    async with AsyncExitStack() as stack:
        screen = await stack.enter_async_context(folder(old_laptop)) + "/qr.png"
        files = await stack.enter_async_context(folder(new_laptop))

        async def start(name: str, machine: Machine, seat: Seat, *argv: str) -> Role:
            command = (*seat.command, "--json", "--lang", "en", *argv, *seat.copy)
            process = machine.spawn(*command)
            await stack.enter_async_context(process)
            return ceremony.enter(name, process)

        home = ("--home", f"{files}/home")
        await new_laptop.run(*new_seat.command, *home, "join", *desk.join_line.split())
        show = ("old", "copy", "--show", f"png:{screen}")
        old = await start("old", old_laptop, old_seat, *old_seat.home, *show)
        answering = asyncio.create_task(answer(old, phone))
        stack.callback(answering.cancel)
        if await old.until("qr_shown") is None:
            raise RuntimeError(f"OLD shows no QR code:\n{ceremony.story()}")
        picture = (await old_laptop.run("cat", screen)).stdout
        await new_laptop.run("sh", "-c", f"cat > {files}/qr.png", stdin=picture)
        source = ("--typed",) if typed else ("--image", f"{files}/qr.png")
        copy = ("new", "copy", *source, "--user-id", account)
        new = await start("new", new_laptop, new_seat, *home, *copy)
        reads = {"qr_text": qr_text(picture)} if typed else {}
        person = asyncio.gather(answering, answer(new, phone, reads), type_code(old, new, typing))
        try:
            yield ceremony
        finally:
            person.cancel()
            await asyncio.wait({person})


def qr_text(picture: bytes) -> str:
    """What the QR code of a PNG says."""
    grey = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    return str(zxingcpp.read_barcodes(grey)[0].text)


async def type_code(old: Role, new: Role, typing: float = TYPING) -> None:
    """The person: type on OLD what NEW shows, not faster than the rounds go."""
    shown = await new.until("code")
    asked = await old.until("code_wanted")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(typing):
            await old.until("round", ROUNDS)
    if shown is not None and asked is not None:
        old.process.write(f"{shown['code']}\n".encode())
