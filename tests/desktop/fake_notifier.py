"""An org.freedesktop.Notifications for tests, after the Desktop Notifications Specification 1.2."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from dbus_fast import Variant

from desktop.fake_service import FakeService, Fault, Method

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"

EXPIRED, DISMISSED, CLOSED = 1, 2, 3


@dataclass
class Popup:
    """A notification on the screen."""

    client: str
    app: str
    summary: str
    body: str
    actions: list[str]
    hints: dict[str, Variant]
    expire: int


class FakeNotifier(FakeService):
    """Numbers its popups from `first`."""

    name = NAME

    def __init__(
        self,
        address: str,
        capabilities: tuple[str, ...] = ("body", "body-markup", "actions", "persistence"),
        first: int = 1,
    ) -> None:
        super().__init__(address)
        self.capabilities = list(capabilities)
        self.popups: dict[int, Popup] = {}
        self._next = first
        self.press_at_once: str | None = None
        self.news = asyncio.Event()  # another popup, or one less

    def methods(self, path: str, interface: str) -> dict[str, Method]:
        if (path, interface) != (PATH, NAME):
            return {}
        return {
            "GetCapabilities": ("", "as", self._get_capabilities),
            "GetServerInformation": ("", "ssss", self._get_server_information),
            "Notify": ("susssasa{sv}i", "u", self._notify),
            "CloseNotification": ("u", "", self._close_notification),
        }

    async def retire(self) -> None:
        """Give up the name, but live on."""
        await self.bus.release_name(NAME)

    def only(self) -> Popup:
        """The one popup that there is."""
        (popup,) = self.popups.values()
        return popup

    def press(self, action: str, *, close: bool = True) -> None:
        """The person presses a button of the only popup; most notifiers close it then."""
        ((number, popup),) = self.popups.items()
        self.signal(PATH, NAME, "ActionInvoked", "us", number, action, to=popup.client)
        if close:
            self.close(number, DISMISSED)

    def dismiss(self) -> None:
        """The person closes the only popup."""
        self.close(next(iter(self.popups)), DISMISSED)

    def close(self, number: int, reason: int) -> None:
        popup = self.popups.pop(number)
        self.news.set()
        self.signal(PATH, NAME, "NotificationClosed", "uu", number, reason, to=popup.client)

    def after(self, member: str) -> None:
        if member == "Notify" and self.press_at_once is not None:
            self.press(self.press_at_once)

    async def _get_capabilities(self, _client: str) -> list[Any]:
        return [self.capabilities]

    async def _get_server_information(self, _client: str) -> list[Any]:
        return ["fake", "nobody", "1.0", "1.2"]

    async def _notify(
        self,
        client: str,
        app: str,
        replaces: int,
        _icon: str,
        summary: str,
        body: str,
        actions: list[str],
        hints: dict[str, Variant],
        expire: int,
    ) -> list[Any]:
        number = replaces
        if not number:
            number, self._next = self._next, self._next + 1
        self.popups[number] = Popup(client, app, summary, body, actions, hints, expire)
        self.news.set()
        return [number]

    async def _close_notification(self, _client: str, number: int) -> list[Any]:
        if number not in self.popups:
            raise Fault("org.freedesktop.DBus.Error.InvalidArgs", "no such notification")
        self.close(number, CLOSED)
        return []
