"""The two ports meet on an air: advert, connection, service, messages, and their ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from bumble import hci

from ble.virtual_helpers import EID, FAST, NewEvents, OldEvents, Pair, find, laptops
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.framing import MAX_MESSAGE, Reassembler, split
from nearproof.ble.ports import Advert, Central, Channel, Link, Peripheral
from nearproof.ble.virtual import central as central_module
from nearproof.ble.virtual.central import VirtualCentral, VirtualLink
from nearproof.ble.virtual.controller import MAX_CONNECTIONS
from nearproof.ble.virtual.medium import AirSettings
from nearproof.ble.virtual.peripheral import VirtualPeripheral


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Two laptops on a fast air, OLD advertising."""
    async with laptops() as pair:
        yield pair


def test_the_drivers_are_ports() -> None:
    """Held by the type checker: each class fits its protocol."""
    peripheral: Peripheral = VirtualPeripheral("usb:0")
    central: Central = VirtualCentral("usb:0")
    link: type[Link] = VirtualLink
    assert [type(peripheral), type(central), link]


# -- adverts --------------------------------------------------------------------


async def test_the_advert(pair: Pair) -> None:
    """NEW hears the EID in the UUID's byte order, the strength and who it was."""
    advert = await find(pair.central)
    assert advert.service_uuids == (EID,)
    assert advert.rssi == FAST.rssi
    assert len(advert.peer) == len("00:00:00:00:00:00")


async def test_adverts_come_again_and_again(pair: Pair) -> None:
    """One scan yields the same advertiser many times."""
    async with asyncio.timeout(10), pair.central.scan() as adverts:
        peers = [(await anext(adverts)).peer for _ in range(5)]
    assert len(set(peers)) == 1


async def test_another_eid_replaces_the_first(pair: Pair) -> None:
    """A peripheral advertises one EID."""
    other = bytes(16)
    await pair.peripheral.advertise(other)
    advert = await find(pair.central, other)
    assert advert.service_uuids == (other,)


async def test_stop_advertising(pair: Pair) -> None:
    """Stopping is heard, and may be repeated; a bystander is still heard."""
    await pair.peripheral.stop_advertising()
    await pair.peripheral.stop_advertising()
    bystander = VirtualPeripheral(pair.address)
    await bystander.open(OldEvents())
    try:
        async with pair.central.scan() as adverts:
            await bystander.advertise(bytes(16))
            for _ in range(5):
                assert (await anext(adverts)).service_uuids == (bytes(16),)
    finally:
        await bystander.close()


async def test_an_eid_has_16_bytes(pair: Pair) -> None:
    """A wrong length is refused and changes nothing."""
    with pytest.raises(ValueError, match="EID"):
        await pair.peripheral.advertise(bytes(15))
    await find(pair.central)


async def test_each_opening_has_a_fresh_address() -> None:
    """A static random address of its own, so that nobody can follow the adapter."""
    peers = set()
    for _ in range(2):
        async with laptops() as pair:
            advert = await find(pair.central)
            peers.add(advert.peer)
            assert isinstance(advert.handle, hci.Address) and advert.handle.is_static
    assert len(peers) == 2


# -- messages -------------------------------------------------------------------


@pytest.mark.parametrize("mtu", [23, 185, 247, 517])
async def test_framed_messages_both_ways(mtu: int) -> None:
    """The longest message crosses in frames of the MTU that OLD grants."""
    message = random.Random(mtu).randbytes(MAX_MESSAGE)
    async with laptops(old_mtu=mtu) as pair:
        link, central = await pair.subscribed()
        assert link.mtu == pair.peripheral.mtu(central) == mtu
        for frame in split(message, link.mtu):
            await link.write(Channel.MESSAGES, frame)
        for frame in split(message, pair.peripheral.mtu(central)):
            await pair.peripheral.notify(central, Channel.MESSAGES, frame)
        for recorder, prefix in (pair.old, ("written", central)), (pair.new, ("notified",)):
            reassembler, result = Reassembler(), None
            while result is None:
                event = await recorder.expect(*prefix, Channel.MESSAGES)
                assert isinstance(event[-1], bytes)
                result = reassembler.feed(event[-1])
            assert result == message


async def test_new_may_ask_for_less() -> None:
    """The MTU is the smaller of the two; without asking it stays 23."""
    for asked in 23, 100:
        async with laptops(new_mtu=asked) as pair:
            link, central = await pair.connect()
            assert link.mtu == pair.peripheral.mtu(central) == asked


@pytest.mark.parametrize("mtu", [0, 22, 518])
def test_impossible_mtu(mtu: int) -> None:
    """An MTU outside 23..517 is refused at once."""
    for port in VirtualPeripheral, VirtualCentral:
        with pytest.raises(ValueError, match="ATT_MTU"):
            port("air:127.0.0.1:1", mtu=mtu)


