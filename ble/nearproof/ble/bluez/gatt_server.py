"""Bless's GATT server for BlueZ, cut down to what it does well: the application.

bless 0.3.0 advertises by itself under the adapter's name, overwrites that name, finds
adapters by substring, drops the options of a write (who wrote, with which MTU), has no
connections and leaves its D-Bus connection open; and dbus-next, below it, logs every error
that a method answers with as a crash, so that a hostile peer could fill the log.  Here bless
exports and registers the service.  Everything else goes past it, on the same D-Bus
connection: the bus keeps the order of bluetoothd's messages only within a connection, and a
write must not overtake the news that its writer connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from bless.backends.attribute import GATTAttributePermissions
from bless.backends.bluezdbus.characteristic import BlessGATTCharacteristicBlueZDBus
from bless.backends.bluezdbus.dbus.application import BlueZGattApplication
from bless.backends.bluezdbus.server import BlessServerBlueZDBus
from bless.backends.characteristic import GATTCharacteristicProperties
from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageFlag, MessageType
from dbus_next.errors import DBusError
from dbus_next.message import Message

from nearproof.ble.bluez.att import APPLICATION_ERRORS
from nearproof.ble.bluez.faults import bluetooth_error
from nearproof.ble.bluez.names import (
    BLUEZ,
    BUS,
    BUS_PATH,
    GATT_CHARACTERISTIC,
    GATT_MANAGER,
    PEER,
)
from nearproof.ble.bluez.signals import plain
from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason
from nearproof.ble.framing import MIN_MTU
from nearproof.ble.ports import Channel
from nearproof.ble.uuids import MESSAGES, ROUNDS, SERVICE

CALL_TIMEOUT: Final = 10.0  # seconds; bluetoothd answers in milliseconds unless it hangs
UUIDS: Final[Mapping[Channel, str]] = {Channel.MESSAGES: MESSAGES, Channel.ROUNDS: ROUNDS}

BROKEN: Final = 0x80  # the ATT error for a write that this side could not handle

Written = Callable[[str, int, Channel, bytes], None]
"""Called with the writer's object path, its ATT_MTU, the channel and the value."""


