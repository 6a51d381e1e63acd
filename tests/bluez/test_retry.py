"""The retry table: what is tried again, after what pause, and when it ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)

from nearproof.ble.bluez.bleakfaults import connect_fault, translated
from nearproof.ble.bluez.retry import MANY, RULES, Clockwork, Fault, retrying
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason


class Scripted:
    """A connection that fails as told, on a clock that only moves by pauses and tries."""

    def __init__(self, faults: Sequence[Fault | None], each_takes: float = 1.0) -> None:
        self.faults = list(faults)
        self.each_takes = each_takes
        self.time = 100.0
        self.tries: list[float] = []
        self.clockwork = Clockwork(
            now=lambda: self.time, sleep=self.sleep, uniform=lambda low, high: (low + high) / 2
        )

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    async def attempt(self) -> str:
        self.tries.append(self.time - 100.0)
        self.time += self.each_takes
        if self.faults:
            raise Failure(self.faults.pop(0))
        return "linked"

    async def run(self) -> str:
        def classify(error: Exception) -> Fault | None:
            assert isinstance(error, Failure)
            return error.fault

        return await retrying(self.attempt, classify, self.clockwork)


class Failure(Exception):
    def __init__(self, fault: Fault | None) -> None:
        super().__init__(fault)
        self.fault = fault


def test_every_fault_has_a_rule() -> None:
    """The table is complete, and only what clears up by itself is repeated without limit."""
    assert RULES.keys() == set(Fault)
    assert {fault for fault, rule in RULES.items() if rule.again == MANY} == {
        Fault.ABORTED,
        Fault.IN_PROGRESS,
    }


@pytest.mark.parametrize("fault", [Fault.ABORTED, Fault.IN_PROGRESS])
async def test_tried_until_it_works(fault: Fault) -> None:
    """Interference and a busy bluetoothd: again after 0.25 s and a jitter of up to as much."""
    connection = Scripted([fault] * 3)
    assert await connection.run() == "linked"
    assert connection.tries == [0.0, 1.375, 2.75, 4.125]


async def test_discovery_once_more() -> None:
    """The race in service discovery is tried once more at once, and no oftener."""
    connection = Scripted([Fault.DISCOVERY])
    assert await connection.run() == "linked"
    assert connection.tries == [0.0, 1.0]
    connection = Scripted([Fault.DISCOVERY, Fault.IN_PROGRESS, Fault.DISCOVERY])
    with pytest.raises(Failure):
        await connection.run()
    assert len(connection.tries) == 3


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        (Fault.TIMEOUT, 0.5),
        (Fault.GONE, 0.0),
        (Fault.WRONG_BEARER, 0.0),
        (Fault.FAILED, 0.375),
        (None, 0.0),
    ],
)
async def test_handed_back(fault: Fault | None, pause: float) -> None:
    """What needs a fresh scan, and what is terminal, is not tried again here."""
    connection = Scripted([fault])
    with pytest.raises(Failure):
        await connection.run()
    assert connection.tries == [0.0]
    assert connection.time == 101.0 + pause


async def test_overall_deadline() -> None:
    """No try begins 30 s or more after the first, whatever the faults are."""
    connection = Scripted([Fault.IN_PROGRESS] * 100, each_takes=5.0)
    with pytest.raises(Failure):
        await connection.run()
    assert connection.tries[-1] < 30.0
    assert connection.tries[-1] + 5.375 >= 30.0


@pytest.mark.parametrize(
    ("raised", "fault", "reason"),
    [
        (
            BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort-by-local"]),
            Fault.ABORTED,
            BluetoothReason.CONNECT_FAILED,
        ),
        (
            BleakDBusError("org.bluez.Error.InProgress", ["In Progress"]),
            Fault.IN_PROGRESS,
            BluetoothReason.CONNECT_FAILED,
        ),
        (
            BleakDBusError("org.bluez.Error.Failed", ["br-connection-canceled"]),
            Fault.WRONG_BEARER,
            BluetoothReason.CONNECT_FAILED,
        ),
        (
            BleakDBusError("org.bluez.Error.Failed", []),
            Fault.FAILED,
            BluetoothReason.CONNECT_FAILED,
        ),
        (
            BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"]),
            None,
            BluetoothReason.POWERED_OFF,
        ),
        (
            BleakDBusError("org.freedesktop.DBus.Error.NoReply", ["gone"]),
            None,
            BluetoothReason.STACK_LOST,
        ),
        (
            BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", ["policy"]),
            None,
            BluetoothReason.NO_PERMISSION,
        ),
        (BleakDeviceNotFoundError("AA", "gone"), Fault.GONE, BluetoothReason.CONNECT_FAILED),
        (BleakError("device 'dev_AA' not found"), Fault.GONE, BluetoothReason.CONNECT_FAILED),
        (
            BleakError("failed to discover services, device disconnected"),
            Fault.DISCOVERY,
            BluetoothReason.CONNECT_FAILED,
        ),
        (TimeoutError(), Fault.TIMEOUT, BluetoothReason.CONNECT_FAILED),
        (
            BleakBluetoothNotAvailableError("off", BleakBluetoothNotAvailableReason.POWERED_OFF),
            None,
            BluetoothReason.POWERED_OFF,
        ),
        (EOFError(), None, BluetoothReason.STACK_LOST),
    ],
)
def test_faults_of_bleak(raised: Exception, fault: Fault | None, reason: BluetoothReason) -> None:
    """What bleak raises is told apart by BlueZ's names and texts."""
    with pytest.raises(BluetoothError) as failed, translated(BluetoothReason.CONNECT_FAILED):
        raise raised
    assert failed.value.reason is reason
    assert connect_fault(failed.value) is fault


def test_att_errors_are_terminal() -> None:
    """An ATT error is the peer's answer and no fault of the radio."""
    with pytest.raises(AttError) as refused, translated(BluetoothReason.CONNECT_FAILED):
        raise BleakGATTProtocolError(0x82)
    assert refused.value.code == 0x82
    assert connect_fault(refused.value) is None