async def test_channels_are_apart(pair: Pair) -> None:
    """Each characteristic has its own subscription, writes and notifications."""
    link, central = await pair.subscribed(Channel.ROUNDS)
    await pair.peripheral.notify(central, Channel.MESSAGES, b"nobody subscribed")
    await pair.peripheral.notify(central, Channel.ROUNDS, b"challenge")
    await pair.new.expect("notified", Channel.ROUNDS, b"challenge")
    await link.write(Channel.ROUNDS, b"response")
    await pair.old.expect("written", central, Channel.ROUNDS, b"response")
    await link.unsubscribe(Channel.ROUNDS)
    await pair.peripheral.notify(central, Channel.ROUNDS, b"too late")
    await link.write(Channel.MESSAGES, b"after it")
    assert pair.new.count("notified") == 1


async def test_a_refused_write(pair: Pair) -> None:
    """`AttError` from OLD's application arrives as such at NEW, and the link goes on."""
    link, central = await pair.connect()

    def refuse(_central: str, _channel: Channel, value: bytes) -> None:
        if value == b"bad":
            raise AttError(0x81)

    pair.old.on_write = refuse
    with pytest.raises(AttError) as caught:
        await link.write(Channel.MESSAGES, b"bad")
    assert caught.value.code == 0x81
    await link.write(Channel.MESSAGES, b"good")
    await pair.old.expect("written", central, Channel.MESSAGES, b"good")


