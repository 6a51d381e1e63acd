"""The drivers over real GATT: honest runs, bad air, and hostile neighbours."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator

import pytest

from daemon.laptops import FAST, Laptops, Old, open_laptops
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.framing import split
from nearproof.ble.ports import Advert, Channel
from nearproof.ble.virtual.central import VirtualCentral, VirtualLink
from nearproof.ble.virtual.medium import AirSettings
from nearproof.ble.virtual.peripheral import VirtualPeripheral
from nearproof.crypto.errors import MalformedCode
from nearproof.crypto.session import actions as do


@pytest.fixture
async def laptops() -> AsyncIterator[Laptops]:
    async with open_laptops() as pair:
        yield pair


@pytest.mark.parametrize("mtu", [23, 185, 517])
async def test_an_honest_ceremony(laptops: Laptops, mtu: int) -> None:
    """At the smallest MTU, a usual one and the largest."""
    old = await laptops.old(mtu=mtu)
    await laptops.complete(old, await laptops.new(old))


async def test_rounds_are_timed_while_the_user_types(laptops: Laptops) -> None:
    """All four rounds are answered before anything is typed."""
    old = await laptops.old()
    new = await laptops.new(old)
    last = await old.heard.until(do.RoundTimed, lambda event: event.index == 3)
    assert last.rtt is not None
    await laptops.complete(old, new)


async def test_20_percent_loss_is_survived() -> None:
    """Lost packets cost time, not the ceremony."""
    async with open_laptops(dataclasses.replace(FAST, loss=0.2)) as laptops:
        old = await laptops.old()
        await laptops.complete(old, await laptops.new(old))


@pytest.mark.parametrize("drop_at", [do.Bound, do.CodeWanted, do.ProofMade])
async def test_a_dropped_link_is_resumed(laptops: Laptops, drop_at: type[do.Event]) -> None:
    """After m1, t1 or t2: NEW comes back, everything is answered from the cache."""
    old = await laptops.old()
    new = await laptops.new(old)
    if drop_at is do.ProofMade:
        code = await new.heard.until(do.CodeShown)
        await old.heard.until(do.CodeWanted)
        old.driver.enter_code(code.code)
    else:
        await old.heard.until(drop_at)
    await jam(laptops)
    if drop_at is not do.ProofMade:
        await laptops.complete(old, new)
    else:
        async with asyncio.timeout(30):
            assert await new.proving is None
            assert await new.driver.confirm()
            await new.driver.close()
            assert await old.serving is None


async def jam(laptops: Laptops) -> None:
    """Jam the air until every link has died."""
    laptops.air.settings = AirSettings(loss=1, connection_interval=2, advert_interval=20)
    async with asyncio.timeout(30):
        while laptops.air.channels:
            gone = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, gone.set)
            await gone.wait()
    laptops.air.settings = FAST


@pytest.mark.parametrize("serving", [False, True])
async def test_a_radio_that_has_failed_ends_old(laptops: Laptops, serving: bool) -> None:
    """OLD does not wait for the QR code to expire when its radio is gone for good.

    Nor show one: between Bluetooth and the QR code stands a PIN, which takes its time.
    """
    old = await laptops.old()
    if serving:
        await asyncio.sleep(0)  # the session begins
    old.driver.failed(BluetoothError(BluetoothReason.NO_ADAPTER))
    with pytest.raises(BluetoothError, match="no_adapter"):
        await old.serving


async def test_a_malformed_code_is_no_try(laptops: Laptops) -> None:
    """Five digits are asked for again, and the right six still count."""
    old = await laptops.old()
    new = await laptops.new(old)
    await old.heard.until(do.CodeWanted)
    with pytest.raises(MalformedCode):
        old.driver.enter_code("12345")
    await laptops.complete(old, new)


async def test_a_wrong_code_ends_the_qr(laptops: Laptops) -> None:
    """One try: OLD ends and reports, NEW never gets a proof."""
    old = await laptops.old()
    new = await laptops.new(old)
    code = await new.heard.until(do.CodeShown)
    await old.heard.until(do.CodeWanted)
    old.driver.enter_code(f"{(int(code.code) + 1) % 10**6:06}")
    async with asyncio.timeout(10):
        end = await old.serving
    assert end is not None and (end.reason, end.report) == (do.EndReason.WRONG_CODE, True)
    assert new.bundles == []


async def test_a_second_scan_of_the_same_qr_ends_it(laptops: Laptops) -> None:
    """Two valid m1: somebody else has the QR."""
    old = await laptops.old()
    await laptops.new(old)
    await old.heard.until(do.CodeWanted)
    await laptops.new(old)
    async with asyncio.timeout(20):
        end = await old.serving
    assert end is not None and end.reason is do.EndReason.OTHER_DEVICE


# -- hostile neighbours: each does its worst, then the honest ceremony completes -------------


class Intruder:
    """A central without the QR."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.heard: list[bytes] = []

    def notified(self, channel: Channel, value: bytes) -> None:
        self.heard.append(value)

    def lost(self) -> None:
        self.gone.set()


