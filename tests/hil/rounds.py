"""Challenges and answers as in the protocol's rounds, many more of them, over the product's
own BlueZ drivers: `python -m hil.rounds old EID COUNT` here, `... new EID` there.

OLD prints one JSON list: [microseconds of the round trip, microseconds of its arrival] each.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Final

from hil.echo_central import find
from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.bluez.peripheral import BluezPeripheral
from nearproof.ble.errors import BluetoothError
from nearproof.ble.ports import Channel

ADAPTER: Final = "hci0"
CHALLENGE: Final = 9  # bytes: an index and 8 random ones
ANSWER: Final = 8
LOST: Final = 2.0  # seconds after which a round is lost
PATIENCE: Final = 30.0  # seconds for NEW to come


class Old:
    """The application on the peripheral port: one round open at a time."""

    def __init__(self) -> None:
        self.central: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.ready = asyncio.Event()
        self.answered: asyncio.Queue[int] = asyncio.Queue()

    def connected(self, central: str) -> None:
        if not self.central.done():
            self.central.set_result(central)

    def disconnected(self, central: str) -> None: ...

    def subscribed(self, central: str | None, channel: Channel) -> None:
        self.ready.set()

    def written(self, central: str, channel: Channel, value: bytes) -> None:
        self.answered.put_nowait(time.perf_counter_ns() // 1000)

    def stack_lost(self) -> None: ...

    def failed(self, error: BluetoothError) -> None: ...


async def old(eid: bytes, count: int) -> list[tuple[int, int]]:
    """Time so many rounds with whoever comes; those that were lost are left out."""
    peripheral, application = BluezPeripheral(ADAPTER), Old()
    await peripheral.open(application)
    timed = []
    try:
        await peripheral.advertise(eid)
        print("advertising", flush=True)
        async with asyncio.timeout(PATIENCE):
            central = await application.central
            await application.ready.wait()
        for _ in range(count):
            begun = time.perf_counter_ns() // 1000
            await peripheral.notify(central, Channel.ROUNDS, os.urandom(CHALLENGE))
            try:
                async with asyncio.timeout(LOST):
                    arrived = await application.answered.get()
            except TimeoutError:
                continue
            timed.append((arrived - begun, arrived))
    finally:
        await peripheral.close()
    return timed


class New:
    """The application on the link port: it answers at once."""

    def __init__(self) -> None:
        self.challenges: asyncio.Queue[bytes | None] = asyncio.Queue()

    def notified(self, channel: Channel, value: bytes) -> None:
        self.challenges.put_nowait(value)

    def lost(self) -> None:
        self.challenges.put_nowait(None)


async def new(eid: bytes) -> None:
    """Answer until the link ends."""
    central, application = BluezCentral(ADAPTER), New()
    await central.open()
    try:
        async with asyncio.timeout(PATIENCE):
            link = await central.connect(await find(central, eid), application)
            await link.subscribe(Channel.ROUNDS)
        while challenge := await application.challenges.get():
            await link.write(Channel.ROUNDS, challenge[:ANSWER])
    finally:
        await central.close()


def main() -> None:
    """Play the part that the command line names."""
    part, eid, *count = sys.argv[1:]
    if part == "old":
        print(json.dumps(asyncio.run(old(bytes.fromhex(eid), int(count[0])))), flush=True)
    else:
        asyncio.run(new(bytes.fromhex(eid)))


if __name__ == "__main__":
    main()
