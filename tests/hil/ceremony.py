"""One ceremony between two laptops, played by the product's own command line, and its faults.

A laptop is anything that runs commands, here or over a network: `Machine`.  The QR code is
carried over as a picture, since this is about the radio; the person is scripted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import cv2
import numpy as np
import zxingcpp

from nearproof.daemon.demo.people import CODE, PIN

PATIENCE: Final = 60.0  # seconds without a single event before a ceremony counts as stuck
TYPING: Final = 6.0  # seconds the person takes at most
ROUNDS: Final = 4  # of a grant

SMS_POLL: Final = 0.1  # seconds between looks at the phone
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
Fault = Callable[["Ceremony"], Awaitable[None]]


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

    def __init__(self, name: str, process: Process, heard: Callable[[str, Event], None]) -> None:
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
        return next((event for event in self.told if event.get("event") == name), None)

    async def until(self, name: str, times: int = 1) -> Event | None:
        """Wait until it was told so often; the first one, or None if the process ended without."""

        def often() -> bool:
            return [event.get("event") for event in self.told].count(name) >= times

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


@dataclass(frozen=True, slots=True)
class Phone:
    """The account's phone: the file in the folder `data` of the backend on `machine`."""

    machine: Machine
    data: str

    async def codes(self) -> list[str]:
        """Every code that was sent, the newest last."""
        script = f"cat {self.data}/sms.jsonl 2>/dev/null || true"
        lines = (await self.machine.run("sh", "-c", script)).stdout.splitlines()
        texts = [json.loads(line)["text"] for line in lines]
        return [match[1] for text in texts if (match := CODE.search(text))]


async def answer(role: Role, phone: Phone, more: Mapping[str, str] | None = None) -> None:
    """The person, until the process ends: PIN, yes, the code of a new SMS, and `more` by name."""
    known, lines = len(await phone.codes()), KNOWN | dict(more or {})
    times = 0
    while await role.until("asked", times := times + 1):
        what = [event for event in role.told if event.get("event") == "asked"][times - 1]["what"]
        if what == "sms_code":
            while len(codes := await phone.codes()) <= known:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(SMS_POLL)
            lines[what], known = codes[-1], len(codes)
        if what in lines:
            role.process.write(f"{lines[what]}\n".encode())


async def activate(machine: Machine, command: Sequence[str], code: str, phone: Phone) -> None:
    """Make a laptop an account's first.  Raises `RuntimeError` if that does not end well."""
    async with machine.spawn(*command, "--json", "new", "activate") as process:
        role = Role("old", process, lambda *_: None)
        await answer(role, phone, {"activation_code": code})
        if await role.exit():
            raise RuntimeError(f"not activated: {role.reason}")


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
        fault = self._faults.get(f"{role}:{event.get('event')}")
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
    join_line: str,
    account: str,
    phone: Phone,
    faults: Mapping[str, Fault] | None = None,
    *,
    seats: tuple[Seat, Seat] = (Seat(), Seat()),
    typed: bool = False,
    typing: float = TYPING,
) -> AsyncIterator[Ceremony]:
    """Start a copy to a `new_laptop` that is nobody's yet, and let the person do their part.

    `seats` are OLD's and NEW's.  NEW reads the QR code in a picture, or has its text `typed`;
    the check code is typed after the rounds or `typing` seconds.
    Raises `RuntimeError` if OLD does not get as far as its QR.
    """
    ceremony = Ceremony(faults or {})
    old_seat, new_seat = seats
    async with AsyncExitStack() as stack:
        screen = await stack.enter_async_context(folder(old_laptop)) + "/qr.png"
        files = await stack.enter_async_context(folder(new_laptop))

        async def start(name: str, machine: Machine, seat: Seat, *argv: str) -> Role:
            command = (*seat.command, "--json", "--lang", "en", *argv, *seat.copy)
            process = machine.spawn(*command)
            await stack.enter_async_context(process)
            return ceremony.enter(name, process)

        home = ("--home", f"{files}/home")
        await new_laptop.run(*new_seat.command, *home, "join", *join_line.split())
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
