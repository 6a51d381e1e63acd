"""SMS through a modem of this machine: ModemManager over D-Bus.

org.freedesktop.ModemManager1 1.20: `Modem.Messaging.Create({number, text})` gives an
`Sms` object, whose `Send()` hands it to the network; `Messaging.Delete` takes it off the modem
again, because its text holds a code.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from dbus_fast import BusType, DBusError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from nearproof.daemon.backend.sms.ports import Message as Sms
from nearproof.daemon.backend.sms.ports import SmsNotSent

SERVICE: Final = "org.freedesktop.ModemManager1"
ROOT: Final = "/org/freedesktop/ModemManager1"
MODEM: Final = f"{SERVICE}.Modem"
MESSAGING: Final = f"{MODEM}.Messaging"
SMS: Final = f"{SERVICE}.Sms"
OBJECTS: Final = "org.freedesktop.DBus.ObjectManager"

ENABLED: Final = 6  # MM_MODEM_STATE_ENABLED; registered (8) and connected (11) lie above


class ModemPort:
    """The first modem that is enabled and can send; `address` is the bus, else the system's."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address

    async def send(self, message: Sms) -> None:
        """Hand it to the network."""
        bus = MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM)
        try:
            await bus.connect()
            modem = await self._modem(bus)
            content = {"number": Variant("s", message.phone), "text": Variant("s", message.text)}
            (path,) = await _call(bus, modem, MESSAGING, "Create", "a{sv}", content)
            try:
                await _call(bus, path, SMS, "Send")
            finally:
                with contextlib.suppress(SmsNotSent):
                    await _call(bus, modem, MESSAGING, "Delete", "o", path)
        except (OSError, EOFError, DBusError) as error:
            raise SmsNotSent(f"modem: {error}") from None
        finally:
            bus.disconnect()

    async def _modem(self, bus: MessageBus) -> str:
        (objects,) = await _call(bus, ROOT, OBJECTS, "GetManagedObjects")
        for path, interfaces in sorted(objects.items()):
            state = interfaces.get(MODEM, {}).get("State")
            if MESSAGING in interfaces and state is not None and state.value >= ENABLED:
                return str(path)
        raise SmsNotSent("modem: none that is enabled and can send")


async def _call(
    bus: MessageBus, path: str, interface: str, member: str, signature: str = "", *body: Any
) -> list[Any]:
    reply = await bus.call(
        Message(
            destination=SERVICE,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
    )
    if reply is None or reply.message_type is MessageType.ERROR:
        # Its text is left out: a modem may repeat what it could not send.
        raise SmsNotSent(f"modem: {member}: {reply.error_name if reply else 'no answer'}")
    return list(reply.body)