async def intrude(laptops: Laptops) -> tuple[VirtualLink, Intruder]:
    central = VirtualCentral(laptops.address)
    await central.open()
    laptops.stack.push_async_callback(central.close)
    intruder = Intruder()
    link = await central.connect(await first_advert(central), intruder)
    await link.subscribe(Channel.MESSAGES)
    return link, intruder


async def first_advert(central: VirtualCentral) -> Advert:
    async with central.scan() as adverts:
        async for advert in adverts:
            return advert
    raise AssertionError


async def test_silence_is_cut_off(laptops: Laptops) -> None:
    """A central that says nothing is disconnected after 5 s and blocks nobody."""
    old = await laptops.old()
    _, intruder = await intrude(laptops)
    await laptops.complete(old, await laptops.new(old))
    async with asyncio.timeout(10):
        await intruder.gone.wait()


@pytest.mark.parametrize(
    "garbage",
    [
        [bytes([0x80]) + os.urandom(86)],
        [b""],
        [b"\x05gap"],
        [bytes([number]) + bytes(500) for number in range(5)],
        [bytes([0x80]) + bytes(300)],
    ],
    ids=["forged m1", "empty", "gap", "overlong", "long m1"],
)
async def test_garbage_gets_no_answer(laptops: Laptops, garbage: list[bytes]) -> None:
    """It is refused without a word, and the honest NEW goes on."""
    old = await laptops.old()
    link, intruder = await intrude(laptops)
    with contextlib.suppress(AttError, BluetoothError):
        for frame in garbage:
            await link.write(Channel.MESSAGES, frame)
    assert intruder.heard == []
    await laptops.complete(old, await laptops.new(old))


async def test_a_frame_out_of_order_is_att_error_0x81(laptops: Laptops) -> None:
    """So that an honest peer knows to start its message again."""
    await laptops.old()
    link, _ = await intrude(laptops)
    with pytest.raises(AttError) as refused:
        await link.write(Channel.MESSAGES, b"\x05gap")
    assert refused.value.code == 0x81


async def test_a_long_m1_is_refused_by_its_frame(laptops: Laptops) -> None:
    """Before m1 nobody gets more than its 256 bytes put together."""
    await laptops.old()
    link, _ = await intrude(laptops)
    with pytest.raises(AttError) as refused:
        await link.write(Channel.MESSAGES, bytes([0]) + bytes(300))
    assert refused.value.code == 0x81


async def test_rounds_before_t1_are_refused(laptops: Laptops) -> None:
    """Nobody may play on the rounds' characteristic before a good t1."""
    old = await laptops.old()
    link, intruder = await intrude(laptops)
    with contextlib.suppress(BluetoothError):
        await link.write(Channel.ROUNDS, os.urandom(8))
    async with asyncio.timeout(10):
        await intruder.gone.wait()
    await laptops.complete(old, await laptops.new(old))


async def test_a_flood_changes_nothing(laptops: Laptops) -> None:
    """Hundreds of bad m1 on new links, while the honest ceremony runs."""
    old = await laptops.old()

    async def flood() -> None:
        for _ in range(30):
            with contextlib.suppress(AttError, BluetoothError):
                link, intruder = await intrude(laptops)
                for frame in split(os.urandom(86), link.mtu):
                    await link.write(Channel.MESSAGES, frame)
                await intruder.gone.wait()

    flooding = asyncio.create_task(flood())
    await laptops.complete(old, await laptops.new(old))
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)


async def eid_of(laptops: Laptops) -> bytes:
    central = VirtualCentral(laptops.address)
    await central.open()
    advert = await first_advert(central)
    await central.close()
    return advert.service_uuids[0]


