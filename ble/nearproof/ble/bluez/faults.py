"""D-Bus error names to the reason a person can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from nearproof.ble.errors import BluetoothError, BluetoothReason

_DBUS = "org.freedesktop.DBus.Error."
_BLUEZ = "org.bluez.Error."
_SPAWN = _DBUS + "Spawn."  # the bus tried to start bluetoothd and could not

_REASONS: Final[Mapping[str, BluetoothReason]] = MappingProxyType(
    {
        # bluetoothd is not there, or died with the call in hand
        _DBUS + "ServiceUnknown": BluetoothReason.STACK_LOST,
        _DBUS + "NameHasNoOwner": BluetoothReason.STACK_LOST,
        _DBUS + "NoReply": BluetoothReason.STACK_LOST,
        _DBUS + "Disconnected": BluetoothReason.STACK_LOST,
        _DBUS + "AccessDenied": BluetoothReason.NO_PERMISSION,
        _DBUS + "AuthFailed": BluetoothReason.NO_PERMISSION,
        _BLUEZ + "NotAuthorized": BluetoothReason.NO_PERMISSION,
        # the adapter's object, or one of its interfaces, is gone
        _DBUS + "UnknownObject": BluetoothReason.NO_ADAPTER,
        _DBUS + "UnknownMethod": BluetoothReason.NO_ADAPTER,
        _DBUS + "UnknownInterface": BluetoothReason.NO_ADAPTER,
        _BLUEZ + "NotReady": BluetoothReason.POWERED_OFF,
        _BLUEZ + "Blocked": BluetoothReason.BLOCKED,
    }
)


def bluetooth_error(
    name: str | None, text: str = "", *, otherwise: BluetoothReason = BluetoothReason.TRANSPORT
) -> BluetoothError:
    """The error for a D-Bus error reply; `otherwise` is the reason where the name says none."""
    reason = _REASONS.get(name or "", otherwise)
    if name is not None and name.startswith(_SPAWN):
        reason = BluetoothReason.STACK_LOST
    return BluetoothError(reason, ": ".join(part for part in (name, text) if part))


# Reasons that pass by themselves when bluetoothd restarts or the adapter is switched on again.
AWAY: Final = frozenset(
    {
        BluetoothReason.NO_BLUEZ,
        BluetoothReason.NO_ADAPTER,
        BluetoothReason.POWERED_OFF,
        BluetoothReason.STACK_LOST,
        BluetoothReason.TRANSPORT,
    }
)


@contextmanager
def on_a_link() -> Iterator[None]:
    """Within the block a stack that is away means LINK_LOST: scanning finds out how long."""
    try:
        yield
    except BluetoothError as error:
        if error.reason not in AWAY:
            raise
        raise BluetoothError(BluetoothReason.LINK_LOST, str(error)) from error
