"""What goes wrong with two laptops, at which step of a ceremony, and what becomes of it.

A case is one fault at one step.  The rule for all of them: either the ceremony recovers by
itself, or both processes end in a state with a name; then an honest attempt works at once, with
no more than what a service manager or a person who plugs the dongle back in would do, with no
new waiting time; and in the end exactly one laptop has been added.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from hil.faults_stage import Account, Attempt, Stage, power, types_code, watch
from hil.role import Role, answer
from rig.faults import drop_links, jam

PATIENCE = 40.0  # seconds that a person waits in vain; not for the last of the deadlines
ENDURANCE = 200.0  # seconds, longer than a QR code's 180 and NEW's 150 for a proof
BUG = 70  # the exit code of an error that nobody has thought of
SUSPENDED = 4.0  # seconds
SLEPT = 190.0  # seconds: longer than a QR code lives
OUTAGE = 5.0  # seconds
JAMMED = 3.0  # seconds: longer than a link's supervision timeout
DAY = 86400

CAMERA = ("--camera", "/dev/video0")
PICTURE = ("--image", "/run/rig/screen.png")

STEPS: dict[str, str] = {
    "consent": "old:asked_consent",
    "PIN": "old:asked_pin_5",
    "waiting": "old:waiting",
    "PIN again": "old:asked_pin_9",
    "QR shown": "old:qr_shown",
    "scanning": "new:scanning",
    "m1": "new:qr_scanned",
    "m2": "old:bound",
    "t1": "new:old_answered",
    "code asked": "new:code",
    "rounds": "old:round",
    "t2": "old:proof_made",
    "ack": "new:proof_received",
    "hand-off": "new:acknowledged",
    "user ID": "new:asked_user",
    "SMS code": "new:asked_sms_code",
    "new PIN": "new:asked_new_pin",
}
"""Each step, and the event that says that it has begun; a question waits for the fault."""

EARLY = frozenset({"consent", "PIN", "waiting", "PIN again", "QR shown"})  # NEW does not run yet
LATE = frozenset({"user ID", "SMS code", "new PIN"})  # OLD has done its part
LINKED = frozenset({"m2", "t1", "code asked", "rounds", "t2", "ack", "hand-off"})

Fault = Callable[[Stage, Attempt], Awaitable[None]]


async def _drop(stage: Stage, attempt: Attempt) -> None:
    drop_links(stage.rig.air)


async def _jam(stage: Stage, attempt: Attempt) -> None:
    with jam(stage.rig.air):
        await asyncio.sleep(JAMMED)  # what is done to the air, not a wait for it


def _off_and_on(role: str) -> Fault:
    async def strike(stage: Stage, attempt: Attempt) -> None:
        await power(stage.laptops[role], on=False)
        await power(stage.laptops[role], on=True)

    return strike


def _unplugged(role: str, *, back: bool) -> Fault:
    async def strike(stage: Stage, attempt: Attempt) -> None:
        await stage.laptops[role].kill("btattach")
        drop_links(stage.rig.air)  # its controller has lost its power
        if back:
            stage.laptops[role].plug_in()

    return strike


def _restarted(role: str, *services: str) -> Fault:
    async def strike(stage: Stage, attempt: Attempt) -> None:
        await stage.restart(role, *services)

    return strike


def _killed(role: str) -> Fault:
    async def strike(stage: Stage, attempt: Attempt) -> None:
        attempt.roles[role].process.signal(signal.SIGKILL)

    return strike


def _asleep(role: str, seconds: float) -> Fault:
    async def strike(stage: Stage, attempt: Attempt) -> None:
        machine = stage.laptops[role].machine
        machine.suspend()
        await asyncio.sleep(seconds)
        machine.resume()

    return strike


async def _tomorrow(stage: Stage, attempt: Attempt) -> None:
    new = stage.laptops["new"]
    now = int((await new.run("date", "+%s")).stdout)
    await new.run("date", "-s", f"@{now + DAY}")


async def _no_camera(stage: Stage, attempt: Attempt) -> None:
    await stage.laptops["new"].camera.unplug()


async def _no_backend(stage: Stage, attempt: Attempt) -> None:
    await stage.kill_backend()
    if attempt.told("old:waiting") and not attempt.told("old:wait_over"):
        await asyncio.sleep(OUTAGE)
        await stage.serve()  # OLD would wait for it as long as for the hour


FAULTS: dict[str, Fault] = {
    "link drop": _drop,
    "jam": _jam,
    "OLD adapter off/on": _off_and_on("old"),
    "NEW adapter off/on": _off_and_on("new"),
    "OLD adapter gone": _unplugged("old", back=False),
    "NEW adapter gone": _unplugged("new", back=False),
    "OLD adapter replugged": _unplugged("old", back=True),
    "NEW adapter replugged": _unplugged("new", back=True),
    "OLD bluetoothd": _restarted("old", "bluetoothd"),
    "NEW bluetoothd": _restarted("new", "bluetoothd"),
    "OLD dbus-daemon": _restarted("old", "dbus-daemon", "bluetoothd"),
    "NEW dbus-daemon": _restarted("new", "dbus-daemon", "bluetoothd"),
    "camera gone": _no_camera,
    "backend killed": _no_backend,
    "OLD killed": _killed("old"),
    "NEW killed": _killed("new"),
    "OLD suspended": _asleep("old", SUSPENDED),
    "NEW suspended": _asleep("new", SUSPENDED),
    "NEW clock +1 day": _tomorrow,
    "OLD asleep 190 s": _asleep("old", SLEPT),
}


WAITED_OUT = {
    ("QR shown", "OLD killed"),
    ("scanning", "NEW killed"),
    ("m1", "NEW killed"),
    ("m2", "OLD killed"),
    ("code asked", "OLD killed"),
    ("t2", "OLD killed"),
}
"""Cases in which nobody gives up: the laptop that is left alone ends by itself.

