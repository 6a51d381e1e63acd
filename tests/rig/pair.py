"""Two laptops in reach of each other: the air, two machines, and the cable between them."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nearproof.ble.virtual.air import open_air
from nearproof.ble.virtual.medium import Air, AirSettings
from rig import kernel, prerequisites
from rig.errors import RigError
from rig.laptop import BluezSettings, Laptop
from rig.machine import Keep, Machine, Wires

NAMES = ("laptop1", "laptop2")
ADDRESSES = ("10.77.0.1", "10.77.0.2")  # on the laptops' own Ethernet, which ends there
KEEPER = Path(__file__).with_name("keeper.py")


@dataclass(frozen=True, slots=True)
class Room:
    """Where everybody hears everybody; `air.settings` may be replaced."""

    air: Air
    path: Path  # of the socket that gives whoever connects an HCI controller on this air

    @property
    def address(self) -> str:
        """The air's name for `nearproof.ble.virtual` and `rig.relay`."""
        return f"air:{self.path}"


@dataclass(frozen=True, slots=True)
class Rig:
    """Two laptops that run, each in its room: the same one, unless they are apart."""

    laptops: tuple[Laptop, Laptop]
    rooms: tuple[Room, Room]
    root: Path  # its temporary directory

    @property
    def air(self) -> Air:
        """The air of the first laptop's room."""
        return self.rooms[0].air


@asynccontextmanager
async def open_rig(
    bluez: BluezSettings | None = BluezSettings(),  # noqa: B008  # immutable
    air: AirSettings | None = None,
    *,
    apart: bool = False,
) -> AsyncIterator[Rig]:
    """Boot two laptops; yields when both are ready, their adapters powered unless `bluez` is None.

    Raises `RigError` if a prerequisite lacks, the kernel is not built, or a laptop fails.
    However the caller ends, no process, mount or file is left.
    """
    prerequisites.require(prerequisites.RUN)
    binary = kernel.cached()
    if binary is None:
        raise RigError("the rig's kernel is not built yet.  Run:\n  scripts/rig build")
    async with AsyncExitStack() as stack:
        machines: list[Machine] = []
        stack.push_async_callback(_ended, machines)  # after the keeper has killed them
        root, keep = await stack.enter_async_context(keeper())
        near = far = await stack.enter_async_context(_room(root / "air1", air))
        if apart:
            far = await stack.enter_async_context(_room(root / "air2", air))
        machines += [_machine(root, index) for index in range(len(NAMES))]
        cable = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ends = [stack.enter_context(end) for end in cable]
        dongles = [stack.enter_context(_dial(room)) for room in (near, far)]
        try:
            async with asyncio.TaskGroup() as tasks:
                started = [
                    tasks.create_task(_start(machine, binary, keep, Wires(*wires), bluez))
                    for machine, *wires in zip(machines, dongles, ends, strict=True)
                ]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        first, second = (task.result() for task in started)
        yield Rig((first, second), (near, far), root)


@asynccontextmanager
async def _room(path: Path, settings: AirSettings | None) -> AsyncIterator[Room]:
    async with open_air(path=path, settings=settings) as (air, _):
        yield Room(air, path)


def _machine(root: Path, index: int) -> Machine:
    machine = Machine(NAMES[index], ADDRESSES[index], root / NAMES[index])
    machine.share.mkdir(parents=True)
    names = [" ".join(pair) for pair in zip(ADDRESSES, NAMES, strict=True)]
    (machine.share / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
    return machine


def _dial(room: Room) -> socket.socket:
    """A new Bluetooth controller in the room."""
    hci = socket.socket(socket.AF_UNIX)
    hci.connect(str(room.path))
    return hci


async def _start(
    machine: Machine, binary: Path, keep: Keep, wires: Wires, bluez: BluezSettings | None
) -> Laptop:
    laptop = Laptop(machine, await machine.boot(binary, wires, keep))
    if bluez is not None:
        await laptop.start_bluetooth(bluez)
    return laptop


async def _ended(machines: list[Machine]) -> None:
    await asyncio.gather(*(machine.ended() for machine in machines))


@asynccontextmanager
async def keeper() -> AsyncIterator[tuple[Path, Keep]]:
    """Start the keeper; yields the rig's directory and what gives it a process group."""
    keeper = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(KEEPER), stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    stdin, stdout = keeper.stdin, keeper.stdout
    assert stdin is not None
    assert stdout is not None
    try:
        root = (await stdout.readline()).decode().rstrip("\n")
        yield Path(root), lambda group: stdin.write(f"{group}\n".encode())
    finally:
        stdin.close()
        await keeper.wait()
