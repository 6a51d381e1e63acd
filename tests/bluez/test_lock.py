"""One session a radio, and never one too few after a crash."""

from __future__ import annotations

import asyncio
import sys

import pytest

from bluez.fake_bluez import FakeBluez, random_address
from bluez.witnesses import PeripheralRecord
from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.bluez.lock import SessionLock
from nearproof.ble.bluez.peripheral import BluezPeripheral
from nearproof.ble.errors import BluetoothError, BluetoothReason

HOLDER = """
import sys
from nearproof.ble.bluez.lock import SessionLock
lock = SessionLock(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_one_at_a_time() -> None:
    """The second is refused until the first releases; another radio is free."""
    address = random_address()
    first = SessionLock(address)
    with pytest.raises(BluetoothError) as busy:
        SessionLock(address)
    assert busy.value.reason is BluetoothReason.SESSION_BUSY
    SessionLock(random_address()).release()
    first.release()
    first.release()
    SessionLock(address).release()


def test_other_failures_are_not_busy() -> None:
    """Only a name that is taken means another session."""
    with pytest.raises(OSError, match="too long"):
        SessionLock("x" * 200)


async def test_survives_no_crash() -> None:
    """A holder that is killed with SIGKILL leaves the radio free, with no file to clean up."""
    address = random_address()
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLDER,
        address,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(BluetoothError):
        SessionLock(address)
    holder.kill()
    await holder.communicate()
    SessionLock(address).release()


async def test_drivers_take_it(bluez: FakeBluez) -> None:
    """Whoever opens an adapter has it alone, in either role, until closed."""
    first, second = BluezCentral(), BluezCentral()
    await first.open()
    with pytest.raises(BluetoothError) as busy:
        await second.open()
    assert busy.value.reason is BluetoothReason.SESSION_BUSY
    peripheral = BluezPeripheral()
    with pytest.raises(BluetoothError) as busy:
        await peripheral.open(PeripheralRecord())
    assert busy.value.reason is BluetoothReason.SESSION_BUSY
    await second.close()
    await peripheral.close()
    await first.close()
    await peripheral.open(PeripheralRecord())
    await peripheral.close()
