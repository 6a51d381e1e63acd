"""Notices on the desktop (org.freedesktop.Notifications on the session bus).

The Desktop Notifications Specification 1.2,
https://specifications.freedesktop.org/notification-spec/.  Anybody who looks at the screen, also
at a locked one, may read a notice: none ever holds a code or a secret.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nearproof.daemon.desktop import bus as dbus
from nearproof.daemon.desktop.errors import NotifierError, NotifierReason

if TYPE_CHECKING:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

NOTIFICATIONS: Final = "org.freedesktop.Notifications"
PATH: Final = "/org/freedesktop/Notifications"
APP_NAME: Final = "nearproof"

# Values of Notify's expire_timeout.
SERVER_DECIDES: Final = -1
NEVER_EXPIRES: Final = 0


class Urgency(IntEnum):
    """How much a notice matters (specification, Urgency Levels); critical ones do not expire."""

    NORMAL = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a notice: the `action` that it stands for, and what is written on it."""

    action: str
    label: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What to show.  All of it is plain text.

    `without_buttons` is the sentence that says what to type instead.  It is added to the body
    where no buttons are drawn, and to a critical notice always: some notifiers say that they
    draw buttons and then do not.
    """

    summary: str
    body: str
    buttons: tuple[Button, ...] = ()
    without_buttons: str = ""
    urgency: Urgency = Urgency.NORMAL


@dataclass(frozen=True, slots=True)
class Shown:
    """The notice of `slot` is on the screen, or it was changed there."""

    slot: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """The person pressed a button of the notice of `slot`, which is gone with that."""

    slot: str
    action: str


@dataclass(frozen=True, slots=True)
class Unshown:
    """Nothing can be shown now; told once until something can.  `detail` is for people."""

    reason: NotifierReason
    detail: str


Event = Shown | Pressed | Unshown


@dataclass(frozen=True, slots=True)
class Server:
    """The notifier that runs: its unique name on the bus, who it is, and what it can do."""

    owner: str
    name: str
    capabilities: frozenset[str]


async def find_notifier() -> Server:
    """The notifier of this session; the bus starts it if it has to.

    Raises `NotifierError`: NO_SESSION_BUS or NO_NOTIFIER.
    """
    bus = await _connect()
    try:
        return await _server(bus)
    finally:
        await dbus.disconnect(bus)


class Notifier:
    """Keeps notices on the desktop, one for each slot ("copy", "warning", ...).

    What stands is remembered: when the notifier comes late or starts anew, all of it is shown
    (again).  No method fails or waits for the desktop; what becomes of a notice is told by
    `tell`, which must not raise.
    """

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._standing: dict[str, Notice] = {}  # what should be on the screen, by slot
        self._shown: dict[str, tuple[Notice, int]] = {}  # what is, and the number it has there
        self._bus: MessageBus | None = None
        self._end: asyncio.Task[None] | None = None
        self._server: Server | None = None  # the one that `_shown` is about
        self._dark = False
        # One thing after the other: a button may be pressed before we know the notice's number.
        self._inbox: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    def show(self, slot: str, notice: Notice) -> None:
        """Show `notice` in place of what `slot` shows; needs a running event loop."""
        self._later(self._stand, slot, notice)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())

    def withdraw(self, slot: str) -> None:
        """Take the notice of `slot` away, if it still stands."""
        self._later(self._take_down, slot)

    def again(self) -> None:
        """Try again if nothing could be shown: the bus itself tells nobody that it has come."""
        if self._dark and self._standing:
            self._later(self._settle)

    async def settled(self) -> None:
        """Wait until what was asked before has been done, or could not be."""
        if self._worker is None:
            return
        done = asyncio.get_running_loop().create_future()

        async def say_so() -> None:
            done.set_result(None)

        self._later(say_so)
        await asyncio.wait({done, self._worker}, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Leave the desktop; notices stay there, but their buttons are dead.  Idempotent."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])
        if self._bus is not None:
            await dbus.disconnect(self._bus)
        if self._end is not None:
            await self._end
        self._bus = self._end = self._server = None
        if worker is not None and not worker.cancelled():
            worker.result()  # raises what `tell` has raised

    def _later(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        self._inbox.put_nowait(partial(work, *arguments))

    async def _work(self) -> None:
        while True:
            await (await self._inbox.get())()

    async def _stand(self, slot: str, notice: Notice) -> None:
        self._standing[slot] = notice
        await self._settle()

    async def _settle(self) -> None:
        """Show whatever stands and is not on the screen."""
        try:
            bus, server = await self._reach()
            for slot, notice in list(self._standing.items()):
                await self._put_up(bus, server, slot, notice)
        except NotifierError as error:
            self._darken(error.reason, error.detail)
        except (dbus.CallRefused, dbus.BusLost) as error:
            self._darken(NotifierReason.NO_NOTIFIER, str(error))

    async def _put_up(self, bus: MessageBus, server: Server, slot: str, notice: Notice) -> None:
        shown, number = self._shown.get(slot, (None, 0))
        if shown == notice:
            return
        try:
            number = await _notify(bus, server, notice, replaces=number)
        except dbus.CallRefused as error:
            if error.nobody:
                raise
            del self._standing[slot]
            self._tell(Unshown(NotifierReason.NOTICE_REFUSED, str(error)))
        else:
            self._shown[slot] = (notice, number)
            self._dark = False
            self._tell(Shown(slot))

    def _darken(self, reason: NotifierReason, detail: str) -> None:
        if not self._dark:
            self._dark = True
            self._tell(Unshown(reason, detail))

    async def _take_down(self, slot: str) -> None:
        self._standing.pop(slot, None)
        _, number = self._shown.pop(slot, (None, 0))
        if number and self._bus is not None and self._server is not None:
            with suppress(dbus.CallRefused, dbus.BusLost):  # it went by itself
                await _call(self._bus, self._server.owner, "CloseNotification", "u", number)

    async def _reach(self) -> tuple[MessageBus, Server]:
        """The notifier of now, over a connection that hears its signals."""
        if self._bus is None:
            self._bus = bus = await _connect()
            self._end = asyncio.create_task(dbus.ended(bus))
            self._end.add_done_callback(lambda _: self._later(self._lose, bus))
            bus.add_message_handler(self._message)
            await dbus.add_match(bus, dbus.owner_rule(NOTIFICATIONS))
            await dbus.add_match(bus, f"type='signal',sender='{NOTIFICATIONS}',path='{PATH}'")
        server = await _server(self._bus)
        if self._server is None or self._server.owner != server.owner:
            self._shown.clear()
        self._server = server
        return self._bus, server

    async def _lose(self, bus: MessageBus) -> None:
        """The connection is at its end; `show` makes a new one."""
        if self._bus is bus:
            self._bus = self._server = None
            self._shown.clear()

    async def _owner_changed(self, old: str, new: str) -> None:
        if self._server is not None and self._server.owner != old:
            return  # known already: it was us who woke the new one
        self._server = None
        self._shown.clear()
        if new:
            await self._settle()

    async def _closed(self, sender: str, number: int) -> None:
        """A notice is gone from the screen."""
        if slot := self._slot(sender, number):
            self._drop(slot)

    async def _pressed(self, sender: str, number: int, action: str) -> None:
        slot = self._slot(sender, number)
        # A press on what stood here before may cross with the notice that replaced it.
        if slot and action in (button.action for button in self._shown[slot][0].buttons):
            self._drop(slot)
            self._tell(Pressed(slot, action))

    def _slot(self, sender: str, number: int) -> str | None:
        """The slot of a notice, if it is one of ours."""
        if self._server is not None and self._server.owner == sender:
            for slot, (_, ours) in self._shown.items():
                if ours == number:
                    return slot
        return None

    def _drop(self, slot: str) -> None:
        del self._shown[slot]
        self._standing.pop(slot, None)

    def _message(self, message: Message) -> None:
        if change := dbus.owner_change(message, NOTIFICATIONS):
            self._later(self._owner_changed, *change)
        elif message.interface == NOTIFICATIONS:
            match message.member, message.body:
                case "NotificationClosed", [int() as number, int()]:
                    self._later(self._closed, message.sender, number)
                case "ActionInvoked", [int() as number, str() as action]:
                    self._later(self._pressed, message.sender, number, action)
                case _:
                    pass


async def _connect() -> MessageBus:
    try:
        return await dbus.connect(dbus.Which.SESSION)
    except dbus.BusLost as error:
        raise NotifierError(NotifierReason.NO_SESSION_BUS, str(error)) from error


async def _server(bus: MessageBus) -> Server:
    try:
        capabilities = await _call(bus, NOTIFICATIONS, "GetCapabilities")
        information = await _call(bus, NOTIFICATIONS, "GetServerInformation")
    except (dbus.CallRefused, dbus.BusLost) as error:
        raise NotifierError(NotifierReason.NO_NOTIFIER, str(error)) from error
    return Server(
        owner=capabilities.sender or "",
        name=str(information.body[0]),
        capabilities=frozenset(capabilities.body[0]),
    )


async def _notify(bus: MessageBus, server: Server, notice: Notice, *, replaces: int) -> int:
    """Have `server` show a notice in place of number `replaces` (0: none); returns its number.

    Raises `CallRefused` or `BusLost`.
    """
    from dbus_fast import Variant

    critical = notice.urgency is Urgency.CRITICAL
    buttons = notice.buttons if "actions" in server.capabilities else ()
    body = notice.body
    if notice.without_buttons and (critical or not buttons):
        body = f"{body}\n{notice.without_buttons}"
    if "body-markup" in server.capabilities:
        body = html.escape(body, quote=False)
    # To this very notifier: for another one `replaces` may be somebody else's notice.
    reply = await _call(
        bus,
        server.owner,
        "Notify",
        "susssasa{sv}i",
        APP_NAME,
        replaces,
        "",  # no icon
        notice.summary,
        body,
        [word for button in buttons for word in (button.action, button.label)],
        {"urgency": Variant("y", notice.urgency)},
        NEVER_EXPIRES if critical else SERVER_DECIDES,
    )
    return int(reply.body[0])


async def _call(
    bus: MessageBus, destination: str, member: str, signature: str = "", *arguments: Any
) -> Message:
    return await dbus.call(bus, destination, PATH, NOTIFICATIONS, member, signature, *arguments)
