"""What stands on the desktop: one notice a slot, each of an event or of the waiting time."""

from __future__ import annotations

from typing import Final, Protocol

from nearproof.daemon.backend.wire import Event, EventKind
from nearproof.daemon.desktop.notify import Button, Notice, Urgency
from nearproof.daemon.outcomes.kinds import Failure
from nearproof.daemon.texts import Language, text

COPY: Final = "copy"  # the slot of what is being copied: its newest notice replaces the others
CANCEL: Final = "cancel"

_COPYING: Final = {
    EventKind.COPY_STARTED,
    EventKind.ACTIVATION_STARTED,
    EventKind.CANCELLED,
    EventKind.REFUSED,
}
_CANCELLABLE: Final = {
    EventKind.COPY_STARTED,
    EventKind.ACTIVATION_STARTED,
    EventKind.FRAUD_ALERT,
}
_GRAVE: Final = _CANCELLABLE | {EventKind.ACTIVATED, EventKind.REVOKED, EventKind.DEVICE_DEAD}


class Desk(Protocol):
    """What a `Notifier` does for us."""

    def show(self, slot: str, notice: Notice) -> None:
        """Show a notice in place of what `slot` shows."""

    def withdraw(self, slot: str) -> None:
        """Take the notice of `slot` away."""

    def again(self) -> None:
        """Try again if nothing could be shown."""


class Notices:
    """Puts events into words, in `language`."""

    def __init__(self, desk: Desk, language: Language) -> None:
        self._desk = desk
        self._language = language
        self._cancellable: set[str] = set()  # slots with a cancel button

    def event(self, event: Event) -> None:
        """One event of the account."""
        slot = COPY if event.kind in _COPYING else str(event.kind)
        if event.kind is EventKind.ACTIVATED:
            self._desk.withdraw(COPY)
        grave, cancel = event.kind in _GRAVE, event.kind in _CANCELLABLE
        self._show(slot, str(event.kind), grave=grave, cancel=cancel, label=event.label)

    def wait_over(self) -> None:
        """The copy that was ordered here may go on."""
        self._show(COPY, "wait_over", grave=True, cancel=True)

    def over(self) -> None:
        """Nothing is being copied: no button shall say that it can be cancelled."""
        for slot in self._cancellable:
            self._desk.withdraw(slot)
        self._cancellable.clear()

    def not_cancelled(self, failure: Failure) -> None:
        """The cancel button did not help; it stands there again."""
        why = failure.en if self._language == "en" else failure.da
        self._show(COPY, "not_cancelled", grave=True, cancel=True, why=why)

    def again(self) -> None:
        """Try again to show what could not be shown."""
        self._desk.again()

    def _show(self, slot: str, name: str, *, grave: bool, cancel: bool, **fields: str) -> None:
        (self._cancellable.add if cancel else self._cancellable.discard)(slot)
        button = Button(CANCEL, text("notice_button_cancel", self._language))
        self._desk.show(
            slot,
            Notice(
                text(f"notice_{name}", self._language),
                text(f"notice_{name}_body", self._language, **fields),
                (button,) if cancel else (),
                text("notice_without_buttons", self._language) if cancel else "",
                Urgency.CRITICAL if grave else Urgency.NORMAL,
            ),
        )
