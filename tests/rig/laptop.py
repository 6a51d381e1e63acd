"""A laptop: a machine that runs, with its Bluetooth services and its camera."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rig.camera import Camera
from rig.errors import RigError
from rig.machine import REPO, Machine
from rig.prerequisites import BLUETOOTHD
from rig.shell import GuestProcess, Shell

ADVERT_UNIT = 0.625  # milliseconds
POWER_DEADLINE = 30.0  # seconds; it takes one
LOG_SHOWN = 2000  # characters of a log that an error shows


@dataclass(frozen=True, slots=True)
class BluezSettings:
    """What stands in bluetoothd's main.conf.

    `advert_ms` is the default interval between adverts in milliseconds, `experimental` the
    setting of that name, without which BlueZ before 5.77 takes no interval over D-Bus, and
    `forget_s` the seconds after which a device that is not paired is forgotten.
    """

    advert_ms: float = 100.0
    experimental: bool = False
    forget_s: int = 30

    def main_conf(self, name: str) -> str:
        """The file, for an adapter of this name."""
        interval = round(self.advert_ms / ADVERT_UNIT)
        return (
            "[General]\n"
            f"Name = {name}\n"
            f"Experimental = {str(self.experimental).lower()}\n"
            f"TemporaryTimeout = {self.forget_s}\n"
            "[LE]\n"
            f"MinAdvertisementInterval = {interval}\n"
            f"MaxAdvertisementInterval = {interval}\n"
            "[Policy]\n"
            "AutoEnable = true\n"
        )


class Laptop:
    """Starts commands (`run`, `spawn`: see `rig.shell.Shell`) and handles its services.

    The services are `dbus-daemon`, `btattach`, which is the Bluetooth dongle, and
    `bluetoothd`.
    """

    def __init__(self, machine: Machine, shell: Shell) -> None:
        self.machine = machine
        self.name = machine.name
        self.address = machine.address
        self.shell = shell
        self.run = shell.run
        self.spawn = shell.spawn
        self.camera = Camera(shell, machine.share)
        self._services: dict[str, GuestProcess] = {}

    async def start_bluetooth(self, settings: BluezSettings) -> None:
        """Start all services; returns when the adapter is powered."""
        (self.machine.share / "main.conf").write_text(settings.main_conf(self.name))
        await self.start_bus()
        self.plug_in()
        self.start_bluetoothd()
        await self.bluetooth_powered()

    async def start_bus(self) -> None:
        """Start dbus-daemon; returns when it takes connections."""
        bus = self._start("dbus-daemon", "--system", "--nofork", "--nopidfile", "--print-address")
        if not await bus.stdout.readline():
            raise RigError(f"{self.name}: dbus-daemon does not start:\n{self.log('dbus-daemon')}")

    def plug_in(self) -> None:
        """Plug the Bluetooth dongle in; `kill("btattach")` pulls it out."""
        self._start("btattach", "-B", "/dev/ttyS0", "-P", "h4")

    def start_bluetoothd(self) -> None:
        """Start bluetoothd."""
        bluetoothd = next(path for path in BLUETOOTHD if path.exists())
        self._start(str(bluetoothd), "--nodetach", "--debug", "--configfile", "/run/rig/main.conf")

    async def bluetooth_powered(self) -> None:
        """Wait until org.bluez is on the bus and hci0 is powered.

        Raises `RigError` with bluetoothd's log if that does not happen.
        """
        path = {"PYTHONPATH": f"{REPO}/tests"}
        try:
            async with asyncio.timeout(POWER_DEADLINE):
                await self.run("python", "-m", "rig.guest.powered", env=path)
        except TimeoutError:
            log = self.log("bluetoothd")[-LOG_SHOWN:]
            raise RigError(f"{self.name}: Bluetooth does not start:\n{log}") from None

    @asynccontextmanager
    async def btsnoop(self, path: Path) -> AsyncIterator[None]:
        """Write all HCI traffic of the laptop to `path`, a btsnoop file as Wireshark reads it."""
        name = "hci.btsnoop"
        async with self.spawn("btmon", "--write", f"/run/rig/{name}", terminal=(24, 80)) as btmon:
            await btmon.stdout.readline()  # it listens
            yield
        (self.machine.share / name).rename(path)

    async def kill(self, service: str) -> None:
        """Kill a service without warning."""
        process = self._services.pop(service)
        process.signal(signal.SIGKILL)
        await process.wait()

    def running(self, service: str) -> bool:
        """Whether a service runs."""
        return service in self._services and self._services[service].running

    def crashed(self, service: str) -> bool:
        """Whether a service has ended without `kill`."""
        return service in self._services and not self._services[service].running

    def log(self, service: str) -> str:
        """What a service wrote to its standard error."""
        return (self.machine.share / f"{service}.log").read_text(errors="replace")

    def _start(self, *argv: str) -> GuestProcess:
        name = Path(argv[0]).name
        if name in self._services and self._services[name].running:
            raise RigError(f"{self.name}: {name} runs already")
        script = f'exec "$0" "$@" 2>>/run/rig/{name}.log'
        self._services[name] = self.spawn("sh", "-c", script, *argv)
        return self._services[name]
