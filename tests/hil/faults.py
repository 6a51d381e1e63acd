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

from hil.ceremony import Role
from hil.faults_stage import Account, Attempt, Stage, person, power, watch
from rig.faults import drop_links, jam

PATIENCE = 40.0  # seconds; the longest silence that NEW bears is 30
BUG = 70  # the exit code of an error that nobody has thought of
SUSPENDED = 4.0  # seconds
SLEPT = 190.0  # seconds: longer than a QR code lives
JAMMED = 3.0  # seconds: longer than a link's supervision timeout
DAY = 86400

CAMERA = ("--camera", "/dev/video0")
PICTURE = ("--image", "/run/rig/screen.png")

STEPS: dict[str, str] = {
    "waiting": "old:waiting",
    "QR shown": "old:qr_shown",
    "scanning": "new:scanning",
    "m1": "new:qr_scanned",
    "m2": "old:bound",
    "t1": "new:old_answered",
    "code asked": "new:code",
    "rounds": "old:round",
    "t2": "old:proof_made",
    "ack": "new:proof_received",
    "hand-off": "new:asked",
}
"""Each step, and the event that says that it has begun."""

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


def applies(step: str, fault: str) -> bool:
    """Whether there is at that step what the fault takes away."""
    early = step in ("waiting", "QR shown")
    match fault:
        case "camera gone":
            return step in ("QR shown", "scanning")
        case "NEW killed":
            return not early
        case "link drop":
            return step not in ("waiting", "QR shown", "scanning", "m1")
        case "OLD asleep 190 s":
            return step in ("QR shown", "code asked")
        case _:
            return True


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
    account = await stage.account()
    attempt = await make_attempt(stage, account, step, FAULTS[fault])
    crashed = await stage.heal()
    problems = _problems(attempt, fault)
    again = await _honest(stage, attempt, step, problems)
    devices = await stage.devices(account)
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
    mark = STEPS.get(step or "", "")
    struck = asyncio.Event()

    async def strike(role: Role) -> None:
        """Wait for the step in what `role` tells, and let the fault happen."""
        name = mark.partition(":")[2]
        try:
            if fault is not None and mark.startswith(role.name) and await role.until(name):
                attempt.struck = time.monotonic()
                await fault(stage, attempt)
        finally:
            if mark.startswith(role.name):
                struck.set()

    if fault is None:
        struck.set()
    source = CAMERA if step == "scanning" or fault is FAULTS["camera gone"] else PICTURE
    async with AsyncExitStack() as stack:
        striking: list[asyncio.Task[None]] = []
        acting: asyncio.Task[None] | None = None
        show = ("--show", "png:/run/rig/screen.png")
        old = await stack.enter_async_context(stage.role(attempt, "old", "old", "copy", *show))
        striking.append(asyncio.create_task(strike(old)))
        if await old.until("qr_shown") is not None:
            if step == "QR shown":
                await struck.wait()
            stage.carry_picture()
            new = await stack.enter_async_context(
                stage.role(attempt, "new", "new", "copy", *source)
            )
            striking.append(asyncio.create_task(strike(new)))
            acting = asyncio.create_task(_act(stage, attempt, struck, source))
        await watch(attempt, patience if fault is not _LONG else SLEPT + patience)
        if acting is not None:
            acting.cancel()
            await asyncio.wait({acting})
        await asyncio.gather(*striking)
    await stage.laptops["new"].camera.cover()
    if fault is FAULTS["camera gone"] and attempt.struck is not None:
        await stage.laptops["new"].camera.plug_in()
    return attempt


_LONG = FAULTS["OLD asleep 190 s"]


async def _act(
    stage: Stage, attempt: Attempt, struck: asyncio.Event, source: tuple[str, str]
) -> None:
    """What the person does once both processes run."""
    typing = asyncio.create_task(person(attempt, struck))
    try:
        if source == CAMERA and await attempt.roles["new"].until("scanning"):
            await struck.wait()
            if attempt.roles["new"].find("failed") is None:
                await stage.show_picture()
        await typing
    finally:
        typing.cancel()


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


async def _honest(stage: Stage, attempt: Attempt, step: str, problems: list[str]) -> str:
    """Try again on the same laptops, if there is anything left to do."""
    if attempt.codes.get("new") == 0:
        return "not needed"
    if attempt.told("new:asked"):  # for the account: by then the proof is stored
        code = await _hand_off(stage, attempt.account)
        if code == 0:
            return "the kept proof was accepted"
        problems.append(f"the kept proof was not accepted: {code}")
    second = await make_attempt(stage, attempt.account)
    if step != "waiting" and second.told("old:waiting"):
        problems.append("a new waiting time")
    if second.codes == {"old": 0, "new": 0}:
        return "copied"
    problems.append(f"no copy afterwards: {second.ending('old')}, {second.ending('new')}")
    problems.append(second.story())
    return "failed"


async def _hand_off(stage: Stage, account: Account) -> int:
    """Run NEW again, which gives the backend the proof that it has kept."""
    finished = await stage.laptops["new"].run(
        *("nearproof", "--home", account.home("new"), "new", "copy", "--user-id", account.name),
        check=False,
    )
    return finished.code
