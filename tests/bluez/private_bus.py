"""A D-Bus daemon of the test's own, as a stand-in for the system bus."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={sockets}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <!-- as on the system bus: of the bus itself these three interfaces, and no Peer -->
    <deny send_destination="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus.Properties"/>
    {rules}
  </policy>
</busconfig>
"""


class PrivateBus:
    """The daemon, reached by `address`."""

    def __init__(self, daemon: asyncio.subprocess.Process, address: str, services: Path) -> None:
        self._daemon = daemon
        self._services = services
        self.address = address

    def starts(self, name: str, command: str) -> None:
        """Have the daemon run a shell's line when it is asked to start `name`."""
        lines = ("[D-BUS Service]", f"Name={name}", f"Exec=/bin/sh -c '{command}'", "")
        (self._services / f"{name}.service").write_text("\n".join(lines))

    async def kill(self) -> None:
        """End the daemon, and with it every connection."""
        if self._daemon.returncode is None:
            self._daemon.kill()
        await self._daemon.communicate()


@asynccontextmanager
async def private_bus(directory: Path, rules: str = "") -> AsyncIterator[PrivateBus]:
    """A fresh daemon; `rules` are further lines of its default policy."""
    config, services = directory / "bus.conf", directory / "services"
    services.mkdir()
    # Not in pytest's directory: the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory() as sockets:
        config.write_text(CONFIG.format(sockets=sockets, services=services, rules=rules))
        daemon = await asyncio.create_subprocess_exec(
            "dbus-daemon",
            f"--config-file={config}",
            "--nofork",
            "--print-address=1",
            stdout=asyncio.subprocess.PIPE,
        )
        assert daemon.stdout is not None
        bus = PrivateBus(daemon, (await daemon.stdout.readline()).decode().strip(), services)
        try:
            assert bus.address, "dbus-daemon did not start"
            yield bus
        finally:
            await bus.kill()
