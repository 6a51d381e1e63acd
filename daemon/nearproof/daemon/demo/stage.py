"""The processes of a demo: a backend, an emulated air, and laptops with a home each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nearproof.ble.virtual.process import air_process
from nearproof.daemon.demo.errors import ActorFailed
from nearproof.daemon.demo.people import (
    ACCOUNT,
    BEFORE_THE_SHOW,
    CODE,
    PHONE,
    SMS_POLL,
    Person,
    Phone,
)
from nearproof.daemon.locale import Language

CONNECTION_INTERVAL = "15"  # ms; what laptops negotiate for speed, 30-50 is BlueZ's default
SNIFFED = "air.btsnoop"
# The kernel ends a laptop when the demo is gone, however it went (util-linux).
TIED = ("setpriv", "--pdeathsig", "TERM", "--")
PATIENCE = 90.0  # seconds without a single event before a demo gives up
HUMAN_PATIENCE = 3600.0  # where a person types
Event = dict[str, Any]
Watch = Callable[[Event], None]
Hands = Callable[[Event], Awaitable[str | None]]
"""Types the line that a laptop has asked for; None: nothing, somebody else does."""


class Actor:
    """One nearproof process: what it tells, what it is typed, and its exit code."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        watch: Watch,
        hands: Hands | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.name = name
        self._patience = patience
        self.told: list[Event] = []
        self._process = process
        self._watch = watch
        self._hands = hands
        self._typing: set[asyncio.Task[None]] = set()
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())
        self._seen = 0

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe
        async for line in self._process.stdout:
            event: Event = json.loads(line) | {"role": self.name}
            self._watch(event)
            if self._hands is not None and event["event"] == "asked":
                self._answer(self._hands, event)
            async with self._news:
                self.told.append(event)
                self._news.notify_all()
        await self._process.wait()
        async with self._news:
            self._news.notify_all()

    def _answer(self, hands: Hands, asked: Event) -> None:
        async def type_it() -> None:
            if (typed := await hands(asked)) is not None:
                self.type(typed)
                self._watch(asked | {"event": "typed", "typed": typed})

        task = asyncio.create_task(type_it())
        self._typing.add(task)
        task.add_done_callback(self._typing.discard)

    async def until(self, *names: str) -> Event:
        """The next event of one of these names.  Raises `ActorFailed` if none will come."""
        try:
            return await self._until(names)
        except TimeoutError:
            waited = f"{self._patience:.0f} s"
            raise ActorFailed(f"{self.name}: no word: {waited}: {'/'.join(names)}") from None

    async def _until(self, names: tuple[str, ...]) -> Event:
        async with asyncio.timeout(None) as limit, self._news:
            while True:
                while self._seen < len(self.told):
                    event = self.told[self._seen]
                    self._seen += 1
                    if event["event"] in names:
                        return event
                if self._process.returncode is not None:
                    last = self.told[-1].get("text", "") if self.told else ""
                    raise ActorFailed(f"{self.name}: ended too early: {'/'.join(names)}: {last}")
                limit.reschedule(asyncio.get_running_loop().time() + self._patience)
                await self._news.wait()

    def type(self, line: str) -> None:
        """Type one line at this laptop."""
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe
        self._process.stdin.write(f"{line}\n".encode())

    async def exit_code(self) -> int:
        """Wait until the process has ended and everything that it told has been read."""
        await self._reader
        return await self._process.wait()

    def failure(self) -> Event:
        """The last word of a process that did not end well; {} if it did."""
        return next((each for each in reversed(self.told) if each["event"] == "failed"), {})

    async def stop(self) -> None:
        """End the process if it still runs."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not terminate(), which may reap a child that is just ending, unseen by asyncio.
                os.kill(self._process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await self._reader
        except TimeoutError:
            self._process.kill()
            await self._reader


@dataclass
class Stage:
    """A running backend and air, and the laptops started on them."""

    folder: Path
    air: str
    url: str
    join_line: str
    watch: Watch
    seed: int
    language: Language = "en"
    human: Hands | None = None  # who types instead of the script
    _actors: list[Actor] = field(default_factory=list)
    _texts: int = BEFORE_THE_SHOW
    _up: dict[str, asyncio.Event] = field(
        default_factory=lambda: {"qr_shown": asyncio.Event(), "code": asyncio.Event()}
    )

    @property
    def qr(self) -> Path:
        """Where OLD shows its QR: the picture that cameras photograph."""
        return self.folder / "old-screen.png"

    @property
    def photo(self) -> Path:
        """The frame in which NEW read the QR."""
        return self.folder / "new-photo.png"

    @property
    def sniffed(self) -> Path:
        """Everything said over the air: Bluetooth's, so whoever is near can have it."""
        return self.folder / SNIFFED

    @property
    def bundle(self) -> Path:
        """The proof, as NEW received it."""
        return self.folder / "proof.cbor"

    async def run(self, name: str, *arguments: str, home: str | None = None) -> Actor:
        """Start one nearproof process with the home of the laptop `home` (default: `name`)."""
        actor = await start(
            name,
            self.hear,
            self.hands(),
            HUMAN_PATIENCE if self.human else PATIENCE,
            *("--json", "--lang", self.language),
            *("--home", str(self.folder / (home or name)), *arguments),
        )
        self._actors.append(actor)
        return actor

    def hear(self, event: Event) -> None:
        """One event of one process."""
        if event["event"] in self._up:
            self._up[event["event"]].set()
        self.watch(event)

    def hands(self) -> Hands:
        """A person at one laptop, who ticks "the QR code is shown" when it is."""
        person = Person(self.sms)

        async def types(asked: Event) -> str | None:
            if asked["what"] == "qr_is_shown":
                await self._up["qr_shown"].wait()
            if self.human:
                if asked["what"] == "code":  # which one must be seen first
                    await self._up["code"].wait()
                return await self.human(asked)
            line = await person.answer(asked["what"])
            if asked["what"] == "sms_code":
                self._look_at_phone()  # before it is typed
            return line

        return types

    @property
    def sms(self) -> Path:
        """Where the backend's file port writes."""
        return self.folder / "backend" / "sms.jsonl"

    async def ring(self) -> None:
        """Show each SMS as it comes; runs until it is cancelled."""
        while True:
            self._look_at_phone()
            await asyncio.sleep(SMS_POLL)

    def _look_at_phone(self) -> None:
        for said in Phone(self.sms).texts()[self._texts :]:
            self._texts += 1
            self.watch(
                {
                    "t": time.monotonic(),
                    "event": "sms_received",
                    "role": "phone",
                    "step": "21" if CODE.search(said) else "",
                    "text": said,
                }
            )

    async def done(self, name: str, *arguments: str, typed: str | None = None) -> None:
        """Run one nearproof process to its end.  Raises `ActorFailed` if it does not end well."""
        actor = await self.run(name, *arguments)
        if typed is not None:
            actor.type(typed)
        if code := await actor.exit_code():
            raise ActorFailed(f"{name}: {actor.failure().get('text', f'exit code {code}')}")

    async def enrol(self, name: str, account: str = ACCOUNT) -> None:
        """Join the laptop `name` to the backend and activate it as its account's first."""
        await self.done(name, "join", self.join_line)
        code = await self.invited(account)
        await self.done(name, "new", "activate", "--label", name, typed=code)

    async def invited(self, account: str = ACCOUNT) -> str:
        """An activation code."""
        ordering = ("backend", "invite", account, "--phone", PHONE, *self.data)
        invite = await self.run("backend", *ordering)
        code = (await invite.until("invited"))["activation_code"]
        await invite.exit_code()
        return str(code)

    @property
    def data(self) -> tuple[str, str]:
        """The backend's folder, as its commands take it."""
        return ("--data", str(self.folder / "backend"))

    async def old_copy(self, name: str = "old") -> Actor:
        """OLD: `nearproof old copy`, with its QR on `qr`."""
        return await self.run(name, "old", "copy", "--radio", self.air, "--show", f"png:{self.qr}")

    async def new_copy(self, name: str = "new", **options: str) -> Actor:
        """NEW: `nearproof new copy`, its camera in front of OLD's screen."""
        given = {
            "radio": self.air,
            "camera": f"lens:{self.qr}?seed={self.seed}",
            "label": name,
        } | {option.replace("_", "-"): value for option, value in options.items()}
        flags = [part for option, value in given.items() for part in (f"--{option}", value)]
        return await self.run(name, "new", "copy", *flags)

    async def close(self) -> None:
        """Stop every laptop."""
        await asyncio.gather(*(actor.stop() for actor in self._actors))


