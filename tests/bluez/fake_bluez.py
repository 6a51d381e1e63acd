"""An org.bluez for tests: the object tree, one adapter, its GATT and advert managers.

It follows what the sources of BlueZ 5.66 to 5.87 do where a client can tell the difference:
an application's objects are read with GetManagedObjects and an advert's with GetAll; both
are forgotten when their owner leaves the bus; a new device that connects at once appears by
InterfacesAdded alone, without a PropertiesChanged; the UUIDs of a device whose services are
known are those services, for as long as the device is.  What happens over the air is scripted by
`fake_peers`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from bluez.record import Record

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
GATT_MANAGER = "org.bluez.GattManager1"
ADVERT_MANAGER = "org.bluez.LEAdvertisingManager1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"

Interfaces = dict[str, dict[str, Variant]]
Reply = tuple[str, list[Any]]
NOTHING: Reply = ("", [])


class BluezFault(Exception):
    """Makes a method answer with this D-Bus error."""

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(name, text)
        self.name = name if "." in name else f"org.bluez.Error.{name}"
        self.text = text


@dataclass
class Application:
    """A GATT application that a client has registered."""

    owner: str
    objects: dict[str, Interfaces]

    def path_of(self, uuid: str) -> str:
        """The object path of the characteristic with this UUID."""
        for path, interfaces in self.objects.items():
            properties = interfaces.get(CHARACTERISTIC)
            if properties is not None and properties["UUID"].value == uuid:
                return path
        raise KeyError(uuid)


def random_address() -> str:
    return ":".join(f"{byte:02X}" for byte in secrets.token_bytes(6))


class FakeBluez:
    """Owns org.bluez from `start` to `stop`.

    Unless it is orderly, that is a kill -9: nobody is told but by the bus.
    """

    def __init__(
        self,
        *,
        adapter: str | None = "hci0",
        powered: bool = True,
        discoverable: bool = False,
        roles: tuple[str, ...] = ("central", "peripheral"),
    ) -> None:
        self.adapter = adapter
        self.path = f"/org/bluez/{adapter}"
        self.address = random_address()
        self.powered = powered
        self.discoverable = discoverable
        self.roles = roles
        self.objects: dict[str, Interfaces] = {}
        self.application: Application | None = None
        self.adverts: dict[str, dict[str, Any]] = {}
        self.calls: Record[tuple[str, tuple[Any, ...]]] = Record()
        self.notified: Record[tuple[str, bytes]] = Record()
        # Scripts: may raise BluezFault, given the advert's properties or the member called.
        self.judge_advert: Callable[[dict[str, Any]], None] = lambda properties: None
        self.judge_call: Callable[[str], None] = lambda member: None
        # What other files add: devices and their characteristics, by object path.
        self.handlers: dict[str, Callable[[Message], Awaitable[Reply]]] = {}
        self.on_discovery: list[Callable[[], None]] = []
        self.deaf: set[str] = set()  # members whose calls are never answered
        self._tasks: set[asyncio.Task[None]] = set()
        self.bus: MessageBus

    async def start(self) -> None:
        self.bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        self.bus.add_message_handler(self._message)
        await self._match("type='signal',member='NameOwnerChanged'")
        await self.bus.request_name("org.bluez")
        self.objects = {"/org/bluez": {"org.bluez.AgentManager1": {}}}
        if self.adapter is not None:
            self.add(
                self.path,
                {
                    ADAPTER: {
                        "Address": Variant("s", self.address),
                        "Alias": Variant("s", "laptop"),
                        "Powered": Variant("b", self.powered),
                        "Discoverable": Variant("b", self.discoverable),
                        "Pairable": Variant("b", True),
                        "Roles": Variant("as", list(self.roles)),
                    },
                    GATT_MANAGER: {},
                    ADVERT_MANAGER: {},
                },
            )

    async def stop(self, *, orderly: bool = False) -> None:
        if orderly:
            self.remove(self.path)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.application = None
        self.adverts.clear()
        self.objects.clear()
        self.bus.disconnect()
        await self.bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def setting(self, name: str) -> Any:
        """The value of one property of the adapter."""
        return self.objects[self.path][ADAPTER][name].value

    def count(self, member: str) -> int:
        """How often a method has been called."""
        return [name for name, _ in self.calls.entries].count(member)

    # -- the object tree ---------------------------------------------------------

    def add(self, path: str, interfaces: Interfaces) -> None:
        self.objects.setdefault(path, {}).update(interfaces)
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", path, interfaces)

    def remove(self, path: str) -> None:
        for below in [p for p in self.objects if p == path or p.startswith(path + "/")]:
            interfaces = self.objects.pop(below)
            self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", below, list(interfaces))

    def change(self, path: str, interface: str, **properties: Variant) -> None:
        self.objects[path][interface].update(properties)
        self.calls.stir()
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", interface, properties, [])

    def _signal(self, path: str, interface: str, member: str, signature: str, *body: Any) -> None:
        self.bus.send(Message.new_signal(path, interface, member, signature, list(body)))

    # -- calls -------------------------------------------------------------------

    def _message(self, message: Message) -> bool:
        if message.message_type is MessageType.SIGNAL:
            self._heard(message)
            return False
        if message.message_type is not MessageType.METHOD_CALL or message.member == "Ping":
            return False
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, message: Message) -> None:
        member = message.member or ""
        self.calls.note((member, tuple(message.body)))
        if member in self.deaf:
            return
        try:
            self.judge_call(member)
            signature, body = await self._dispatch(message)
            reply = Message.new_method_return(message, signature, body)
        except BluezFault as fault:
            reply = Message.new_error(message, fault.name, fault.text)
        if message.flags.value & 1:  # NO_REPLY_EXPECTED
            return
        await self.bus.send(reply)

    async def _dispatch(self, message: Message) -> Reply:
        path = message.path or ""
        if message.member == "GetManagedObjects":
            return "a{oa{sa{sv}}}", [self.objects]
        if path not in self.objects:
            raise BluezFault("org.freedesktop.DBus.Error.UnknownObject", path)
        if message.interface == PROPERTIES:
            return self._property(message)
        if path in self.handlers:
            return await self.handlers[path](message)
        adapter_methods: dict[str, Callable[[Message], Awaitable[Reply]]] = {
            "RegisterApplication": self._register_application,
            "RegisterAdvertisement": self._register_advertisement,
            "UnregisterAdvertisement": self._unregister_advertisement,
            "SetDiscoveryFilter": self._nothing,
            "StartDiscovery": self._start_discovery,
            "StopDiscovery": self._nothing,
            "RemoveDevice": self._remove_device,
        }
        if message.member not in adapter_methods:
            raise BluezFault("org.freedesktop.DBus.Error.UnknownMethod", message.member or "")
        return await adapter_methods[message.member](message)

    async def _nothing(self, _: Message) -> Reply:
        return NOTHING

    def _property(self, message: Message) -> Reply:
        path = message.path or ""
        if message.member == "GetAll":
            return "a{sv}", [self.objects[path][message.body[0]]]
        if message.member != "Set":
            raise BluezFault("org.freedesktop.DBus.Error.UnknownMethod", message.member or "")
        interface, name, value = message.body
        if self.objects[path][interface][name].value != value.value:
            self.change(path, interface, **{name: value})
        return NOTHING

    async def _register_application(self, message: Message) -> Reply:
        owner = message.sender or ""
        reply = await self.call(owner, message.body[0], OBJECT_MANAGER, "GetManagedObjects")
        await self._match(f"type='signal',sender='{owner}',member='PropertiesChanged'")
        self.application = Application(owner, reply.body[0])
        self.calls.stir()
        return NOTHING

    async def _register_advertisement(self, message: Message) -> Reply:
        path = message.body[0]
        if not self.setting("Powered"):
            raise BluezFault("Failed", "Failed to register advertisement")
        if path in self.adverts:
            raise BluezFault("AlreadyExists", "Already Exists")
        reply = await self.call(
            message.sender or "", path, PROPERTIES, "GetAll", "s", "org.bluez.LEAdvertisement1"
        )
        properties = {name: variant.value for name, variant in reply.body[0].items()}
        self.judge_advert(properties)
        self.adverts[path] = properties | {"owner": message.sender}
        self.calls.stir()
        return NOTHING

    async def _unregister_advertisement(self, message: Message) -> Reply:
        if self.adverts.pop(message.body[0], None) is None:
            raise BluezFault("DoesNotExist", "Does Not Exist")
        return NOTHING

    async def _start_discovery(self, _: Message) -> Reply:
        if not self.setting("Powered"):
            raise BluezFault("NotReady", "Resource Not Ready")
        for announce in self.on_discovery:
            asyncio.get_running_loop().call_soon(announce)
        return NOTHING

    async def _remove_device(self, message: Message) -> Reply:
        path = message.body[0]
        if path not in self.objects:
            raise BluezFault("DoesNotExist", "Does Not Exist")
        if not self.setting("Powered"):
            raise BluezFault("NotReady", "Resource Not Ready")
        if self.objects[path][DEVICE]["Connected"].value:
            await self.handlers[path](Message(path=path, interface=DEVICE, member="Disconnect"))
        self.remove(path)
        self.calls.stir()
        return NOTHING

    # -- the other way round -------------------------------------------------------

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *body: Any,
    ) -> Message:
        return await self.bus.call(
            Message(
                destination=destination,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )

    async def _match(self, rule: str) -> None:
        bus = "org.freedesktop.DBus"
        await self.call(bus, "/org/freedesktop/DBus", bus, "AddMatch", "s", rule)

    def _heard(self, message: Message) -> None:
        if message.member == "NameOwnerChanged":
            self._forget(message.body[0], message.body[2])
        elif message.member == "PropertiesChanged" and self.application is not None:
            interface, changed, _ = message.body
            if interface == CHARACTERISTIC and "Value" in changed:
                uuid = self.application.objects[message.path or ""][CHARACTERISTIC]["UUID"].value
                self.notified.note((uuid, bytes(changed["Value"].value)))

    def _forget(self, name: str, new_owner: str) -> None:
        if new_owner:
            return
        if self.application is not None and self.application.owner == name:
            self.application = None
        for path in [p for p, advert in self.adverts.items() if advert["owner"] == name]:
            del self.adverts[path]
        self.calls.stir()
