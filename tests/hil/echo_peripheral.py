"""Advertise one EID and echo every write as a notification: `python -m hil.echo_peripheral EID`.

Uses the product's own BlueZ driver.  Prints an event a line, and ends when its standard input
does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

from nearproof.ble.bluez.peripheral import BluezPeripheral
from nearproof.ble.errors import BluetoothError
from nearproof.ble.ports import Channel


def say(event: str, **facts: object) -> None:
    """Print one event."""
    print(json.dumps({"event": event, **facts}), flush=True)


class Echo:
    """The application on the peripheral port."""

    def __init__(self, peripheral: BluezPeripheral) -> None:
        self._peripheral = peripheral
        self._tasks: set[asyncio.Task[None]] = set()

    def connected(self, central: str) -> None:
        """A central connected."""
        say("connected", central=central)

    def disconnected(self, central: str) -> None:
        """A central's link ended."""
        say("disconnected", central=central)

    def subscribed(self, central: str | None, channel: Channel) -> None:
        """Notifications were switched on."""
        say("subscribed", channel=channel.value)

    def written(self, central: str, channel: Channel, value: bytes) -> None:
        """Send a value back where it came from."""
        task = asyncio.create_task(self._notify(central, channel, value))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self, central: str, channel: Channel, value: bytes) -> None:
        try:
            await self._peripheral.notify(central, channel, value)
        except BluetoothError as error:
            say("notify_failed", error=str(error))

    def stack_lost(self) -> None:
        """The Bluetooth stack went away."""
        say("stack_lost")

    def failed(self, error: BluetoothError) -> None:
        """The radio is gone for good."""
        say("failed", reason=error.reason)


async def main() -> None:
    """Advertise and echo until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("eid", type=bytes.fromhex, help="32 hexadecimal digits")
    parser.add_argument("--adapter", default="hci0")
    arguments = parser.parse_args()
    peripheral = BluezPeripheral(arguments.adapter)
    try:
        await peripheral.open(Echo(peripheral))
        await peripheral.advertise(arguments.eid)
        say("advertising")
        await asyncio.get_running_loop().run_in_executor(None, os.read, sys.stdin.fileno(), 1)
    finally:
        await peripheral.close()
    say("closed")


if __name__ == "__main__":
    asyncio.run(main())
