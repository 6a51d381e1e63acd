"""The steps of each command as the view names them, and the events that end them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nearproof.daemon.locale import Language, filled, marked


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the view; `done_by` are the events after which it, and all before it, is done."""

    number: str
    english: str
    done_by: frozenset[str]

    def name(self, language: Language) -> str:
        """What it is called."""
        return filled(self.english, language)


def _step(number: str, english: str, *done_by: str) -> Step:
    return Step(number, english, frozenset(done_by))


_ACTIVE: Final = (
    _step("21", marked("Code from the SMS"), "sms_code_right"),
    _step("22-23", marked("Choose a PIN"), "pin_set"),
    _step("24-25", marked("Fingerprint, notifications"), "notifications_chosen"),
    _step("26", marked("Active"), "activated"),
)

PLANS: Final[dict[str, tuple[Step, ...]]] = {
    "old": (
        _step("a-c", marked("Check this laptop"), "fit", "copy_found"),
        _step("1-6", marked("Order the copy"), "copy_ordered"),
        _step("7", marked("Waiting time"), "wait_over"),
        _step("8-9", marked("Type the PIN"), "grant_issued"),
        _step("10-11", marked("Bluetooth"), "bluetooth_ready"),
        _step("12", marked("Show the QR code"), "bound"),
        _step("19", marked("Code of the new laptop"), "proof_made"),
        _step("19", marked("Hand over the proof"), "delivered"),
    ),
    "new": (
        _step("13-16", marked("QR code is shown there")),
        _step("17-18", marked("Bluetooth and camera"), "bluetooth_ready"),
        _step("19", marked("Scan the QR code"), "qr_scanned"),
        _step("19", marked("Find the old laptop"), "old_answered"),
        _step("19", marked("Code for the old laptop"), "proof_received", "proof_found"),
        _step("19", marked("Hand in the proof"), "accepted"),
        _step("20", marked("User ID"), "user_named", "sms_sent"),
        *_ACTIVE,
    ),
    "activate": (_step("", marked("Activation code"), "sms_sent"), *_ACTIVE),
}

COUNTDOWNS: Final = {
    "waiting": marked("Waiting time left"),
    "qr_shown": marked("QR code valid for"),
    "code_wanted": marked("Time left to type the code"),
    "code": marked("Code valid for"),
    "sms_sent": marked("SMS code valid for"),
}
"""The events whose `seconds` run down until their step is done."""

PINNED: Final = frozenset({"code", "code_hidden", "code_wanted", "qr_next", "scanning", "sms_sent"})
"""What must stay in sight until its step is done."""

INSTEAD: Final = {"waiting": marked("You may close this; run the same command again later.")}
"""Pinned in place of a sentence that grows old while the countdown runs."""

ALOUD: Final = frozenset(
    {"copy_information", "new_information", "unfit", "slot_taken", "screen_x11"}
    | {"screen_no_pipewire", "terminal_too_small"}
)
"""What is said above the view and stays there: long, or to be copied."""
