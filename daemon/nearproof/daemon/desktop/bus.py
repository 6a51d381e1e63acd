"""Calls on the session bus and the system bus through dbus-fast."""

from __future__ import annotations

import asyncio
import os
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

BUS: Final = "org.freedesktop.DBus"
BUS_PATH: Final = "/org/freedesktop/DBus"

# Seconds.  A service that the bus has to start first may take its time.
CALL_TIMEOUT: Final = 25.0

# Error replies of a bus on which nobody has the name and nobody can be started for it
# (D-Bus Specification, Message Bus Starting Services).
_NOBODY: Final = (
    f"{BUS}.Error.ServiceUnknown",
    f"{BUS}.Error.NameHasNoOwner",
    f"{BUS}.Error.Spawn.",
)


class Which(Enum):
    """The bus of this user's session, or the machine's."""

    SESSION = "session bus"
    SYSTEM = "system bus"


class BusLost(Exception):
    """There is no such bus, it turned us away, or whoever was called does not answer."""


class CallRefused(Exception):
    """The callee answered with an error; `name` is its D-Bus name."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        super().__init__(f"{name}: {text}" if text else name)

    @property
    def nobody(self) -> bool:
        """The answer came from the bus: the name that was called has no owner."""
        return self.name.startswith(_NOBODY)


async def connect(which: Which) -> MessageBus:
    """A connection of its own; the caller ends it with `disconnect`.  Raises `BusLost`."""
    from dbus_fast import AuthError, BusType, InvalidAddressError
    from dbus_fast.aio import MessageBus

    try:
        if which is Which.SYSTEM:
            bus = MessageBus(bus_type=BusType.SYSTEM, auth_timeout=CALL_TIMEOUT)
        else:
            bus = MessageBus(bus_address=_session_address(), auth_timeout=CALL_TIMEOUT)
        return await bus.connect()
    except (OSError, EOFError, AuthError, InvalidAddressError) as error:
        raise BusLost(f"no {which.value}: {error}") from error


def _session_address() -> str:
    """Where the session bus is: as told, else the one that systemd keeps for each user.

    A service, or a shell that `su` opened, is often not told (pam_systemd(8)).
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS") or (runtime and f"unix:path={runtime}/bus")
    if not address:
        raise BusLost("no session bus: DBUS_SESSION_BUS_ADDRESS and XDG_RUNTIME_DIR are not set")
    return address


async def ended(bus: MessageBus) -> None:
    """Wait until a connection is at its end, by our will or not."""
    # Waited for and not awaited: who is cancelled here must not cancel dbus-fast's future.
    end = asyncio.ensure_future(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
    end.add_done_callback(asyncio.Future.exception)  # the reason does not matter
    await asyncio.wait([end])


async def disconnect(bus: MessageBus) -> None:
    """End a connection and wait until its socket is closed."""
    if bus.connected:
        bus.disconnect()
    await ended(bus)


async def call(
    bus: MessageBus,
    destination: str,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    *arguments: Any,
) -> Message:
    """Call a method and return its reply, whose `sender` is the callee's unique name.

    Raises `CallRefused` for an error reply, `BusLost` if there was no reply at all.
    """
    from dbus_fast import Message, MessageType

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
        raise BusLost(f"{member}: no answer in {CALL_TIMEOUT:.0f} s") from error
    except (OSError, EOFError) as error:
        raise BusLost(f"{member}: {error!r}") from error
    if reply.message_type is MessageType.ERROR:
        raise CallRefused(reply.error_name or "", str(reply.body[0]) if reply.body else "")
    return reply


async def add_match(bus: MessageBus, rule: str) -> None:
    """Have the bus deliver the signals that fit `rule`.  Raises as `call`."""
    await call(bus, BUS, BUS_PATH, BUS, "AddMatch", "s", rule)


def owner_rule(name: str) -> str:
    """The match rule for who owns `name`."""
    return f"type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{name}'"


def owner_change(message: Message, name: str) -> tuple[str, str] | None:
    """The old and the new owner of `name` ("" for none), if that is what the message tells."""
    if (message.sender, message.member) == (BUS, "NameOwnerChanged") and message.body[0] == name:
        return message.body[1], message.body[2]
    return None
