"""The signals of BlueZ's object tree, read from messages of either D-Bus library.

bless talks through dbus-next and bleak through dbus-fast; their messages have the same
attributes, so one reader serves both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nearproof.ble.bluez.names import BLUEZ, OBJECT_MANAGER, PROPERTIES


class BusMessage(Protocol):
    """What the reader needs of a D-Bus message."""

    message_type: Any
    interface: Any
    member: Any
    path: Any
    body: Any


@dataclass(frozen=True, slots=True)
class OwnerChanged:
    """bluetoothd took its name on the bus (`present`) or lost it."""

    present: bool


@dataclass(frozen=True, slots=True)
class Added:
    """An object gained one interface; `properties` are the values it starts with."""

    path: str
    interface: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Changed:
    """Properties of one interface of an object have new values."""

    path: str
    interface: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Removed:
    """An object lost one interface."""

    path: str
    interface: str


Signal = OwnerChanged | Added | Changed | Removed


def read_signal(message: BusMessage) -> Sequence[Signal]:
    """What the message tells, one entry an interface; empty if it is not one of these."""
    if message.message_type.name != "SIGNAL":
        return []
    body = message.body
    match message.interface, message.member:
        case _, "NameOwnerChanged" if body[0] == BLUEZ:
            return [OwnerChanged(present=bool(body[2]))]
        case str(interface), "InterfacesAdded" if interface == OBJECT_MANAGER:
            return [Added(body[0], name, plain(values)) for name, values in body[1].items()]
        case str(interface), "InterfacesRemoved" if interface == OBJECT_MANAGER:
            return [Removed(body[0], name) for name in body[1]]
        case str(interface), "PropertiesChanged" if interface == PROPERTIES:
            return [Changed(message.path, body[0], plain(body[1]))]
    return []


def plain(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Property values out of their D-Bus variants."""
    return {name: variant.value for name, variant in properties.items()}
