"""Wait, in a laptop, until org.bluez is on the system bus and its adapter hci0 is powered."""

from __future__ import annotations

import asyncio

from dbus_fast import BusType, Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus

PROPERTIES = "org.freedesktop.DBus.Properties"
RULES = (
    "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'",
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager'",
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties'",
)


async def main() -> None:
    """Ask once, and again whenever something of org.bluez changes."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    changed = asyncio.Event()

    def on_message(message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            changed.set()

    bus.add_message_handler(on_message)
    for rule in RULES:
        await _call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "AddMatch", [rule])
    while not await _powered(bus):
        await changed.wait()
        changed.clear()
    bus.disconnect()


async def _powered(bus: MessageBus) -> bool:
    asked = ["org.bluez.Adapter1", "Powered"]
    reply = await _call(bus, PROPERTIES, "/org/bluez/hci0", "Get", asked, "org.bluez")
    return reply.message_type is MessageType.METHOD_RETURN and bool(reply.body[0].value)


async def _call(
    bus: MessageBus,
    interface: str,
    path: str,
    member: str,
    body: list[str],
    destination: str = "org.freedesktop.DBus",
) -> Message:
    message = Message(
        destination=destination,
        path=path,
        interface=interface,
        member=member,
        signature="s" * len(body),
        body=body,
        flags=MessageFlag.NO_AUTOSTART,  # bluetoothd is started by the rig alone
    )
    reply = await bus.call(message)
    assert reply is not None
    return reply


if __name__ == "__main__":
    asyncio.run(main())
