"""A backend and two laptops on which one attempt after the other is made, with a fresh account
each time, so that no case can help or hinder the next.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import cv2
import numpy as np

from hil.desk import Desk, open_desk
from hil.role import Event, Role
from nearproof.qr.lens import handheld, photograph
from rig.backend import NEARPROOF, PORT, PYTHON
from rig.laptop import BluezSettings, Laptop
from rig.pair import Rig, open_rig

WAIT = 2  # seconds a copy has to wait, so that a second wait would show
SCREEN = "screen.png"
DATA = "/run/home/backend"
PROTOCOL_ROUNDS = 4  # of a grant
STUCK = 80.0  # seconds without an end, of which an undisturbed attempt takes ten
GRACE = 20.0  # seconds a process may take to end once it is told to
TYPING = 3.0  # seconds the person gives the rounds before typing
LAST_WORDS = 12  # lines of the log of a service that died
SERVICES = ("dbus-daemon", "btattach", "bluetoothd")

# Whether a home has kept a proof.
KEPT = """
import pathlib, sys
from nearproof.config.home import Home
enrolment = Home(pathlib.Path(sys.argv[1])).enrolment()
print("kept" if enrolment and enrolment.bundle else "")
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An account and the homes of its two laptops."""

    name: str

    def home(self, role: str) -> str:
        """The home folder of "old" or "new"."""
        return f"/run/home/{self.name}-{role}"


@dataclass
class Attempt:
    """One try at a copy: the processes, when a fault struck, and who was stopped by the person."""

    account: Account
    roles: dict[str, Role] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    ended_at: dict[str, float] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    struck: float | None = None

    def told(self, mark: str) -> bool:
        """Whether "role:event" has been told."""
        role, _, name = mark.partition(":")
        return role in self.roles and self.roles[role].find(name) is not None

    def ending(self, role: str) -> str:
        """How a role ended: exit code and reason."""
        if role not in self.codes:
            return "not started"
        code = self.codes[role]
        last = self.roles[role].find("failed") or {}
        reason = str(last.get("reason", "done" if code == 0 else ""))
        by = " (stopped by the person)" if role in self.stopped else ""
        return f"{code} {reason}{by}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def story(self) -> str:
        """Everything that was told, in order."""
        events = [(e["at"], name, e) for name, role in self.roles.items() for e in role.told]
        start = min((at for at, *_ in events), default=0.0)
        if self.struck is not None:
            events.append((self.struck, "----", {"event": "fault"}))
        return "\n".join(
            f"{at - start:7.2f} {name} {e['event']} "
            f"{e.get('what', e.get('reason', ''))} {e.get('detail', '')}"
            for at, name, e in sorted(events, key=lambda each: each[0])
        )


class Stage:
    """Two laptops and a backend on the first of them, which can be killed and started again."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.laptops: dict[str, Laptop] = dict(zip(("old", "new"), rig.laptops, strict=True))
        self._serving: AsyncExitStack = AsyncExitStack()
        self.desk: Desk
        self.attempts: list[Attempt] = []  # of the case in hand
        self._killed = True
        self._numbers = itertools.count(1)

    # -- the backend

    async def serve(self) -> None:
        """Start the backend, with its default limits; returns when it serves."""
        await self._serving.aclose()
        first = self.laptops["old"]
        where = (f"{first.address}:{PORT}", first.name)
        desk = open_desk(first, NEARPROOF, PYTHON, DATA, *where, wait=WAIT, limits={})
        self.desk = await self._serving.enter_async_context(desk)
        self._killed = False

    async def kill_backend(self) -> None:
        """Kill the backend without warning."""
        self._killed = True
        await self._serving.aclose()

    async def account(self) -> Account:
        """A new account with its first laptop, and another laptop that is nobody's yet."""
        account = Account(f"case{next(self._numbers)}")
        old, new = self.laptops["old"], self.laptops["new"]
        join = ("join", *self.desk.join_line.split())
        await asyncio.gather(
            self.desk.activate(account.name, old, *NEARPROOF, "--home", account.home("old")),
            new.run(*NEARPROOF, "--home", account.home("new"), *join),
        )
        return account

    async def has_proof(self, account: Account) -> bool:
        """Whether NEW has kept a proof."""
        home = account.home("new")
        return bool((await self.laptops["new"].run("python", "-c", KEPT, home)).stdout.strip())

    # -- services

    async def restart(self, role: str, *services: str) -> None:
        """Kill services of a laptop and start them again, as its service manager would."""
        laptop = self.laptops[role]
        for service in services:
            with suppress(KeyError):
                await laptop.kill(service)
        if "dbus-daemon" in services:
            await laptop.start_bus()
        if "btattach" in services:
            laptop.plug_in()
        if "bluetoothd" in services:
            laptop.start_bluetoothd()
        await laptop.bluetooth_powered()

    async def heal(self) -> dict[str, str]:
        """Start what a fault has left dead; the services that died by themselves and their logs."""
        crashed: dict[str, str] = {}
        for role, laptop in self.laptops.items():
            dead = [name for name in SERVICES if not laptop.running(name)]
            for name in dead:
                if laptop.crashed(name):
                    last = laptop.log(name).splitlines()[-LAST_WORDS:]
                    crashed[f"{role.upper()}'s {name}"] = "\n".join(last)
            if dead:
                await self.restart(role, *dead)
            else:
                await power(laptop, on=True)
                await laptop.bluetooth_powered()
        if self._killed:
            await self.serve()
        return crashed

    # -- an attempt

    @asynccontextmanager
    async def role(self, attempt: Attempt, name: str, *argv: str) -> AsyncIterator[Role]:
        """One nearproof process of the attempt, killed in the end if it still runs."""
        home = ("--home", attempt.account.home(name))
        command = ("nearproof", *home, "--json", "--lang", "en", *argv)
        async with self.laptops[name].spawn(*command) as process:
            attempt.roles[name] = role = Role(name, process)
            yield role

    def carry_picture(self) -> bool:
        """Bring the picture of OLD's screen to NEW, as a file; False where OLD shows none now."""
        first, second = (laptop.machine.share / SCREEN for laptop in self.rig.laptops)
        try:
            shutil.copyfile(first, second)
        except FileNotFoundError:
            return False
        return True

    async def show_picture(self) -> None:
        """Hold OLD's screen before NEW's camera."""
        picture = cv2.imread(str(self.laptops["old"].machine.share / SCREEN), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        rng = np.random.default_rng(1)
        frame = await asyncio.to_thread(photograph, picture, handheld(rng), rng)
        await self.laptops["new"].camera.show(frame)


async def power(laptop: Laptop, *, on: bool) -> None:
    """Switch the adapter on or off."""
    await laptop.run(
        *("dbus-send", "--system", "--print-reply", "--dest=org.bluez", "/org/bluez/hci0"),
        *("org.freedesktop.DBus.Properties.Set", "string:org.bluez.Adapter1", "string:Powered"),
        f"variant:boolean:{str(on).lower()}",
    )


async def types_code(attempt: Attempt) -> None:
    """The person at OLD types what NEW shows, not faster than the rounds go."""
    old, new = attempt.roles["old"], attempt.roles["new"]
    code: Event | None = await new.until("code")
    asked = await old.until("code_wanted")
    with suppress(TimeoutError):
        async with asyncio.timeout(TYPING):
            await old.until("round", PROTOCOL_ROUNDS)
    if code is not None and asked is not None:
        old.process.write(f"{code['code']}\n".encode())


async def watch(attempt: Attempt, patience: float) -> None:
    """Wait until every process has ended, and give up on those that outlast the patience.

    The person presses Ctrl-C `patience` seconds after the other laptop has ended, or when
    neither has for `STUCK` seconds.
    """

    async def ends(name: str, role: Role) -> None:
        attempt.codes[name] = await role.exit()
        attempt.ended_at[name] = time.monotonic()

    pending = {asyncio.create_task(ends(*each)) for each in attempt.roles.items()}
    limit = max(STUCK, patience)
    while pending:
        done, pending = await asyncio.wait(
            pending, timeout=limit, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()
        limit = patience
        if not done:
            limit = GRACE
            for name, role in attempt.roles.items():
                if name not in attempt.codes:
                    again = name in attempt.stopped
                    role.process.signal(signal.SIGKILL if again else signal.SIGINT)
                    attempt.stopped.append(name)


@asynccontextmanager
async def open_stage(bluez: BluezSettings | None = None) -> AsyncIterator[Stage]:
    """Boot two laptops and serve on the first."""
    async with AsyncExitStack() as stack:
        stage = Stage(await stack.enter_async_context(open_rig(bluez or BluezSettings())))
        await stage.serve()
        stack.push_async_callback(stage.kill_backend)
        yield stage