@pytest.mark.parametrize("refused", [Channel.MESSAGES, Channel.ROUNDS])
async def test_a_refused_subscription_is_not_the_end(
    laptops: Laptops, refused: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloned advert whose peripheral answers with an ATT error must not end NEW's search."""
    subscribe = VirtualLink.subscribe
    refusals = iter([True, True])

    async def once_refused(link: VirtualLink, channel: Channel) -> None:
        if channel is refused and next(refusals, False):
            raise AttError(0x80)
        await subscribe(link, channel)

    old = await laptops.old()
    monkeypatch.setattr(VirtualLink, "subscribe", once_refused)
    await laptops.complete(old, await laptops.new(old))


class Mute:
    """The application of a cloned advert: takes everything, says nothing."""

    def __init__(self) -> None:
        self.m1: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connected(self, central: str) -> None: ...

    def disconnected(self, central: str) -> None: ...

    def subscribed(self, central: str | None, channel: Channel) -> None: ...

    def written(self, central: str, channel: Channel, value: bytes) -> None:
        if not self.m1.done():
            self.m1.set_result(value)

    def stack_lost(self) -> None: ...

    def failed(self, error: BluetoothError) -> None: ...


async def clone(laptops: Laptops, eid: bytes) -> Mute:
    mute = Mute()
    peripheral = VirtualPeripheral(laptops.address)
    await peripheral.open(mute)
    laptops.stack.push_async_callback(peripheral.close)
    await peripheral.advertise(eid)
    return mute


async def test_cloned_and_foreign_adverts_are_tried_in_turn(laptops: Laptops) -> None:
    """Three clones that swallow m1, and foreign UUIDs: NEW still finds OLD."""
    old = await laptops.old()
    eid = await eid_of(laptops)
    for _ in range(3):
        await clone(laptops, eid)
        await clone(laptops, os.urandom(16))
    await laptops.complete(old, await laptops.new(old))


def overhear(old: Old) -> list[bytes]:
    """Everything that is written to OLD on MESSAGES, as a sniffer would have it."""
    frames: list[bytes] = []
    take = old.driver.written

    def written(central: str, channel: Channel, value: bytes) -> None:
        if channel is Channel.MESSAGES:
            frames.append(value)
        take(central, channel, value)

    old.driver.written = written  # type: ignore[method-assign]
    return frames


async def test_a_replayed_m1_gets_nothing_while_new_is_served(laptops: Laptops) -> None:
    """A second central may write the bound m1, and hears nothing."""
    old = await laptops.old()
    frames = overhear(old)
    new = await laptops.new(old)
    await old.heard.until(do.CodeWanted)
    link, intruder = await intrude(laptops)
    await link.write(Channel.MESSAGES, frames[0])
    await old.heard.until(do.Refused, lambda event: event.reason is do.RefusalReason.SECOND_CENTRAL)
    assert intruder.heard == []
    await laptops.complete(old, new)


async def test_a_replayed_m1_gets_the_cached_m2_and_nothing_else(laptops: Laptops) -> None:
    """With NEW away: m2 again, which says nothing to who has no QR; a forged t1 disconnects."""
    old = await laptops.old()
    frames = overhear(old)
    gone = await laptops.new(old)
    await old.heard.until(do.CodeWanted)
    m1 = frames[0]
    gone.proving.cancel()
    await asyncio.gather(gone.proving, return_exceptions=True)
    await gone.driver.close()
    link, intruder = await intrude(laptops)
    await link.write(Channel.MESSAGES, m1)
    with contextlib.suppress(AttError, BluetoothError):
        for frame in split(os.urandom(399), link.mtu):
            await link.write(Channel.MESSAGES, frame)
    await old.heard.until(do.Refused, lambda event: event.reason is do.RefusalReason.BAD_T1_SEAL)
    async with asyncio.timeout(10):
        await intruder.gone.wait()
    assert len(intruder.heard) == 1
    assert not old.serving.done()


async def test_the_radio_going_away_is_an_error_not_a_hang() -> None:
    """The air ends under NEW: its driver says so."""
    async with contextlib.AsyncExitStack() as stack:
        laptops = await stack.enter_async_context(open_laptops())
        old = await laptops.old()
        new = await laptops.new(old)
        await old.heard.until(do.CodeWanted)
        server_gone = asyncio.create_task(stack.aclose())
        with contextlib.suppress(BluetoothError, asyncio.CancelledError):
            await new.proving
        await server_gone
    with pytest.raises(BluetoothError) as error:
        await VirtualCentral(laptops.address).open()
    assert error.value.reason is BluetoothReason.TRANSPORT
