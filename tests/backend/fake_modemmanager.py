"""ModemManager's own interface, on a bus of the test's: one modem, and what it has sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from bluez.private_bus import private_bus
from nearproof.daemon.backend.sms.modemmanager import MESSAGING, MODEM, OBJECTS, SERVICE, SMS

MODEM_PATH = "/org/freedesktop/ModemManager1/Modem/0"
SMS_PATH = "/org/freedesktop/ModemManager1/SMS/0"


class FakeModemManager:
    """Answers as ModemManager does; `state` and `failing` are the test's to set."""

    def __init__(self) -> None:
        self.address = ""
        self.state = 8  # MM_MODEM_STATE_REGISTERED
        self.failing = False
        self.created: dict[str, str] = {}
        self.sent: list[dict[str, str]] = []
        self.deleted = 0

    def answer(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        match (message.interface, message.member):
            case (str(interface), "GetManagedObjects") if interface == OBJECTS:
                modem = {MODEM: {"State": Variant("i", self.state)}, MESSAGING: {}}
                return Message.new_method_return(message, "a{oa{sa{sv}}}", [{MODEM_PATH: modem}])
            case (str(interface), "Create") if interface == MESSAGING:
                content = message.body[0]
                self.created = {name: value.value for name, value in content.items()}
                return Message.new_method_return(message, "o", [SMS_PATH])
            case (str(interface), "Send") if interface == SMS:
                if self.failing:
                    text = self.created["text"]
                    return Message.new_error(message, f"{SERVICE}.Error.Core.Failed", text)
                self.sent.append(self.created)
                return Message.new_method_return(message)
            case (str(interface), "Delete") if interface == MESSAGING:
                self.deleted += 1
                return Message.new_method_return(message)
        return None


@asynccontextmanager
async def fake_modemmanager(folder: Path) -> AsyncIterator[FakeModemManager]:
    fake = FakeModemManager()
    async with private_bus(folder) as bus:
        connection = await MessageBus(bus_address=bus.address).connect()
        connection.add_message_handler(fake.answer)
        await connection.request_name(SERVICE)
        fake.address = bus.address
        yield fake
        connection.disconnect()