An OLD whose proof nobody fetches goes on until its grant ends, ten minutes on: not waited for.
"""


def applies(step: str, fault: str) -> bool:
    """Whether there is at that step what the fault takes away."""
    role = fault.partition(" ")[0]
    match fault:
        case "camera gone":
            return step in ("QR shown", "scanning")
        case "link drop":
            return step in LINKED
        case "jam":
            return step in LINKED | {"scanning", "m1"}
        case "OLD asleep 190 s":
            return step in ("QR shown", "code asked")
        case "NEW adapter gone":
            return step == "QR shown" or step not in EARLY
        case _:
            return not (role == "NEW" and step in EARLY) and not (role == "OLD" and step in LATE)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case.  Times are seconds from the fault to the end of a process."""

    step: str
    fault: str
    old_code: int | None
    new_code: int | None
    old: str
    new: str
    old_seconds: float | None
    new_seconds: float | None
    recovered: bool
    again: str  # how the honest attempt after it went, or why none was needed
    crashed: dict[str, str]  # services that nobody had killed, with their last words
    problems: list[str]
    story: str


async def play(stage: Stage, step: str, fault: str) -> Result:
    """Play one case to its end and leave the laptops as they were."""
    stage.attempts.clear()
    account = await stage.account()
    patience = ENDURANCE if (step, fault) in WAITED_OUT else PATIENCE
    attempt = await make_attempt(stage, account, step, FAULTS[fault], patience)
    crashed = await stage.heal()
    problems = _problems(attempt, fault)
    again = await _honest(stage, attempt, problems)
    devices = await stage.desk.active(account.name)
    if devices != 2:
        problems.append(f"{devices} active devices, not 2")
    seconds = {
        name: round(at - attempt.struck, 1) if attempt.struck is not None else None
        for name, at in attempt.ended_at.items()
    }
    return Result(
        step=step,
        fault=fault,
        old_code=attempt.codes.get("old"),
        new_code=attempt.codes.get("new"),
        old=attempt.ending("old"),
        new=attempt.ending("new"),
        old_seconds=seconds.get("old"),
        new_seconds=seconds.get("new"),
        recovered=attempt.codes == {"old": 0, "new": 0},
        again=again,
        crashed=crashed,
        problems=problems,
        story=attempt.story(),
    )


async def honest(stage: Stage) -> Attempt:
    """One attempt that nobody disturbs, from `old copy` to the enrolled laptop."""
    return await make_attempt(stage, await stage.account())