class GattServer(BlessServerBlueZDBus):
    """The PXP1 service, exported to BlueZ on one D-Bus connection."""

    def __init__(
        self, adapter_path: str, written: Written, subscribed: Callable[[Channel], None]
    ) -> None:
        self._adapter_path = adapter_path
        self._written = written
        self._subscribed = subscribed
        self._channels: dict[str, Channel] = {}  # by object path
        self._connected = False
        super().__init__(name="nearproof", loop=asyncio.get_running_loop())

    async def setup(self) -> None:
        """Connect and build the service; awaited through `setup_task`, as bless has it."""
        try:
            self.bus = MessageBus(bus_type=BusType.SYSTEM)
            self._connected = True
            await self.bus.connect()
        except (OSError, EOFError) as error:
            raise BluetoothError(BluetoothReason.NO_DBUS, str(error)) from error
        self.bus.add_message_handler(self._answer)
        self.app = BlueZGattApplication(self.name, BLUEZ, self.bus)

    async def build(self) -> None:
        """Make the one service: two characteristics, each write (with response) and notify."""
        await self.setup_task
        await self.add_new_service(SERVICE)
        for channel, uuid in UUIDS.items():
            # Never write-without-response: BlueZ would acknowledge before we have answered.
            await self.add_new_characteristic(
                SERVICE,
                uuid,
                GATTCharacteristicProperties.write | GATTCharacteristicProperties.notify,
                None,
                GATTAttributePermissions.writeable,
            )
            self._channels[self._characteristic(channel).path] = channel
        self.bus.export(self.app.path, self.app)

    async def start(self, **_: Any) -> bool:
        """Register the application with the adapter, as often as bluetoothd forgets it."""
        await self.call(
            self._adapter_path,
            GATT_MANAGER,
            "RegisterApplication",
            "oa{sv}",
            self.app.path,
            {},
        )
        return True

    async def notify(self, channel: Channel, value: bytes) -> None:
        """Notify every subscriber; returns when bluetoothd has taken the value."""
        self._characteristic(channel).value = bytearray(value)
        self.update_value(SERVICE, UUIDS[channel])
        # The value went out as a signal, which has no reply.  bluetoothd handles what comes
        # from us in order, so the answer to this says that it has seen the signal.
        await self.call("/", PEER, "Ping")

    def _answer(self, message: Message) -> Message | None:
        """Answer a call to one of the characteristics; None for every other message."""
        channel = self._channels.get(message.path)
        if (
            channel is None
            or message.message_type is not MessageType.METHOD_CALL
            or message.interface != GATT_CHARACTERISTIC
        ):
            return None
        match message.member, message.signature:
            case "WriteValue", "aya{sv}":
                self._write(channel, message.body[0], plain(message.body[1]))
            case "StartNotify", "":
                self._subscribed(channel)
            case "StopNotify", "":
                pass
            case _:
                raise _refusal("NotSupported", "write and notify only")
        return Message.new_method_return(message)

    def _write(self, channel: Channel, value: bytes, options: Mapping[str, Any]) -> None:
        try:
            if options.get("offset", 0):
                raise _refusal("InvalidOffset", "no long writes")
            self._written(options["device"], options.get("mtu", MIN_MTU), channel, bytes(value))
        except AttError as error:
            code = error.code if error.code in APPLICATION_ERRORS else BROKEN
            raise _refusal("Failed", f"0x{code:02x}") from None
        except DBusError:
            raise
        except Exception as error:
            # dbus-next would send the traceback over the bus.
            self.loop.call_exception_handler(
                {"message": "a write could not be handled", "exception": error}
            )
            raise _refusal("Failed", f"0x{BROKEN:02x}") from None

    def _characteristic(self, channel: Channel) -> BlessGATTCharacteristicBlueZDBus:
        characteristic = self.get_characteristic(UUIDS[channel])
        return cast(BlessGATTCharacteristicBlueZDBus, characteristic)

    async def call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *arguments: Any,
        destination: str = BLUEZ,
    ) -> list[Any]:
        """Call a method on this connection and return the values of its reply.

        Raises `BluetoothError`: from the error reply, STACK_LOST if none came at all, NO_DBUS if
        the connection has ended.
        """
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(arguments),
            # Nobody's `systemctl stop bluetooth` is to be undone by a background call.
            flags=MessageFlag.NO_AUTOSTART,
        )
        if not self.bus.connected:
            raise BluetoothError(BluetoothReason.NO_DBUS, "the system bus has ended")
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                reply = cast(Message, await self.bus.call(message))
        except TimeoutError as error:
            raise BluetoothError(BluetoothReason.STACK_LOST, f"{member}: no answer") from error
        except (OSError, EOFError) as error:
            raise BluetoothError(BluetoothReason.NO_DBUS, f"{member}: {error!r}") from error
        if reply.message_type is MessageType.ERROR:
            raise bluetooth_error(reply.error_name, str(reply.body[0]) if reply.body else "")
        return list(reply.body)

    async def tell(self, path: str, interface: str, member: str) -> None:
        """Call a method and wait for no reply, just until the call is on its way."""
        message = Message(
            destination=BLUEZ,
            path=path,
            interface=interface,
            member=member,
            flags=MessageFlag.NO_REPLY_EXPECTED | MessageFlag.NO_AUTOSTART,
        )
        try:
            await self.bus.send(message)
        except (OSError, EOFError) as error:
            raise BluetoothError(BluetoothReason.NO_DBUS, f"{member}: {error!r}") from error

    async def follow(self, *rules: str) -> None:
        """Have the bus deliver the signals that fit the match rules."""
        for rule in rules:
            await self.call(BUS_PATH, BUS, "AddMatch", "s", rule, destination=BUS)

    async def ended(self) -> None:
        """Wait until the D-Bus connection is at its end, by our will or not."""
        # Waited for and not awaited: who is cancelled here must not cancel dbus-next's future.
        end = asyncio.ensure_future(self.bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
        await asyncio.wait([end])
        end.exception()  # the reason does not matter

    async def stop(self) -> bool:
        """End the D-Bus connection, with which bluetoothd forgets what was registered."""
        self.setup_task.cancel()
        await asyncio.wait([self.setup_task])
        if not self._connected:
            return True
        bus: Any = self.bus  # untyped: dbus-next
        if bus.unique_name is not None:
            if bus.connected:
                bus.disconnect()
            await self.ended()
        # dbus-next shuts its socket down but never closes it.
        bus._stream.close()
        bus._sock.close()
        return True


def _refusal(name: str, text: str) -> DBusError:
    return DBusError(f"org.bluez.Error.{name}", text)  # type: ignore[no-untyped-call]