async def start(
    name: str, watch: Watch, hands: Hands | None, patience: float, *arguments: str
) -> Actor:
    """Start one nearproof process that tells its events as JSON."""
    process = await asyncio.create_subprocess_exec(
        *TIED,
        sys.executable,
        "-m",
        "nearproof.daemon",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C goes to the demo, which stops them in order
    )
    return Actor(name, process, watch, hands, patience)


@contextlib.asynccontextmanager
async def open_stage(
    folder: Path,
    *,
    wait: int,
    seed: int,
    watch: Watch,
    language: Language = "en",
    human: Hands | None = None,
) -> AsyncIterator[Stage]:
    """Start backend and air; `wait` is the waiting time in seconds, `human` types if given."""
    serving = ("backend", "serve", "--listen", "127.0.0.1:0", "--wait", str(wait))
    data = ("--data", str(folder / "backend"))
    async with contextlib.AsyncExitStack() as stack:
        backend = await start("backend", watch, None, PATIENCE, "--json", *serving, *data)
        stack.push_async_callback(backend.stop)
        air = await stack.enter_async_context(
            air_process(
                *("--seed", str(seed), "--connection-interval", CONNECTION_INTERVAL),
                *("--btsnoop", str(folder / SNIFFED)),
            )
        )
        ready = await backend.until("backend_ready")
        stage = Stage(folder, air, ready["url"], ready["join"], watch, seed, language, human)
        stack.push_async_callback(stage.close)
        yield stage
