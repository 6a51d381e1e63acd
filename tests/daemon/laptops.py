"""Two laptops in one process: real drivers, sessions and radios on one emulated air."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nearproof.ble.virtual.air import open_air
from nearproof.ble.virtual.central import VirtualCentral
from nearproof.ble.virtual.medium import Air, AirSettings
from nearproof.ble.virtual.peripheral import VirtualPeripheral
from nearproof.crypto.grant import Policy, issue_grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.session import actions as do
from nearproof.crypto.session.new import NewSession
from nearproof.crypto.session.old import OldSession
from nearproof.crypto.verifier import verify_bundle
from nearproof.daemon.clock import boottime
from nearproof.daemon.driver.new import NewDriver
from nearproof.daemon.driver.old import OldDriver

FAST = AirSettings(connection_interval=2, advert_interval=20)
ISSUER = DeviceKey.from_seed(bytes(31) + b"I")
NBF = 1_900_000_000

E = TypeVar("E")


class Heard:
    """The events of one driver; `until` waits for one of a kind."""

    def __init__(self) -> None:
        self.events: list[do.Event] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, event: do.Event) -> None:
        self.events.append(event)
        task = asyncio.create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, kind: type[E], fits: Callable[[E], bool] = lambda _: True) -> E:
        def found() -> E | None:
            matching = (each for each in self.events if isinstance(each, kind))
            return next((each for each in matching if fits(each)), None)

        async with asyncio.timeout(40), self._news:
            await self._news.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event


@dataclass
class Old:
    """OLD, its QR on display."""

    driver: OldDriver
    session: OldSession
    heard: Heard
    serving: asyncio.Task[do.Ended | None]


@dataclass
class New:
    """NEW, having scanned a QR."""

    driver: NewDriver
    heard: Heard
    proving: asyncio.Task[do.Ended | None]
    bundles: list[bytes] = field(default_factory=list)


@dataclass
class Laptops:
    """The air, and the laptops put on it."""

    air: Air
    address: str
    stack: contextlib.AsyncExitStack

    async def old(self, *, mtu: int = 517) -> Old:
        key = DeviceKey.generate(os.urandom)
        raw = issue_grant(
            ISSUER,
            iss=ISSUER.kid.hex(),
            cti=os.urandom(16),
            nbf=NBF,
            old_public=key.public,
            policy=Policy(),
        )
        grant = verify_grant(raw, ISSUER.public)
        now = boottime()
        session = OldSession(
            device_key=key, grant=grant, received_at=now, now=now, randomness=os.urandom
        )
        heard = Heard()
        driver = OldDriver(VirtualPeripheral(self.address, mtu=mtu), heard)
        await driver.open()
        self.stack.push_async_callback(driver.close)
        serving = asyncio.create_task(driver.serve(session))
        self.stack.push_async_callback(_end, serving)
        return Old(driver, session, heard, serving)

    async def new(self, old: Old, *, mtu: int = 517) -> New:
        session = NewSession(
            qr=old.session.qr,
            issuer_public=ISSUER.public,
            device_key=DeviceKey.generate(os.urandom),
            label="new",
            now=boottime(),
            randomness=os.urandom,
        )
        central = VirtualCentral(self.address, mtu=mtu)
        await central.open()
        self.stack.push_async_callback(central.close)
        heard, bundles = Heard(), list[bytes]()
        driver = NewDriver(session, central, heard, bundles.append)
        self.stack.push_async_callback(driver.close)
        proving = asyncio.create_task(driver.prove())
        self.stack.push_async_callback(_end, proving)
        return New(driver, heard, proving, bundles)

    async def complete(self, old: Old, new: New) -> None:
        """From the scan to the acknowledged proof: what an honest pair must always reach."""
        code = await new.heard.until(do.CodeShown)
        await old.heard.until(do.CodeWanted)
        old.driver.enter_code(code.code)
        async with asyncio.timeout(30):
            assert await new.proving is None
            assert await new.driver.confirm()
            await new.driver.close()
            assert await old.serving is None
        verify_bundle(new.bundles[0], ISSUER.public, at=NBF + 60)


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def open_laptops(settings: AirSettings = FAST) -> AsyncIterator[Laptops]:
    async with (
        open_air(settings=settings, rng=random.Random(1)) as (air, address),
        contextlib.AsyncExitStack() as stack,
    ):
        yield Laptops(air, address, stack)
