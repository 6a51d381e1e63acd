"""The devices that BlueZ knows only because we connected to them, and how to be rid of them.

`Device1.Connect` makes a device permanent, to be kept on disk and listed in the desktop's
settings (bluez/src/device.c, dev_connect).  And once its services are known, its `UUIDs` are
those services and no longer what it advertises (dev_property_get_uuids): a scan would never
again yield the EID of a laptop that was met before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from dbus_fast.aio import MessageBus

from nearproof.ble.bluez import systembus
from nearproof.ble.bluez.names import ADAPTER, DEVICE, OBJECT_MANAGER, PROPERTIES
from nearproof.ble.bluez.signals import plain
from nearproof.ble.errors import BluetoothError
from nearproof.ble.uuids import SERVICE

log = logging.getLogger(__name__)

LAPTOP: Final = frozenset(  # generic access, generic attribute, device information
    f"0000{number}-0000-1000-8000-00805f9b34fb" for number in ("1800", "1801", "180a")
)
THE_USERS: Final = ("Paired", "Bonded", "Trusted", "Blocked")


async def forget_device(bus: MessageBus, path: str) -> None:
    """Have BlueZ forget a device, which ends its link, unless the user has made it their own.

    Nothing happens if it is gone, or cannot be removed: all that costs is another scan.
    """
    try:
        (values,) = await systembus.call(bus, path, PROPERTIES, "GetAll", "s", DEVICE)
        await _remove(bus, path, plain(values))
    except BluetoothError as error:
        log.debug("the device could not be removed: %s", error)


async def forget_leftovers(bus: MessageBus, adapter_path: str) -> None:
    """Have BlueZ forget the laptops that were met by a session that was killed.

    They offer what every laptop with BlueZ does, and our service unless that has ended since.
    """
    try:
        (objects,) = await systembus.call(bus, "/", OBJECT_MANAGER, "GetManagedObjects")
        for path, interfaces in objects.items():
            properties = plain(interfaces.get(DEVICE, {}))
            offered = set(properties.get("UUIDs", ()))
            if path.startswith(adapter_path + "/") and offered and offered <= LAPTOP | {SERVICE}:
                await _remove(bus, path, properties)
    except BluetoothError as error:
        log.debug("what a session left behind could not be removed: %s", error)


async def _remove(bus: MessageBus, path: str, properties: Mapping[str, Any]) -> None:
    if not any(properties.get(name) for name in THE_USERS):
        await systembus.call(bus, properties["Adapter"], ADAPTER, "RemoveDevice", "o", path)
