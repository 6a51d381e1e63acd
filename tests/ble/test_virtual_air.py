"""The air stays up whatever a host does, and is steered and ended from outside."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bumble import hci
from hypothesis import given
from hypothesis import strategies as st

from ble.virtual_helpers import EID, FAST, NewEvents, OldEvents, find, laptops
from nearproof.ble.errors import BluetoothError
from nearproof.ble.ports import Channel
from nearproof.ble.virtual.air import MAX_HOSTS, open_air
from nearproof.ble.virtual.central import VirtualCentral
from nearproof.ble.virtual.medium import AirSettings, with_changes
from nearproof.ble.virtual.peripheral import VirtualPeripheral
from nearproof.ble.virtual.process import air_process

RESET = bytes(hci.HCI_Reset_Command())
GARBAGE = [
    b"\xff",  # no H4 packet type
    b"\x04\x0e\x00",  # an event, which only controllers send
    b"\x01\x06\x20\x00",  # LE Set Advertising Parameters without any
    b"\x01\x0c\x20\x01\x01",  # LE Set Scan Enable cut short
    b"\x02\x01\x00\x00\x00" * 100,  # data for a connection that is not there
    b"\x02\xff\xff\xff\xff" + bytes(0xFFFF),  # the longest data packet
    b"\x01\xff\xff\xff" + bytes(255),  # an unknown command
    b"\x01\x03",  # half a header, then gone
]


async def works(address: str) -> None:
    """An honest pair on this air finds each other and exchanges a message."""
    old, peripheral, central = OldEvents(), VirtualPeripheral(address), VirtualCentral(address)
    try:
        await peripheral.open(old)
        await central.open()
        await peripheral.advertise(EID)
        link = await central.connect(await find(central), NewEvents())
        await link.write(Channel.MESSAGES, b"hello")
        await old.expect("written")
    finally:
        await central.close()
        await peripheral.close()


async def host_socket(
    address: str, receive_buffer: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A host that is only a socket; `receive_buffer` in bytes bounds what the kernel holds."""
    _, name, port = address.split(":")
    host = socket.socket()
    if receive_buffer is not None:
        host.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    host.setblocking(False)
    await asyncio.get_running_loop().sock_connect(host, (name, int(port)))
    reader, writer = await asyncio.open_connection(sock=host, limit=4096)
    writer.transport.set_write_buffer_limits(high=0)
    return reader, writer


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with open_air(settings=FAST) as (_, address):
        yield address


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_harms_its_host_alone(address: str, garbage: bytes) -> None:
    """A host that breaks HCI is put off the air or refused; the others do not notice."""
    reader, writer = await host_socket(address)
    writer.write(RESET)
    assert await reader.readexactly(7) == bytes.fromhex("040e0401030c00")
    writer.write(garbage)
    await works(address)
    writer.close()


@pytest.mark.parametrize("seed", range(20))
async def test_random_commands(seed: int) -> None:
    """Any parameters to what is served leave the air, and whoever meets this host, unharmed."""
    rng, faults = random.Random(seed), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with laptops() as pair:
        host = await host_socket(pair.address)
        opcodes = sorted(next(iter(pair.air.controllers)).supported_commands)
        for _ in range(400):
            opcode, parameters = (
                rng.choice(opcodes),
                rng.randbytes(rng.choice([2, 25, 32, 32, 64])),
            )
            packet = b"\x01" + opcode.to_bytes(2, "little") + bytes([len(parameters)]) + parameters
            host[1].write(packet)
            try:
                await host[1].drain()
            except ConnectionError:  # put off for a malformed one: come again
                host = await host_socket(pair.address)
        link, central = await pair.connect()
        await link.write(Channel.MESSAGES, b"hello")
        await pair.old.expect("written", central)
        host[1].close()
    assert faults == []


async def test_a_host_that_sends_without_end(address: str) -> None:
    """A flood of commands gets its turns; the others get theirs."""
    reader, writer = await host_socket(address)

    async def flood() -> None:
        while True:
            writer.write(RESET * 1000)
            await writer.drain()

    async def drain() -> None:
        while await reader.read(65536):
            pass

    tasks = [asyncio.create_task(flood()), asyncio.create_task(drain())]
    await works(address)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    writer.close()


