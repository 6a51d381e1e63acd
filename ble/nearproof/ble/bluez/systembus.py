"""Calls on the system bus through dbus-fast, every failure a `BluetoothError`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from dbus_fast import AuthError, BusType, InvalidAddressError, Message, MessageType
from dbus_fast.aio import MessageBus

from nearproof.ble.bluez.faults import bluetooth_error
from nearproof.ble.bluez.names import BLUEZ, BUS, BUS_PATH
from nearproof.ble.errors import BluetoothError, BluetoothReason

CALL_TIMEOUT: Final = 10.0  # seconds; bluetoothd answers in milliseconds unless it hangs


async def connect() -> MessageBus:
    """A connection of its own to the system bus; the caller ends it with `disconnect`.

    Raises `BluetoothError`: NO_DBUS, or NO_PERMISSION if the bus is there but refuses us.
    """
    try:
        return await MessageBus(bus_type=BusType.SYSTEM, auth_timeout=CALL_TIMEOUT).connect()
    except (PermissionError, AuthError) as error:
        raise BluetoothError(BluetoothReason.NO_PERMISSION, f"the system bus: {error}") from error
    except (OSError, EOFError, InvalidAddressError) as error:
        raise BluetoothError(BluetoothReason.NO_DBUS, str(error)) from error


async def ended(bus: MessageBus) -> None:
    """Wait until a connection is at its end, by our will or not."""
    # Waited for and not awaited: who is cancelled here must not cancel dbus-fast's future.
    end = asyncio.ensure_future(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
    await asyncio.wait([end])
    end.exception()  # the reason does not matter


async def disconnect(bus: MessageBus) -> None:
    """End a connection and wait until its socket is closed."""
    if bus.connected:
        bus.disconnect()
    await ended(bus)


@asynccontextmanager
async def connected() -> AsyncIterator[MessageBus]:
    """`connect`, for the time of a block."""
    bus = await connect()
    try:
        yield bus
    finally:
        await disconnect(bus)


async def call(
    bus: MessageBus,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    *arguments: Any,
    destination: str = BLUEZ,
) -> list[Any]:
    """Call a method and return the values of its reply.

    Raises `BluetoothError`: from the error reply, STACK_LOST if none came at all, NO_DBUS if
    the connection has ended.
    """
    if not bus.connected:
        raise BluetoothError(BluetoothReason.NO_DBUS, "the system bus has ended")
    message = Message(
        destination=destination,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=list(arguments),
    )
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            reply = await bus.call(message)
    except TimeoutError as error:
        raise BluetoothError(BluetoothReason.STACK_LOST, f"{member}: no answer") from error
    except (OSError, EOFError) as error:
        raise BluetoothError(BluetoothReason.NO_DBUS, f"{member}: {error!r}") from error
    if reply.message_type is MessageType.ERROR:
        raise bluetooth_error(reply.error_name, str(reply.body[0]) if reply.body else "")
    return reply.body


async def add_match(bus: MessageBus, rule: str) -> None:
    """Have the bus deliver the signals that fit `rule`."""
    await call(bus, BUS_PATH, BUS, "AddMatch", "s", rule, destination=BUS)