async def test_a_failing_application_refuses(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """A bug of OLD's application is logged; NEW gets "unlikely error", not silence."""
    link, _ = await pair.connect()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    pair.old.on_write = fail
    with pytest.raises(AttError) as caught:
        await link.write(Channel.MESSAGES, b"x")
    assert caught.value.code == 0x0E
    assert "the application failed" in caplog.text


async def test_values_must_fit(pair: Pair) -> None:
    """Longer than MTU - 3 is a mistake of this program: nothing is cut, nothing goes out."""
    link, central = await pair.subscribed()
    with pytest.raises(ValueError, match="515 bytes"):
        await link.write(Channel.MESSAGES, bytes(515))
    with pytest.raises(ValueError, match="515 bytes"):
        await pair.peripheral.notify(central, Channel.MESSAGES, bytes(515))


async def test_messages_survive_loss() -> None:
    """A fifth of all packets lost costs time and nothing else."""
    async with laptops(AirSettings(connection_interval=2, advert_interval=20, loss=0.2)) as pair:
        link, central = await pair.subscribed()
        for number in range(20):
            await link.write(Channel.MESSAGES, bytes([number]) * 400)
            await pair.old.expect("written", central, Channel.MESSAGES, bytes([number]) * 400)


# -- several centrals -------------------------------------------------------------


async def test_a_second_central_at_once(pair: Pair) -> None:
    """Advertising goes on beside a connection; each central has its own name and MTU."""
    first, first_name = await pair.subscribed()
    second_central, second_events = VirtualCentral(pair.address, mtu=50), NewEvents()
    await second_central.open()
    try:
        second = await second_central.connect(await find(second_central), second_events)
        _, second_name = await pair.old.expect("connected")
        assert second_name != first_name
        await second.write(Channel.MESSAGES, b"from the second")
        await pair.old.expect("written", second_name, Channel.MESSAGES, b"from the second")
        await first.write(Channel.MESSAGES, b"from the first")
        await pair.old.expect("written", first_name, Channel.MESSAGES, b"from the first")
        assert pair.peripheral.mtu(first_name) == 517
        assert pair.peripheral.mtu(str(second_name)) == 50
        await second.subscribe(Channel.MESSAGES)
        await pair.peripheral.notify(first_name, Channel.MESSAGES, b"for the first alone")
        await pair.new.expect("notified", Channel.MESSAGES, b"for the first alone")
        assert second_events.count("notified") == 0
        await pair.peripheral.disconnect(str(second_name))
        await second_events.expect("lost")
        await first.write(Channel.MESSAGES, b"still here")
    finally:
        await second_central.close()


async def test_a_full_controller_advertises_again_when_one_leaves(pair: Pair) -> None:
    """With no room for another connection the advert waits for the next end of one."""
    centrals = [VirtualCentral(pair.address) for _ in range(MAX_CONNECTIONS)]
    try:
        links = []
        for central in centrals:
            await central.open()
            links.append(await central.connect(await find(central), NewEvents()))
        await links[0].disconnect()
        await find(pair.central)
    finally:
        for central in centrals:
            await central.close()


# -- ends ---------------------------------------------------------------------------


async def test_new_disconnects(pair: Pair) -> None:
    """Both sides are told once; the advert is back; the next link has another name."""
    link, central = await pair.connect()
    await link.disconnect()
    await link.disconnect()
    await pair.new.expect("lost")
    await pair.old.expect("disconnected", central)
    _, again = await pair.connect()
    assert again != central
    assert pair.new.count("lost") == pair.old.count("disconnected") == 1


async def test_old_disconnects(pair: Pair) -> None:
    """Both sides are told once, and using the dead link fails clearly."""
    link, central = await pair.subscribed()
    await pair.peripheral.disconnect(central)
    await pair.new.expect("lost")
    await pair.old.expect("disconnected", central)
    await pair.peripheral.disconnect(central)
    with pytest.raises(BluetoothError) as caught:
        await link.write(Channel.MESSAGES, b"x")
    assert caught.value.reason is BluetoothReason.LINK_LOST
    with pytest.raises(BluetoothError) as caught:
        await pair.peripheral.notify(central, Channel.MESSAGES, b"x")
    assert caught.value.reason is BluetoothReason.LINK_LOST
    assert pair.peripheral.mtu(central) == 23


async def test_a_write_in_flight_when_the_link_ends(pair: Pair) -> None:
    """It fails with LINK_LOST instead of hanging or looking like a cancellation."""
    link, central = await pair.connect()
    pair.air.settings = AirSettings(loss=1)
    write = asyncio.create_task(link.write(Channel.MESSAGES, b"into the void"))
    with pytest.raises(BluetoothError) as caught:
        await write
    assert caught.value.reason is BluetoothReason.LINK_LOST
    await pair.new.expect("lost")
    await pair.old.expect("disconnected", central)


async def test_notifications_wait_for_a_jammed_peer(pair: Pair) -> None:
    """A sender is held back while nothing gets across, and freed by the link's end."""
    link, central = await pair.subscribed()
    pair.air.settings = AirSettings(loss=1)
    with pytest.raises(BluetoothError) as caught:
        for _ in range(1000):
            await pair.peripheral.notify(central, Channel.MESSAGES, bytes(500))
    assert caught.value.reason is BluetoothReason.LINK_LOST
    await link.disconnect()


async def test_reconnecting_at_once(pair: Pair) -> None:
    """Connecting again right after a disconnect waits for the old link to be down."""
    advert = await find(pair.central)
    for _ in range(3):
        link = await pair.central.connect(advert, pair.new)
        await link.disconnect()
    assert pair.new.count("lost") >= 2


# -- connecting -----------------------------------------------------------------


async def test_connecting_within_a_scan(pair: Pair) -> None:
    """The scan goes on after the connection is made."""
    async with asyncio.timeout(10), pair.central.scan() as adverts:
        link = await pair.central.connect(await anext(adverts), pair.new)
        await anext(adverts)
        await link.disconnect()
        for _ in range(10):
            await anext(adverts)


async def test_giving_up_connecting(pair: Pair) -> None:
    """A cancelled attempt leaves no connection behind and does not block the next."""
    nobody = hci.Address.generate_static_address()
    advert = Advert((EID,), None, "nobody", handle=nobody)
    attempt = asyncio.create_task(pair.central.connect(advert, NewEvents()))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await attempt
    link, _ = await pair.connect()
    await link.write(Channel.MESSAGES, b"x")


async def test_an_advertiser_that_is_gone(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting ends after its time with CONNECT_FAILED, and the next attempt works."""
    monkeypatch.setattr(central_module, "_CONNECT_SECONDS", 0.2)
    nobody = hci.Address.generate_static_address()
    with pytest.raises(BluetoothError) as caught:
        await pair.central.connect(Advert((EID,), None, "?", handle=nobody), NewEvents())
    assert caught.value.reason is BluetoothReason.CONNECT_FAILED
    await pair.connect()


@pytest.mark.parametrize("turns", [0, 1, 5, 20, 100, 300, 1000, 3000])
async def test_giving_up_at_any_moment(pair: Pair, turns: int) -> None:
    """Wherever a cancellation strikes, no link is left over and the next attempt works."""
    advert = await find(pair.central)
    attempt = asyncio.create_task(pair.central.connect(advert, NewEvents()))
    for _ in range(turns):
        await asyncio.sleep(0)
    attempt.cancel()
    await asyncio.wait({attempt})
    if not attempt.cancelled():
        await attempt.result().disconnect()
    link, central = await pair.connect()
    await link.write(Channel.MESSAGES, b"x")
    await pair.old.expect("written", central)
    assert pair.old.count("connected") == pair.old.count("disconnected") + 1


async def test_an_advert_of_another_driver(pair: Pair) -> None:
    """A handle that is not this driver's is a mistake of this program."""
    with pytest.raises(TypeError):
        await pair.central.connect(Advert((EID,), None, "?", handle=object()), pair.new)
