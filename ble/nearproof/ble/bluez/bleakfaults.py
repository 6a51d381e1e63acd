"""What bleak raises, as the errors and faults of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)

from nearproof.ble.bluez.faults import bluetooth_error
from nearproof.ble.bluez.retry import Fault
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason

_UNAVAILABLE = {
    BleakBluetoothNotAvailableReason.NO_BLUETOOTH: BluetoothReason.NO_ADAPTER,
    BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE: BluetoothReason.NO_ADAPTER,
    BleakBluetoothNotAvailableReason.POWERED_OFF: BluetoothReason.POWERED_OFF,
    BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM: BluetoothReason.NO_PERMISSION,
}


@contextmanager
def translated(otherwise: BluetoothReason) -> Iterator[None]:
    """Turn what bleak raises in the block into `AttError` and `BluetoothError`.

    `otherwise` is the reason of an error that says none of its own.
    """
    try:
        yield
    except (BleakError, OSError, EOFError) as error:
        raise our_error(error, otherwise) from error


def our_error(
    error: BleakError | OSError | EOFError, otherwise: BluetoothReason
) -> AttError | BluetoothError:
    """The error of ours for one of bleak's, or for one of the D-Bus connection below it."""
    match error:
        case BleakGATTProtocolError():
            return AttError(int(error.code))
        case BleakDBusError():
            return bluetooth_error(error.dbus_error, _text(error), otherwise=otherwise)
        case BleakBluetoothNotAvailableError():
            return BluetoothError(_UNAVAILABLE.get(error.reason, otherwise), str(error.args[0]))
        case BleakError():
            return BluetoothError(otherwise, str(error))
        case TimeoutError():
            return BluetoothError(otherwise, "no answer in time")
        case _:
            return BluetoothError(BluetoothReason.STACK_LOST, f"the system bus: {error!r}")


def connect_fault(error: Exception) -> Fault | None:
    """Which fault of the retry table made a connection fail; None if none did.

    Reads the cause that `translated` left, since the texts are BlueZ's (src/error.h).
    """
    match error.__cause__:
        case BleakDBusError() as cause:
            return _dbus_fault(cause)
        case BleakDeviceNotFoundError():
            return Fault.GONE
        case BleakError() as cause if "failed to discover services" in str(cause):
            return Fault.DISCOVERY
        case BleakError() as cause if str(cause).endswith("not found"):
            return Fault.GONE  # "device 'dev_…' not found": bleak itself has forgotten it
        case TimeoutError():
            return Fault.TIMEOUT
        case _:
            return None


def _dbus_fault(error: BleakDBusError) -> Fault | None:
    name, text = error.dbus_error, _text(error)
    if name == "org.bluez.Error.InProgress":
        return Fault.IN_PROGRESS
    if name != "org.bluez.Error.Failed":
        return None
    if text.startswith("br-connection-"):
        return Fault.WRONG_BEARER
    if text == "le-connection-abort-by-local":
        return Fault.ABORTED
    return Fault.FAILED


def _text(error: BleakDBusError) -> str:
    return str(error.args[1]) if len(error.args) > 1 else ""