async def test_a_host_that_does_not_read_is_put_off() -> None:
    """Memory is bounded by dropping the host, not by stopping the air."""
    async with open_air(settings=FAST) as (air, address):
        _, writer = await host_socket(address, receive_buffer=4096)
        talkative = bytes(hci.HCI_Read_Local_Supported_Commands_Command())
        writer.write(talkative)
        with pytest.raises(ConnectionError):
            while True:
                writer.write(talkative * 1000)
                await writer.drain()
        assert not air.controllers
        await works(address)
        writer.close()


async def test_a_host_that_reads_slowly_misses_adverts_only(address: str) -> None:
    """A scanner that stops reading is not dropped because others advertise."""
    peripheral, central = VirtualPeripheral(address), VirtualCentral(address)
    await peripheral.open(OldEvents())
    await peripheral.advertise(EID)
    await central.open()
    async with central.scan() as adverts:
        await anext(adverts)
    await central.close()
    await peripheral.close()


async def test_too_many_hosts(address: str) -> None:
    """Beyond the limit a host is turned away; after others leave there is room again."""
    sockets = [await host_socket(address) for _ in range(MAX_HOSTS)]
    for reader, writer in sockets:
        writer.write(RESET)
        await reader.readexactly(7)
    with pytest.raises(BluetoothError):
        await VirtualCentral(address).open()
    for reader, writer in sockets:
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    await works(address)


async def test_a_host_that_vanishes() -> None:
    """Its peers notice at their supervision timeout, and nothing of it stays on the air."""
    async with laptops() as pair:
        await pair.connect()
        for controller in list(pair.air.controllers):
            if controller.is_advertising:
                transport = pair.peripheral._radio._transport  # type: ignore[union-attr]
                await transport.close()  # as a pulled dongle: no word on the air
        await pair.new.expect("lost")
        await pair.old.expect("stack_lost")


# -- settings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": 1.1},
        {"loss": -1},
        {"loss": None},
        {"loss": "much"},
        {"loss": float("nan")},
        {"connection_interval": 0},
        {"advert_interval": 1e9},
        {"rssi": 40},
        {"colour": 1},
    ],
)
def test_impossible_settings(changes: dict[str, object]) -> None:
    """What is out of range, of the wrong type or unknown is refused."""
    with pytest.raises(ValueError):
        with_changes(AirSettings(), changes)


@given(st.floats(0, 1), st.none() | st.floats(1, 10_240), st.integers(-127, 20))
def test_possible_settings(loss: float, interval: float | None, rssi: int) -> None:
    """Fields that are not named stay as they were."""
    changed = with_changes(FAST, {"loss": loss, "connection_interval": interval, "rssi": rssi})
    assert changed == AirSettings(interval, FAST.advert_interval, loss, rssi)


# -- the process --------------------------------------------------------------------


async def test_the_process(tmp_path: Path) -> None:
    """It says where it is when it is ready, and two laptops meet there."""
    async with air_process("--socket", str(tmp_path / "air"), "--seed", "1") as address:
        assert address == f"air:{tmp_path}/air"
        await works(address)
    assert not (tmp_path / "air").exists()


async def test_a_process_that_does_not_start() -> None:
    """A wrong option is an error at once, not a wait."""
    with pytest.raises(BluetoothError, match="did not start"):
        async with air_process("--loss", "2"):
            pass


def test_control_by_stdin() -> None:
    """Settings come as JSON lines, mistakes are answered, and the end of stdin ends it."""
    lines = ['{"loss": 0.5}', '{"loss": 2}', "nonsense", "[]"]
    child = subprocess.run(
        [sys.executable, "-m", "nearproof.ble.virtual.air", "--control"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    answers = [next(iter(json.loads(line))) for line in child.stdout.splitlines()]
    assert answers == ["ready", "applied", "error", "error", "error"]


def test_bumble_is_imported_late() -> None:
    """The rest of the room does not pay for Bumble."""
    program = (
        "import sys, nearproof.ble.ports, nearproof.ble.framing, nearproof.ble.virtual,"
        " nearproof.ble.virtual.process; sys.exit('bumble' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