async def make_attempt(
    stage: Stage,
    account: Account,
    step: str | None = None,
    fault: Fault | None = None,
    patience: float = PATIENCE,
) -> Attempt:
    """One attempt at a copy, disturbed by `fault` at `step` if they are given.

    After `patience` seconds the person stops the laptop that waits for the other in vain.
    """
    attempt = Attempt(account)
    stage.attempts.append(attempt)
    mark = STEPS.get(step or "", "")
    whose, _, event = mark.partition(":")
    struck = asyncio.Event()
    hold = (event, struck)

    async def strike(role: Role) -> None:
        """Wait for the step in what `role` tells, and let the fault happen."""
        if role.name != whose:
            return
        try:
            if fault is not None and await role.until(event):
                attempt.struck = time.monotonic()
                await fault(stage, attempt)
        finally:
            struck.set()

    phone = stage.desk.phone(account.name)
    source = CAMERA if step == "scanning" or fault is FAULTS["camera gone"] else PICTURE
    async with AsyncExitStack() as stack:
        tasks: list[asyncio.Task[None]] = []

        async def start(name: str, *argv: str) -> Role:
            """Start a role, with its person and its fault."""
            role = await stack.enter_async_context(stage.role(attempt, name, name, *argv))
            user = {"user": account.name}
            tasks.append(asyncio.create_task(answer(role, phone, user, hold)))
            striking.append(asyncio.create_task(strike(role)))
            return role

        striking: list[asyncio.Task[None]] = []
        old = await start("old", "copy", "--show", "png:/run/rig/screen.png")
        if await old.until("qr_shown") is not None:
            if step == "QR shown":
                await struck.wait()
            if stage.carry_picture():
                await start("new", "copy", *source)
                tasks.append(asyncio.create_task(types_code(attempt)))
                if source == CAMERA:
                    tasks.append(asyncio.create_task(_hold_up(stage, attempt, struck)))
        await watch(attempt, patience if fault is not _LONG else SLEPT + patience)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.gather(*striking)
    await stage.laptops["new"].camera.cover()
    if fault is FAULTS["camera gone"] and attempt.struck is not None:
        await stage.laptops["new"].camera.plug_in()
    return attempt


_LONG = FAULTS["OLD asleep 190 s"]


async def _hold_up(stage: Stage, attempt: Attempt, struck: asyncio.Event) -> None:
    """The person holds OLD's screen before NEW's camera, once the fault is over."""
    new = attempt.roles["new"]
    if await new.until("scanning"):
        await struck.wait()
        if new.find("failed") is None:
            await stage.show_picture()


def _problems(attempt: Attempt, fault: str) -> list[str]:
    """What must not have happened, but did."""
    problems = []
    if attempt.struck is None:
        problems.append("the step was never reached")
    for name, code in attempt.codes.items():
        if code in (1, BUG):
            problems.append(f"{name} ended with a bug: {attempt.ending(name)}")
        elif code < 0 and fault.casefold() != f"{name} killed":
            problems.append(f"{name} did not end when it was told to")
    return problems


async def _honest(stage: Stage, attempt: Attempt, problems: list[str]) -> str:
    """Try again on the same laptops, if there is anything left to do."""
    if attempt.codes.get("new") == 0:
        return "not needed"
    if await stage.has_proof(attempt.account):
        code, story = await _go_on(stage, attempt.account)
        if code == 0:
            return "the kept proof was accepted"
        problems.append(f"the kept proof was not accepted: {code}")
        problems.append(story)
    second = await make_attempt(stage, attempt.account)
    if attempt.told("old:wait_over") and second.told("old:waiting"):
        problems.append("a new waiting time")
    if second.codes == {"old": 0, "new": 0}:
        return "copied"
    problems.append(f"no copy afterwards: {second.ending('old')}, {second.ending('new')}")
    problems.append(second.story())
    return "failed"


async def _go_on(stage: Stage, account: Account) -> tuple[int, str]:
    """Run NEW again, which goes on with the proof that it has kept."""
    again = Attempt(account)
    async with stage.role(again, "new", "new", "copy", "--user-id", account.name) as role:
        answering = asyncio.create_task(answer(role, stage.desk.phone(account.name)))
        await watch(again, PATIENCE)
        answering.cancel()
        await asyncio.wait({answering})
    return again.codes["new"], again.story()
