"""What can be wrong with Bluetooth."""

from __future__ import annotations

from nearproof.ble.errors import AttError, BluetoothReason, FrameError
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose
from nearproof.daemon.radio import UnknownRadio

_E, _W = Exit, Whose

BLUETOOTH: Rows = (
    Outcome(
        BluetoothReason.NO_DBUS,
        _E.BLUETOOTH,
        _W.LAPTOP,
        "The system's D-Bus does not answer ({detail}). Run: sudo systemctl start dbus",
    ),
    Outcome(
        BluetoothReason.NO_BLUEZ,
        _E.BLUETOOTH,
        _W.LAPTOP,
        "The Bluetooth service is not running ({detail}). Run: sudo systemctl start bluetooth",
    ),
    Outcome(
        BluetoothReason.NO_ADAPTER,
        _E.BLUETOOTH,
        _W.LAPTOP,
        "This laptop has no such Bluetooth adapter ({detail}). See `bluetoothctl list`; choose "
        "one with --radio.",
    ),
    Outcome(
        BluetoothReason.POWERED_OFF,
        _E.BLUETOOTH,
        _W.LAPTOP,
        "Bluetooth is switched off. Run: bluetoothctl power on",
    ),
    Outcome(
        BluetoothReason.BLOCKED,
        _E.BLUETOOTH,
        _W.LAPTOP,
        "Bluetooth is blocked ({detail}). Run: rfkill unblock bluetooth, or use the switch.",
    ),
    Outcome(
        BluetoothReason.NO_PERMISSION,
        _E.PERMISSION,
        _W.LAPTOP,
        "This user may not use Bluetooth ({detail}). Run: sudo usermod -aG bluetooth $USER, "
        "then log in again.",
    ),
    Outcome(
        BluetoothReason.NO_PERIPHERAL_ROLE,
        _E.BLUETOOTH,
        _W.LAPTOP,
        "This Bluetooth adapter cannot advertise ({detail}). Use another with --radio.",
    ),
    Outcome(
        BluetoothReason.ADVERT_REFUSED,
        _E.BLUETOOTH,
        _W.LAPTOP,
        "Bluetooth refused to advertise ({detail}). Some kernels of 2026 do: update the kernel "
        "and BlueZ, or use another adapter with --radio.",
    ),
    Outcome(
        BluetoothReason.SESSION_BUSY,
        _E.TRY_AGAIN,
        _W.YOURS,
        "Another nearproof is using this adapter. Finish or stop that one first.",
    ),
    Outcome(
        BluetoothReason.CONNECT_FAILED,
        _E.TRY_AGAIN,
        _W.NOBODY,
        "No Bluetooth connection came about ({detail}). Move closer and try again.",
    ),
    Outcome(
        BluetoothReason.NOT_OUR_SERVICE,
        _E.PEER,
        _W.PEER,
        "The device found is not a nearproof laptop ({detail}).",
    ),
    Outcome(
        BluetoothReason.LINK_LOST,
        _E.TRY_AGAIN,
        _W.NOBODY,
        "The Bluetooth connection was lost ({detail}). Move closer and try again.",
    ),
    Outcome(
        BluetoothReason.STACK_LOST,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "The Bluetooth service went away ({detail}). Try again.",
    ),
    Outcome(
        BluetoothReason.TRANSPORT,
        _E.BLUETOOTH,
        _W.LAPTOP,
        "The radio cannot be reached ({detail}). Check --radio.",
    ),
    Outcome(
        AttError,
        _E.PEER,
        _W.PEER,
        "The other laptop refused a message ({detail}).",
    ),
    Outcome(
        FrameError,
        _E.PEER,
        _W.PEER,
        "The other laptop sent a broken message ({detail}).",
    ),
    Outcome(
        UnknownRadio,
        _E.USAGE,
        _W.YOURS,
        "No such radio: {detail}. Use bluez:hci0, hci:TRANSPORT or air:ADDRESS.",
    ),
)
