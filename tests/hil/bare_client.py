"""A bare bleak client that times the bare server: `python -m hil.bare_client`.

Prints one JSON object, seconds: from the scan hit to connected with services discovered, to
subscribed, and for each write with the notifications that answer it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import time

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from dbus_fast import BusType, Message
from dbus_fast.aio import MessageBus

from hil.bare import MESSAGES, PAIRS, SERVICE

SCAN_DEADLINE = 30.0  # seconds
ANSWER_DEADLINE = 10.0


async def find(adapter: str) -> tuple[BLEDevice, float]:
    """Scan until the bare server is heard; the device, and when that was."""
    found: asyncio.Future[tuple[BLEDevice, float]] = asyncio.get_running_loop().create_future()

    def heard(device: BLEDevice, data: AdvertisementData) -> None:
        if SERVICE in data.service_uuids and not found.done():
            found.set_result((device, time.perf_counter()))

    async with asyncio.timeout(SCAN_DEADLINE), BleakScanner(heard, bluez={"adapter": adapter}):
        return await found


async def measure(adapter: str) -> dict[str, float]:
    """Connect, subscribe, write and be answered."""
    begin = time.perf_counter()
    device, hit = await find(adapter)
    laps = [begin, hit]
    arrived: asyncio.Queue[int] = asyncio.Queue()
    async with BleakClient(device, bluez={"adapter": adapter}) as client:
        laps.append(time.perf_counter())
        await client.start_notify(
            MESSAGES,
            lambda _, value: arrived.put_nowait(len(value)),
            bluez={"use_start_notify": False},
        )
        laps.append(time.perf_counter())
        for size, answers in PAIRS.items():
            await client.write_gatt_char(MESSAGES, os.urandom(size), response=True)
            async with asyncio.timeout(ANSWER_DEADLINE):
                for answer in answers:
                    if await arrived.get() != answer:
                        raise RuntimeError("an answer is cut or missing")
            laps.append(time.perf_counter())
        await client.stop_notify(MESSAGES)
    await forget(adapter, device.details["path"])
    names = ("scan", "connect", "subscribe", *(f"pair{n + 1}" for n in range(len(PAIRS))))
    times = [after - before for before, after in itertools.pairwise(laps)]
    return dict(zip(names, times, strict=True))


async def forget(adapter: str, path: str) -> None:
    """Have BlueZ forget the device, as the product does, so that both meet a stranger."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    await bus.call(
        Message(
            destination="org.bluez",
            path=f"/org/bluez/{adapter}",
            interface="org.bluez.Adapter1",
            member="RemoveDevice",
            signature="o",
            body=[path],
        )
    )
    bus.disconnect()


async def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", default="hci0")
    print(json.dumps(await measure(parser.parse_args().adapter)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
