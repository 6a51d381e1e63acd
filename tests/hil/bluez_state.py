"""Print, as JSON, what a session might have changed in BlueZ: `python -m hil.bluez_state`.

Waits until no temporary device is left: BlueZ forgets one 30 s after its last advert or link.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from dbus_fast import BusType, Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus

ADAPTER: Final = "org.bluez.Adapter1"
DEVICE: Final = "org.bluez.Device1"
ADVERTS: Final = "org.bluez.LEAdvertisingManager1"
KEPT: Final = ("Alias", "Discoverable", "DiscoverableTimeout", "Pairable", "Powered")
FORGETTING: Final = 60.0  # seconds
RULE: Final = "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager'"


async def main() -> None:
    """Print the state, or what is left of devices after a minute."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    changed = asyncio.Event()

    def on_message(message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            changed.set()

    bus.add_message_handler(on_message)
    await _call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "AddMatch", RULE)
    try:
        async with asyncio.timeout(FORGETTING):
            while (await _state(bus))["devices"]:
                await changed.wait()
                changed.clear()
    except TimeoutError:
        pass
    print(json.dumps(await _state(bus), sort_keys=True))
    bus.disconnect()


async def _state(bus: MessageBus) -> dict[str, Any]:
    interface = "org.freedesktop.DBus.ObjectManager"
    (objects,) = (await _call(bus, interface, "/", "GetManagedObjects")).body
    found: dict[str, Any] = {"devices": [path for path in objects if DEVICE in objects[path]]}
    for path, interfaces in objects.items():
        if ADAPTER in interfaces:
            found[path] = {
                name: value.value for name, value in interfaces[ADAPTER].items() if name in KEPT
            }
            found[path]["adverts"] = interfaces[ADVERTS]["ActiveInstances"].value
    return found


async def _call(bus: MessageBus, interface: str, path: str, member: str, *text: str) -> Message:
    destination = "org.bluez" if path == "/" else "org.freedesktop.DBus"
    message = Message(
        destination=destination,
        path=path,
        interface=interface,
        member=member,
        signature="s" * len(text),
        body=list(text),
        flags=MessageFlag.NO_AUTOSTART,
    )
    reply = await bus.call(message)
    assert reply is not None
    assert reply.message_type is MessageType.METHOD_RETURN, reply.body
    return reply


if __name__ == "__main__":
    asyncio.run(main())
