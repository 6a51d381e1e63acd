"""The demo's ceremony, beside a bare link that moves as many values over the same air."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

from figures import Figure, of

from nearproof.ble.errors import BluetoothError
from nearproof.ble.ports import Channel
from nearproof.ble.virtual.central import VirtualCentral
from nearproof.ble.virtual.peripheral import VirtualPeripheral
from nearproof.ble.virtual.process import air_process
from nearproof.daemon.demo.stage import CONNECTION_INTERVAL

EID = bytes(range(16))
STAGES = (
    ("QR shown -> QR read", "qr_shown", "qr_scanned"),
    ("QR read -> OLD found (m2)", "qr_scanned", "old_answered"),
    ("m2 -> code on NEW", "old_answered", "code"),
    ("code typed -> proof stored and acknowledged", "code typed", "delivered"),
    ("acknowledged -> accepted by the backend", "delivered", "accepted"),
)


def measure(*, quick: bool) -> list[Figure]:
    """Seconds, without the typing; each run is a demo of its own."""
    runs = 3 if quick else 9
    totals: list[float] = []
    stages: dict[str, list[float]] = {name: [] for name, _, _ in STAGES}
    floors = []
    for seed in range(runs):
        at = _demo(seed)
        typing = at["code typed"] - at["code"]
        totals.append(at["accepted"] - at["qr_shown"] - typing)
        for name, begin, end in STAGES:
            stages[name].append(at[end] - at[begin])
        floors.append(asyncio.run(_bare_link()))
    floor = of("", floors, "s").value
    return [
        of("QR shown -> bundle accepted, no typing", totals, "s", target=2.0),
        *(
            of(f"  {name}", samples, "s", floor=floor, floor_name="bare link")
            if "OLD found" in name
            else of(f"  {name}", samples, "s")
            for name, samples in stages.items()
        ),
    ]


def _demo(seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "nearproof.daemon", "demo", "--json", "--seed", str(seed)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    return {_name(event): event["t"] for event in events}


def _name(event: dict[str, Any]) -> str:
    """What happened; a person types many things."""
    return f"{event['what']} typed" if event["event"] == "typed" else str(event["event"])


class _Echo:
    """Both ends of a bare link: OLD's side answers each write with a notification."""

    def __init__(self, peripheral: VirtualPeripheral) -> None:
        self._peripheral = peripheral
        self._tasks: set[asyncio.Task[None]] = set()
        self.answered = asyncio.Event()

    def connected(self, central: str) -> None: ...
    def disconnected(self, central: str) -> None: ...
    def subscribed(self, central: str | None, channel: Channel) -> None: ...
    def stack_lost(self) -> None: ...

    def failed(self, error: BluetoothError) -> None: ...
    def lost(self) -> None: ...

    def written(self, central: str, channel: Channel, value: bytes) -> None:
        self._tasks.add(asyncio.create_task(self._peripheral.notify(central, channel, value)))

    def notified(self, channel: Channel, value: bytes) -> None:
        self.answered.set()


async def _bare_link() -> float:
    """Advert heard, connected, subscribed, one value there and back: what m2 needs at least."""
    async with air_process("--connection-interval", CONNECTION_INTERVAL) as air:
        peripheral, central = VirtualPeripheral(air), VirtualCentral(air)
        echo = _Echo(peripheral)
        await peripheral.open(echo)
        await central.open()
        await peripheral.advertise(EID)
        start = time.perf_counter()
        async with central.scan() as adverts:
            advert = await anext(aiter(adverts))
        link = await central.connect(advert, echo)
        await link.subscribe(Channel.MESSAGES)
        await link.write(Channel.MESSAGES, bytes(87))
        await echo.answered.wait()
        taken = time.perf_counter() - start
        await central.close()
        await peripheral.close()
        return taken
