"""Who makes the adapter discoverable again after OLD, also when OLD is killed.

OLD hides its adapter while it advertises.  A process of its own waits for OLD's end, which it
hears as the end of its standard input, and then undoes that; so no way to end needs a clean-up.
It is started only for an adapter that was discoverable.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Final

PARTING: Final = 5.0  # seconds to put back what was


class Guardian:
    """The process, as OLD sees it."""

    def __init__(self, adapter_path: str) -> None:
        self._path = adapter_path
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it; returns when it watches."""
        # A session of its own: Ctrl-C and the end of a terminal are meant for OLD.
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-B", "-m", "nearproof.ble.bluez.guardian", self._path),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        await process.stdout.readline()

    async def dismiss(self, *, needed: bool) -> None:
        """End it; `needed`, it makes the adapter discoverable first, if it can."""
        process, self._process = self._process, None
        if process is None:
            return
        if needed:
            assert process.stdin is not None  # noqa: S101 - a pipe was asked for
            process.stdin.close()
            await asyncio.wait([asyncio.create_task(process.wait())], timeout=PARTING)
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _show(adapter_path: str) -> None:
    from dbus_fast import Variant

    from nearproof.ble.bluez import systembus
    from nearproof.ble.bluez.names import ADAPTER, PROPERTIES

    async with systembus.connected() as bus:
        arguments = (ADAPTER, "Discoverable", Variant("b", True))
        await systembus.call(bus, adapter_path, PROPERTIES, "Set", "ssv", *arguments)


def main() -> None:
    """Wait for the end of standard input, then make the adapter discoverable."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print("watching", flush=True)
    sys.stdin.read()
    # Only now: what has just been imported takes memory, and this may have waited for an hour.
    from nearproof.ble.errors import BluetoothError

    try:
        asyncio.run(_show(sys.argv[1]))
    except BluetoothError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
