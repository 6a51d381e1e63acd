"""A guest: Debian's kernel under QEMU, whose Bluetooth is used from here over its D-Bus.

QEMU emulates the CPU too: a machine that is a guest itself need not offer KVM.  Its HCI
controller is one of the air's.  Its only network is a port on this machine's loopback that is
forwarded to its system bus; it can reach nothing itself.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from qemu import initramfs
from qemu.kernel import Kernel
from rig.errors import RigError
from rig.machine import REPO

POWERED = REPO / "tests" / "rig" / "guest" / "powered.py"
MEMORY = "192M"
BUS_PORT = 7000  # in the guest
BOOT_DEADLINE = 240.0  # seconds; it takes 8 to 30
CONSOLE_LINES = 200

COMMAND_LINE = (
    *("console=ttyS0", "quiet", "panic=-1", "rdinit=/init"),
    *("acpi=off", "pci=nomsi", "nokaslr", "audit=0", "apparmor=0"),  # all of it saves time
)


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest that runs, its adapter hci0 powered."""

    name: str
    kernel: str  # release and version, as its kernel says
    bluez: str  # version, as its bluetoothd says
    bus: str  # address of its system bus, for DBUS_SYSTEM_BUS_ADDRESS
    boot_seconds: float


class Console:
    """What a guest says: lines that begin with @ are news, a word each and what belongs to it."""

    def __init__(self, name: str, process: Process) -> None:
        self._name = name
        self._process = process
        self._last: deque[str] = deque(maxlen=CONSOLE_LINES)
        self._listening = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self.news: dict[str, str] = {}

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for said in self._process.stdout:
            line = said.decode(errors="replace").strip()
            self._last.append(line)
            if line.startswith("@"):
                name, _, rest = line[1:].partition(" ")
                self.news[name] = rest
            if "listening" in self.news:
                self._listening.set()
        self._listening.set()

    async def listening(self) -> None:
        """Wait until the bus can be connected to.  Raises `RigError` if the guest ends before."""
        await self._listening.wait()
        if "listening" not in self.news:
            raise self.failure("ended while booting")

    async def ended(self) -> None:
        """Wait until all is read."""
        await self._reader

    def failure(self, what: str) -> RigError:
        """An error that tells what the guest said last."""
        return RigError(f"{self._name} {what}:\n" + "\n".join(self._last))


@asynccontextmanager
async def boot(
    name: str, kernel: Kernel, air: Path, folder: Path, group: int
) -> AsyncIterator[Guest]:
    """Boot a guest with a controller of the air that listens at `air`; yields when it is ready.

    Its file system is written to `folder`, and it joins the process group `group`.  Raises
    `RigError` with what it said if it does not boot.
    """
    files = folder / f"{name}.cpio"
    initramfs.write(files, name, kernel.modules)
    port = _free_port()
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *_command(name, kernel, air, files, port),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        process_group=group,
    )
    console = Console(name, process)
    bus = f"tcp:host=127.0.0.1,port={port}"
    try:
        try:
            async with asyncio.timeout(BOOT_DEADLINE):
                await console.listening()
                await _powered(bus, group)
        except TimeoutError:
            raise console.failure("does not boot") from None
        seconds = time.monotonic() - started
        yield Guest(name, console.news["kernel"], console.news["bluez"], bus, seconds)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await console.ended()


def _command(name: str, kernel: Kernel, air: Path, files: Path, port: int) -> list[str]:
    forward = f"hostfwd=tcp:127.0.0.1:{port}-:{BUS_PORT}"
    return [
        *("qemu-system-x86_64", "-name", name, "-accel", "tcg", "-m", MEMORY),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-serial", "stdio", "-monitor", "none"),
        *("-kernel", str(kernel.image), "-initrd", str(files)),
        *("-append", " ".join((*COMMAND_LINE, f"RIG_USER={os.getuid()}"))),
        *("-chardev", f"socket,id=hci,path={air}"),
        *("-device", "virtio-serial-pci", "-device", "virtconsole,chardev=hci"),
        *("-netdev", f"user,id=net,restrict=on,{forward}", "-device", "virtio-net-pci,netdev=net"),
    ]


def _free_port() -> int:
    """A TCP port of the loopback that was free just now; QEMU says so if it is not any more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def _powered(bus: str, group: int) -> None:
    """Wait until org.bluez is on the bus and its adapter powered."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(POWERED)),
        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus},
        stderr=PIPE,
        process_group=group,
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RigError(f"the guest's Bluetooth does not come up:\n{said.decode()}")
