"""An attacker's own laptop: a photo of the QR, a radio, and no scruples.

It runs the same session machines as an honest laptop, because an attacker may; what it lacks
is what the protocol says it must lack.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from nearproof.ble.errors import AttError, BluetoothError
from nearproof.ble.framing import split
from nearproof.ble.ports import Advert, Channel
from nearproof.ble.virtual.btsnoop import att_values_written
from nearproof.ble.virtual.central import VirtualCentral, VirtualLink
from nearproof.ble.virtual.peripheral import VirtualPeripheral
from nearproof.crypto.grant import Policy, issue_grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import QrPayload
from nearproof.crypto.session import actions as do
from nearproof.crypto.session.new import NewSession
from nearproof.crypto.session.old import OldSession
from nearproof.daemon.clock import boottime
from nearproof.daemon.demo.errors import AttackSucceeded
from nearproof.daemon.driver.new import NewDriver
from nearproof.daemon.driver.old import OldDriver
from nearproof.qr.payload import from_text
from nearproof.qr.scanner import Scanner, Sighting

HANG_UP = 30.0  # seconds within which OLD must end the attacker's link
M1_SIZE = 86  # bytes (SPEC, Sizes)


async def photograph(screen: Path) -> QrPayload:
    """Read the QR from a photo of OLD's screen."""
    async with Scanner(f"image:{screen}") as scanner:
        async for seen in scanner:
            if isinstance(seen, Sighting):
                return from_text(seen.text)
    raise RuntimeError("no QR on OLD's screen")


@contextlib.asynccontextmanager
async def false_new(air: str, qr: QrPayload, issuer: bytes) -> AsyncIterator[asyncio.Future[str]]:
    """A valid NEW with a key of the attacker's; gives the check code that it computes."""
    code: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(event: do.Event) -> None:
        if isinstance(event, do.CodeShown) and not code.done():
            code.set_result(event.code)

    session = NewSession(
        qr=qr,
        issuer_public=issuer,
        device_key=DeviceKey.generate(os.urandom),
        label="new",
        now=boottime(),
        randomness=os.urandom,
    )
    central = VirtualCentral(air)
    driver = NewDriver(session, central, hear, lambda bundle: None)
    await central.open()
    proving = asyncio.create_task(driver.prove())
    try:
        yield code
    finally:
        proving.cancel()
        await asyncio.gather(proving, return_exceptions=True)
        await driver.close()
        await central.close()


@contextlib.asynccontextmanager
async def false_old(air: str, show: Callable[[QrPayload], None]) -> AsyncIterator[None]:
    """An OLD with a QR of the attacker's own, under an issuer of its own making."""
    issuer, key = DeviceKey.generate(os.urandom), DeviceKey.generate(os.urandom)
    raw = issue_grant(
        issuer, iss="twin", cti=os.urandom(16), nbf=0, old_public=key.public, policy=Policy()
    )
    now = boottime()
    session = OldSession(
        device_key=key,
        grant=verify_grant(raw, issuer.public),
        received_at=now,
        now=now,
        randomness=os.urandom,
    )
    driver = OldDriver(VirtualPeripheral(air), lambda event: None)
    await driver.open()
    show(session.qr)
    serving = asyncio.create_task(driver.serve(session))
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await driver.close()


def sniffed_m1(traffic: Path) -> bytes:
    """The last whole m1 of the air's traffic: one frame, and of the size that m1 has."""
    frames = [value for value in att_values_written(traffic) if len(value) == 1 + M1_SIZE]
    if not frames:
        raise RuntimeError("no m1 in the air")
    return frames[-1][1:]


class Intruder:
    """A radio that says on MESSAGES whatever it likes (LinkEvents)."""

    def __init__(self, air: str) -> None:
        self._central = VirtualCentral(air)
        self._gone = asyncio.Event()
        self.heard = 0

    def notified(self, channel: Channel, value: bytes) -> None:
        """Count what OLD answers."""
        self.heard += 1

    def lost(self) -> None:
        """OLD has ended the link."""
        self._gone.set()

    async def says(self, *messages: bytes) -> None:
        """Connect to the one laptop that advertises, send each message; until it hangs up."""
        await self._central.open()
        try:
            link = await self._central.connect(await self._advert(), self)
            await link.subscribe(Channel.MESSAGES)
            with contextlib.suppress(AttError, BluetoothError):
                for message in messages:
                    await _send(link, message)
            async with asyncio.timeout(HANG_UP):
                await self._gone.wait()
        except TimeoutError:
            raise AttackSucceeded("OLD does not hang up on the attacker") from None
        finally:
            await self._central.close()

    async def _advert(self) -> Advert:
        async with self._central.scan() as adverts:
            async for advert in adverts:
                return advert
        raise RuntimeError("nobody advertises")


async def _send(link: VirtualLink, message: bytes) -> None:
    for frame in split(message, link.mtu):
        await link.write(Channel.MESSAGES, frame)
