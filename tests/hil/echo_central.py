"""Find an echoing peripheral and time it: `python -m hil.echo_central EID`.

Uses the product's own BlueZ driver.  Prints one JSON object: milliseconds for the scan, for
connecting with service discovery, for subscribing, and for each echo of 120 bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.ports import Advert, Channel

VALUE = bytes(range(120))
SCAN_DEADLINE = 10.0  # seconds


class Echoes:
    """The application on the link port: the echoes, in order."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[bytes | None] = asyncio.Queue()

    def notified(self, channel: Channel, value: bytes) -> None:
        """An echo arrived."""
        self.arrived.put_nowait(value)

    def lost(self) -> None:
        """The link ended."""
        self.arrived.put_nowait(None)


class Stopwatch:
    """Milliseconds since the last lap."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """End a lap and return its length."""
        last, self._last = self._last, time.perf_counter()
        return round((self._last - last) * 1000, 1)


async def find(central: BluezCentral, eid: bytes) -> Advert:
    """Scan until the advert with that EID is heard."""
    async with central.scan() as adverts:
        async for advert in adverts:
            if eid in advert.service_uuids:
                return advert
    raise RuntimeError("the scan ended")


async def measure(central: BluezCentral, eid: bytes, rounds: int) -> dict[str, object]:
    """Scan, connect, subscribe and echo."""
    watch = Stopwatch()
    async with asyncio.timeout(SCAN_DEADLINE):
        advert = await find(central, eid)
    facts: dict[str, object] = {"scan": watch.lap(), "rssi": advert.rssi}
    echoes = Echoes()
    link = await central.connect(advert, echoes)
    facts |= {"connect": watch.lap(), "mtu": link.mtu}
    try:
        await link.subscribe(Channel.MESSAGES)
        facts["subscribe"] = watch.lap()
        times = []
        for _ in range(rounds):
            await link.write(Channel.MESSAGES, VALUE)
            if await echoes.arrived.get() != VALUE:
                raise RuntimeError("the link was lost or the echo is another value")
            times.append(watch.lap())
        facts["echoes"] = times
    finally:
        watch.lap()
        await link.unsubscribe(Channel.MESSAGES)
        await link.disconnect()
        facts["disconnect"] = watch.lap()
    return facts


async def main() -> None:
    """Measure once and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("eid", type=bytes.fromhex, help="32 hexadecimal digits")
    parser.add_argument("--adapter", default="hci0")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    central = BluezCentral(arguments.adapter)
    await central.open()
    try:
        print(json.dumps(await measure(central, arguments.eid, arguments.rounds)), flush=True)
    finally:
        await central.close()


if __name__ == "__main__":
    asyncio.run(main())
