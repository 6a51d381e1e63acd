"""Our own org.bluez.LEAdvertisement1, since bless's carries a name and cannot be changed.

BlueZ reads the properties once, when the advert is registered, so they are plain data and
the object answers just what bluetoothd asks (bluez/src/advertising.c, gdbus/client.c).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from dbus_next.constants import MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant

from nearproof.ble.bluez.adapter import bluez_version
from nearproof.ble.bluez.gatt_server import GattServer
from nearproof.ble.bluez.names import ADVERT, ADVERT_MANAGER, PROPERTIES
from nearproof.ble.errors import BluetoothError, BluetoothReason

log = logging.getLogger(__name__)

PATH: Final = "/nearproof/advertisement"
INTERVAL: Final = 100  # milliseconds; BlueZ's default of 1,280 means 3 s more to a link


def properties(eid: bytes) -> list[Mapping[str, Any]]:
    """The properties to advertise a 16-byte EID with, the wanted ones first.

    Neither name nor TxPower: there is no room for them, and nobody is to know the laptop.
    The interval counts from BlueZ 5.77 on, or with `Experimental = true`; older versions
    ignore it.  Discoverable sets the flags without which a central may dial classic
    Bluetooth.  The second entry is for kernels that refuse all that (seen: 6.12.93, 6.18.34).
    """
    least = {
        "Type": Variant("s", "peripheral"),
        "ServiceUUIDs": Variant("as", [str(UUID(bytes=eid))]),
    }
    wanted = {
        "Discoverable": Variant("b", True),
        "MinInterval": Variant("u", INTERVAL),
        "MaxInterval": Variant("u", INTERVAL),
    }
    return [least | wanted, least]


class Advertiser:
    """Keeps the advert of one adapter in step with `wanted`, an EID or None.

    `released` is called when BlueZ drops the advert by itself.
    """

    def __init__(self, server: GattServer, adapter_path: str, released: Callable[[], None]) -> None:
        self.wanted: bytes | None = None
        self._server = server
        self._adapter_path = adapter_path
        self._released = released
        self._properties: Mapping[str, Any] = {}
        self._up = False
        self._one_at_a_time = asyncio.Lock()

    async def renew(self) -> None:
        """Take down the advert that is up, if any, and put up the wanted one, if any.

        Raises `BluetoothError` (ADVERT_REFUSED, or as the call) if it cannot be put up.
        """
        async with self._one_at_a_time:
            if self._up:
                self._up = False
                await self._take_down()
            if self.wanted is not None:
                await self._put_up(self.wanted)
                self._up = True

    def handle(self, message: Message) -> Message | None:
        """Answer a D-Bus call to the advert's object; None for every other message."""
        if message.message_type is not MessageType.METHOD_CALL or message.path != PATH:
            return None
        if (message.interface, message.member) == (PROPERTIES, "GetAll"):
            return Message.new_method_return(message, "a{sv}", [dict(self._properties)])
        if (message.interface, message.member) == (ADVERT, "Release"):
            self._released()
            return Message.new_method_return(message)
        return None

    async def _take_down(self) -> None:
        try:
            await self._server.call(
                self._adapter_path, ADVERT_MANAGER, "UnregisterAdvertisement", "o", PATH
            )
        except BluetoothError as error:
            log.debug("the advert was gone already: %s", error)

    async def _put_up(self, eid: bytes) -> None:
        refusal = ""
        for self._properties in properties(eid):
            try:
                await self._server.call(
                    self._adapter_path, ADVERT_MANAGER, "RegisterAdvertisement", "oa{sv}", PATH, {}
                )
            except BluetoothError as error:
                # BlueZ hides the kernel's "Invalid Parameters" behind a plain Error.Failed.
                if error.reason is not BluetoothReason.TRANSPORT:
                    raise
                refusal = error.detail
            else:
                return
        versions = f"kernel {os.uname().release}, BlueZ {await bluez_version()}"
        raise BluetoothError(BluetoothReason.ADVERT_REFUSED, f"{refusal} ({versions})")
