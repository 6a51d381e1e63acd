"""What stands on the desktop: one notice a slot, each of an event or of the waiting time.

Anybody who looks at the screen may read a notice: no code, no PIN, no account is in one.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from nearproof.daemon.backend.wire import Event, EventKind
from nearproof.daemon.desktop.notify import Button, Notice, Urgency
from nearproof.daemon.locale import Language, filled, marked
from nearproof.daemon.outcomes.kinds import Failure

COPY: Final = "copy"  # the slot of what is being copied: its newest notice replaces the others
CANCEL: Final = "cancel"

_CANCEL_COPY: Final = marked("Cancel the copy")
_WITHOUT_BUTTON: Final = marked("To cancel: nearproof old cancel")


class Kind(NamedTuple):
    """One kind of notice; `grave` stands until it is answered; `cancel` is what its button says.

    `passing`, as one with the button: it goes when nothing is under way any more.
    """

    slot: str
    title: str
    body: str
    grave: bool = False
    cancel: str = ""
    passing: bool = False


_EVENTS: Final = {
    EventKind.COPY_STARTED: Kind(
        COPY,
        marked("A copy has been ordered"),
        marked(
            "Somebody ordered a copy of your authenticator on “{label}”. If that was not you, "
            "cancel it."
        ),
        grave=True,
        cancel=_CANCEL_COPY,
    ),
    EventKind.ACTIVATION_STARTED: Kind(
        COPY,
        marked("A laptop is being activated"),
        marked(
            "Somebody uses an activation code for your account. If that was not you, cancel it."
        ),
        grave=True,
        cancel=marked("Cancel the activation"),
    ),
    EventKind.CANCELLED: Kind(
        COPY, marked("Copying was cancelled"), marked("Nothing is being copied any more.")
    ),
    EventKind.REFUSED: Kind(
        COPY,
        marked("Copying was stopped"),
        marked("Too many wrong codes were typed on the new laptop."),
    ),
    EventKind.ACTIVATED: Kind(
        EventKind.ACTIVATED,
        marked("A laptop is active"),
        marked(
            "“{label}” can now act for your account. If that was not you, revoke it: nearproof "
            "devices revoke"
        ),
        grave=True,
    ),
    EventKind.REVOKED: Kind(
        EventKind.REVOKED,
        marked("A laptop was revoked"),
        marked("“{label}” can no longer act for your account."),
        grave=True,
    ),
    EventKind.PIN_LOCKED: Kind(
        EventKind.PIN_LOCKED,
        marked("A PIN is locked"),
        marked("Wrong PINs were typed on “{label}”."),
    ),
    EventKind.DEVICE_DEAD: Kind(
        EventKind.DEVICE_DEAD,
        marked("A laptop is blocked for good"),
        marked("Nine wrong PINs were typed on “{label}”."),
        grave=True,
    ),
    EventKind.PHONE_CHANGED: Kind(
        EventKind.PHONE_CHANGED,
        marked("The phone number was changed"),
        marked("It counts after five days. If that was not you, call your provider."),
    ),
    EventKind.FRAUD_ALERT: Kind(
        EventKind.FRAUD_ALERT,
        marked("A wrong code was typed"),
        marked(
            "Somebody typed a wrong code on “{label}” while copying. If a code was read to you "
            "over the phone, it is fraud: cancel it."
        ),
        grave=True,
        cancel=_CANCEL_COPY,
    ),
}
_WAIT_OVER: Final = Kind(
    COPY,
    marked("The waiting time is over"),
    marked("Run nearproof old copy in a terminal: it shows the QR code."),
    grave=True,
    cancel=_CANCEL_COPY,
)
_ACTIVATION_READY: Final = Kind(
    COPY,
    marked("The waiting time is over"),
    marked("Run nearproof new activate in a terminal: it goes on with the code from the SMS."),
    grave=True,
    passing=True,
)
_ACTIVATION_ENDED: Final = Kind(
    COPY,
    marked("This laptop was not activated"),
    marked("Its activation is over: {detail}. To start again, ask for a new activation code."),
    grave=True,
)
_NOT_CANCELLED: Final = Kind(
    COPY, marked("Not cancelled"), "{why}", grave=True, cancel=marked("Try again")
)


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
        self._passing: set[str] = set()  # slots whose notice goes with what is under way

    def event(self, event: Event) -> None:
        """One event of the account."""
        if event.kind is EventKind.ACTIVATED:
            self._desk.withdraw(COPY)
        self._show(_EVENTS[event.kind], label=event.label)

    def wait_over(self) -> None:
        """The copy that was ordered here may go on."""
        self._show(_WAIT_OVER)

    def activation_ready(self) -> None:
        """The activation of this laptop may go on."""
        self._show(_ACTIVATION_READY)

    def activation_ended(self, how: str) -> None:
        """The activation of this laptop cannot go on; `how` in words, in English."""
        self._show(_ACTIVATION_ENDED, detail=how)

    def not_cancelled(self, failure: Failure) -> None:
        """The cancel button did not help; it stands there again."""
        self._show(_NOT_CANCELLED, why=failure.en if self._language == "en" else failure.da)

    def over(self) -> None:
        """Nothing is under way: no notice shall say so, and none have a button to cancel it."""
        for slot in self._passing:
            self._desk.withdraw(slot)
        self._passing.clear()

    def again(self) -> None:
        """Try again to show what could not be shown."""
        self._desk.again()

    def _show(self, kind: Kind, **fields: str) -> None:
        language = self._language
        if kind.cancel or kind.passing:
            self._passing.add(kind.slot)
        else:
            self._passing.discard(kind.slot)
        notice = Notice(
            filled(kind.title, language),
            filled(kind.body, language, **fields),
            (Button(CANCEL, filled(kind.cancel, language)),) if kind.cancel else (),
            filled(_WITHOUT_BUTTON, language) if kind.cancel else "",
            Urgency.CRITICAL if kind.grave else Urgency.NORMAL,
        )
        self._desk.show(kind.slot, notice)
