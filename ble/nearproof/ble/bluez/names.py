"""D-Bus names of BlueZ (bluez/doc/org.bluez.*.rst) and of the bus itself."""

from __future__ import annotations

from typing import Final

BLUEZ: Final = "org.bluez"
ADAPTER: Final = "org.bluez.Adapter1"
DEVICE: Final = "org.bluez.Device1"
GATT_MANAGER: Final = "org.bluez.GattManager1"
GATT_CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"
ADVERT_MANAGER: Final = "org.bluez.LEAdvertisingManager1"
ADVERT: Final = "org.bluez.LEAdvertisement1"

OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
PEER: Final = "org.freedesktop.DBus.Peer"
BUS: Final = "org.freedesktop.DBus"
BUS_PATH: Final = "/org/freedesktop/DBus"

# Asked of the bus by everyone here who follows BlueZ.  With a sender in the rule the bus
# itself keeps out signals that another process makes up.
OWNER_RULE: Final = f"type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{BLUEZ}'"
OBJECTS_RULE: Final = f"type='signal',sender='{BLUEZ}',interface='{OBJECT_MANAGER}'"
PROPERTIES_RULE: Final = (
    f"type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',member='PropertiesChanged'"
)


def adapter_path(adapter: str) -> str:
    """The object path of an adapter given by its kernel name ("hci0")."""
    return f"/org/bluez/{adapter}"
