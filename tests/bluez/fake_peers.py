"""Laptops at the other end of the fake radio."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from dbus_fast import Message, MessageType, Variant

from bluez.fake_bluez import (
    CHARACTERISTIC,
    DEVICE,
    NOTHING,
    BluezFault,
    FakeBluez,
    Reply,
    random_address,
)
from bluez.record import Record
from nearproof.ble.uuids import MESSAGES, ROUNDS, SERVICE

EID = bytes(range(0xE0, 0xF0))
EID_TEXT = "e0e1e2e3-e4e5-e6e7-e8e9-eaebecedeeef"


def device(bluez: FakeBluez, address: str, **properties: Variant) -> dict[str, Variant]:
    """The properties of a Device1."""
    return {
        "Adapter": Variant("o", bluez.path),
        "Address": Variant("s", address),
        "Alias": Variant("s", address.replace(":", "-")),
        "Paired": Variant("b", False),
        "Connected": Variant("b", False),
        "ServicesResolved": Variant("b", False),
        "UUIDs": Variant("as", []),
        **properties,
    }


class RemoteCentral:
    """Somebody who connects to the application registered with the fake."""

    def __init__(self, bluez: FakeBluez, *, paired: bool = False) -> None:
        self.bluez = bluez
        self.address = random_address()
        self.path = f"{bluez.path}/dev_{self.address.replace(':', '_')}"
        self.paired = paired
        self.mtu = 247
        bluez.handlers[self.path] = self._called

    def appear(self, *, connected: bool) -> None:
        """A new device; as in BlueZ, `Connected` is in its first properties or changes later."""
        properties = device(
            self.bluez,
            self.address,
            Connected=Variant("b", connected),
            Paired=Variant("b", self.paired),
        )
        self.bluez.add(self.path, {DEVICE: properties})

    def connect(self) -> None:
        if self.path in self.bluez.objects:
            self.bluez.change(self.path, DEVICE, Connected=Variant("b", True))
        else:
            self.appear(connected=True)

    def disconnect(self) -> None:
        self.bluez.change(self.path, DEVICE, Connected=Variant("b", False))

    async def write(self, uuid: str, value: bytes, **options: Variant) -> tuple[str, str] | None:
        """Write with response: None, or the D-Bus error that would become an ATT error."""
        application = self.bluez.application
        assert application is not None
        reply = await self.bluez.call(
            application.owner,
            application.path_of(uuid),
            CHARACTERISTIC,
            "WriteValue",
            "aya{sv}",
            value,
            {
                "device": Variant("o", self.path),
                "link": Variant("s", "LE"),
                "mtu": Variant("q", self.mtu),
                **options,
            },
        )
        if reply.message_type is MessageType.ERROR:
            return (reply.error_name or "", reply.body[0])
        return None

    async def subscribe(self, uuid: str) -> None:
        await self._switch("StartNotify", uuid)

    async def unsubscribe(self, uuid: str) -> None:
        await self._switch("StopNotify", uuid)

    async def _switch(self, member: str, uuid: str) -> None:
        application = self.bluez.application
        assert application is not None
        path = application.path_of(uuid)
        reply = await self.bluez.call(application.owner, path, CHARACTERISTIC, member)
        assert reply.message_type is MessageType.METHOD_RETURN

    async def _called(self, message: Message) -> Reply:
        if message.member == "Disconnect":
            self.disconnect()
        return NOTHING


class RemotePeripheral:
    """Somebody who advertises and serves; `connects` and `answers` script what goes wrong.

    `connects` holds for each coming Connect a BluezFault, "hang", "drop" for a link that goes
    down before its services are known, or "mute" for one on which they never are; `answers`
    holds a BluezFault or "hang" for each write.
    """

    def __init__(
        self, bluez: FakeBluez, *uuids: str, service: str = SERVICE, mtu: int = 247
    ) -> None:
        self.bluez = bluez
        self.address = random_address()
        self.path = f"{bluez.path}/dev_{self.address.replace(':', '_')}"
        self.uuids = list(uuids)
        self.rssi: int | None = -50
        self.paired = False
        self.service = service
        self.mtu = mtu
        self.connects: deque[BluezFault | str] = deque()
        self.answers: deque[BluezFault | str | None] = deque()
        self.written: Record[tuple[str, bytes]] = Record()
        self.slow_disconnect: asyncio.Event | None = None
        self.slow_subscription: asyncio.Event | None = None
        bluez.handlers[self.path] = self._device_called
        bluez.on_discovery.append(self.advertise)

    def advertise(self) -> None:
        """One advert is heard."""
        rssi = {} if self.rssi is None else {"RSSI": Variant("n", self.rssi)}
        if self.path in self.bluez.objects:
            self.bluez.change(self.path, DEVICE, **rssi)
        else:
            properties = device(
                self.bluez,
                self.address,
                UUIDs=Variant("as", self.uuids),
                Paired=Variant("b", self.paired),
                **rssi,
            )
            self.bluez.add(self.path, {DEVICE: properties})

    def drop(self) -> None:
        """The link is lost."""
        self.bluez.change(
            self.path, DEVICE, Connected=Variant("b", False), ServicesResolved=Variant("b", False)
        )

    def notify(self, uuid: str, value: bytes) -> None:
        self.bluez.change(self._path_of(uuid), CHARACTERISTIC, Value=Variant("ay", value))

    def _path_of(self, uuid: str) -> str:
        return f"{self.path}/service0010/char{11 if uuid == MESSAGES else 14:04}"

    async def _device_called(self, message: Message) -> Reply:
        if message.member == "Connect":
            await self._connect()
        elif message.member == "Disconnect":
            if self.slow_disconnect is not None:
                await self.slow_disconnect.wait()
            self.drop()
        return NOTHING

    async def _connect(self) -> None:
        outcome = self.connects.popleft() if self.connects else None
        if isinstance(outcome, BluezFault):
            raise outcome
        if outcome == "hang":
            await asyncio.Event().wait()
        self.bluez.change(self.path, DEVICE, Connected=Variant("b", True))
        if outcome == "drop":
            asyncio.get_running_loop().call_soon(self.drop)
            return
        if outcome == "mute":
            return
        self._show_services()
        self.bluez.change(
            self.path,
            DEVICE,
            ServicesResolved=Variant("b", True),
            UUIDs=Variant("as", [self.service]),
        )

    def _show_services(self) -> None:
        service = f"{self.path}/service0010"
        self.bluez.add(
            service,
            {
                "org.bluez.GattService1": {
                    "UUID": Variant("s", self.service),
                    "Device": Variant("o", self.path),
                    "Primary": Variant("b", True),
                }
            },
        )
        for uuid in (MESSAGES, ROUNDS):
            path = self._path_of(uuid)
            properties: dict[str, Any] = {
                "UUID": Variant("s", uuid),
                "Service": Variant("o", service),
                "Flags": Variant("as", ["write", "notify"]),
                "MTU": Variant("q", self.mtu),
                "NotifyAcquired": Variant("b", False),
            }
            self.bluez.add(path, {CHARACTERISTIC: properties})
            self.bluez.handlers[path] = self._characteristic_called

    async def _characteristic_called(self, message: Message) -> Reply:
        path = message.path or ""
        match message.member:
            case "WriteValue":
                uuid = self.bluez.objects[path][CHARACTERISTIC]["UUID"].value
                self.written.note((uuid, bytes(message.body[0])))
                answer = self.answers.popleft() if self.answers else None
                if isinstance(answer, BluezFault):
                    raise answer
                if answer == "hang":
                    await asyncio.Event().wait()
            case "StartNotify":
                if self.slow_subscription is not None:
                    await self.slow_subscription.wait()
            case _:
                pass
        return NOTHING
