"""A D-Bus service for tests: owns a name from `start` to `stop`, which is a kill -9."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.auth import AuthExternal

from bluez.record import Record

# The signature of what a method takes, that of what it gives, and the method.
Method = tuple[str, str, Callable[..., Awaitable[list[Any]]]]


class Fault(Exception):
    """Makes a method answer with this D-Bus error."""

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(name, text)
        self.name = name
        self.text = text


class FakeService:
    """Answers calls, in the order in which they come, as `methods` says."""

    name = ""
    user: int | None = None  # whom the bus knows this process as, where not by its own user ID

    def __init__(self, address: str) -> None:
        self._address = address
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._worker: asyncio.Task[None]
        self.calls: Record[str] = Record()
        # Scripts: given the member that is called, may raise a Fault or make the caller wait.
        self.judge: Callable[[str], Awaitable[None]] = _nothing
        self.bus: MessageBus

    def methods(self, path: str, interface: str) -> dict[str, Method]:
        """The methods of one interface of one object."""
        raise NotImplementedError

    def vanished(self, client: str) -> None:
        """A client has left the bus."""

    async def start(self) -> None:
        auth = None if self.user is None else AuthExternal(self.user)
        self.bus = await MessageBus(bus_address=self._address, auth=auth).connect()
        self.bus.add_message_handler(self._message)
        bus = "org.freedesktop.DBus"
        rule = "type='signal',member='NameOwnerChanged'"
        await self.bus.call(
            Message(bus, "/org/freedesktop/DBus", bus, "AddMatch", signature="s", body=[rule])
        )
        self._worker = asyncio.create_task(self._work())
        await self.bus.request_name(self.name)

    async def stop(self) -> None:
        """Idempotent, also if the bus has died."""
        self._worker.cancel()
        await asyncio.wait([self._worker])
        if self.bus.connected:
            self.bus.disconnect()
            await self.bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def signal(
        self, path: str, interface: str, member: str, signature: str, *body: Any, to: str = ""
    ) -> None:
        self.bus.send(
            Message(
                destination=to or None,
                path=path,
                interface=interface,
                member=member,
                message_type=MessageType.SIGNAL,
                signature=signature,
                body=list(body),
            )
        )

    def _message(self, message: Message) -> bool:
        if message.message_type is MessageType.SIGNAL:
            if message.member == "NameOwnerChanged" and not message.body[2]:
                self.vanished(message.body[0])
            return False
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        self._inbox.put_nowait(message)
        return True

    async def _work(self) -> None:
        while True:
            call = await self._inbox.get()
            self.calls.note(call.member or "")
            try:
                await self.judge(call.member or "")
                reply = await self._answer(call)
            except Fault as fault:
                reply = Message.new_error(call, fault.name, fault.text)
            await self.bus.send(reply)
            self.after(call.member or "")

    def after(self, member: str) -> None:
        """The answer to a call has been sent."""

    async def _answer(self, call: Message) -> Message:
        methods = self.methods(call.path or "", call.interface or "")
        if call.member not in methods:
            raise Fault("org.freedesktop.DBus.Error.UnknownMethod", f"no {call.member}")
        takes, gives, method = methods[call.member]
        if call.signature != takes:
            raise Fault("org.freedesktop.DBus.Error.InvalidArgs", call.signature)
        return Message.new_method_return(call, gives, await method(call.sender, *call.body))


async def _nothing(_member: str) -> None:
    pass
