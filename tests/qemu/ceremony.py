"""One ceremony, by the real command line, between two guests that run Debian's own kernel.

The nearproof processes run on this machine.  Each laptop's has the system bus of a guest, and
thereby the Bluetooth of that guest's kernel and bluetoothd.  What such a bus cannot do is pass
descriptors, so NEW asks twice for notifications, and OLD's first round may fall in between and
count as lost.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from nearproof.ble.virtual.air import open_air
from nearproof.daemon.demo import story
from nearproof.daemon.demo.audience import Audience
from nearproof.daemon.demo.stage import Actor, Event, Stage, Watch
from qemu import guest, kernel, prerequisites
from qemu.guest import Guest
from qemu.kernel import Progress
from rig.pair import keeper

RADIO = "bluez:hci0"
LAPTOPS = ("old", "new")
SEED = 1  # of the lens that NEW sees OLD's screen through

# What the time went to, each from the last event of one name to the last of another.
STAGES = (
    ("QR code shown, photographed and read", "qr_shown", "qr_scanned"),
    ("advert found, connected, keys agreed", "qr_scanned", "old_answered"),
    ("check code shown", "old_answered", "code"),
    ("rounds timed", "code", "round"),
    ("code typed, proof made and received", "round", "proof_received"),
    ("proof accepted by the backend", "proof_received", "accepted"),
)


@dataclass
class GuestStage(Stage):
    """A stage whose laptops have a guest's Bluetooth, by their names."""

    guests: Mapping[str, Guest] = field(default_factory=dict)
    group: int = 0  # the process group that its processes join

    async def run(self, name: str, *arguments: str, home: str | None = None) -> Actor:
        """Start one nearproof process, on the system bus of its guest if it is a laptop's."""
        environment = dict(os.environ)
        if name in self.guests:
            environment["DBUS_SYSTEM_BUS_ADDRESS"] = self.guests[name].bus
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nearproof.daemon", "--json", "--lang", "en"),
            *("--home", str(self.folder / (home or name)), *arguments),
            stdin=PIPE,
            stdout=PIPE,
            env=environment,
            process_group=self.group,
        )
        actor = Actor(name, process, self.hear, self.hands())
        self._actors.append(actor)
        return actor

    async def serve(self) -> None:
        """Start the backend, without a waiting time for copies."""
        command = ("backend", "serve", "--listen", "127.0.0.1:0", "--wait", "0")
        backend = await self.run("backend", *command, *self.data)
        ready = await backend.until("backend_ready")
        self.url, self.join_line = ready["url"], ready["join"]


@asynccontextmanager
async def open_stage(watch: Watch, progress: Progress) -> AsyncIterator[GuestStage]:
    """Boot both guests and start a backend; `watch` is called with every event.

    Raises `RigError` if something is missing or does not start.  However the caller ends, no
    process or file is left but the cached kernel.
    """
    prerequisites.require()
    binary = kernel.ready(progress)
    async with AsyncExitStack() as stack:
        folder, keep = await stack.enter_async_context(keeper())
        group = await stack.enter_async_context(_process_group())
        keep(group)
        air = folder / "air"
        await stack.enter_async_context(open_air(path=air))
        progress("booting two guests")
        boots = {name: guest.boot(name, binary, air, folder, group) for name in LAPTOPS}
        guests = await _enter_all(stack, boots)
        stage = GuestStage(folder, RADIO, "", "", watch, SEED, guests=guests, group=group)
        stack.push_async_callback(stage.close)
        await stage.serve()
        yield stage


@asynccontextmanager
async def _process_group() -> AsyncIterator[int]:
    """A process group that exists until the end of the context, whoever joins or leaves it."""
    leader = await asyncio.create_subprocess_exec("cat", stdin=PIPE, process_group=0)
    assert leader.stdin is not None
    try:
        yield leader.pid
    finally:
        leader.stdin.close()
        await leader.wait()


async def _enter_all(
    stack: AsyncExitStack, boots: Mapping[str, AbstractAsyncContextManager[Guest]]
) -> dict[str, Guest]:
    try:
        async with asyncio.TaskGroup() as tasks:
            booting = {
                name: tasks.create_task(stack.enter_async_context(boot))
                for name, boot in boots.items()
            }
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # one is enough to tell
    return {name: task.result() for name, task in booting.items()}


async def play(audience: Audience, progress: Progress) -> dict[str, float]:
    """Hold one ceremony and judge its proof; the seconds that each of `STAGES` took.

    Raises `RigError` as `open_stage`, and `ActorFailed` unless the backend accepted the proof
    and it holds.
    """
    times: dict[str, float] = {}

    def watch(event: Event) -> None:
        times[event["event"]] = event["t"]
        audience.watch(event)

    async with open_stage(watch, progress) as stage:
        for each in stage.guests.values():
            progress(f"{each.name}: Linux {each.kernel}, BlueZ {each.bluez}")
            progress(f"{each.name}: its adapter was on after {each.boot_seconds:.1f} s")
        await story.prepare(stage, audience)
        await story.play(stage, audience)
        await story.judge(stage, audience)
    return {stage: times[end] - times[begin] for stage, begin, end in STAGES}
