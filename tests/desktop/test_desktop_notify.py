"""Notices stand on the desktop whenever it can show them, and never hold anything up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from bluez.private_bus import PrivateBus, private_bus
from bluez.record import Record
from desktop.fake_notifier import DISMISSED, EXPIRED, NAME, PATH, FakeNotifier
from desktop.fake_service import Fault
from nearproof.daemon.desktop.errors import NotifierError, NotifierReason
from nearproof.daemon.desktop.notify import (
    Button,
    Event,
    Notice,
    Notifier,
    Pressed,
    Shown,
    Unshown,
    Urgency,
    find_notifier,
)

WAITED = Notice(
    "The wait is over",
    "You can show the QR code now.",
    (Button("open", "Open"),),
    "Run: nearproof old copy",
)
FRAUD = Notice(
    "Somebody copies your ID",
    "Laptop <b>M&M</b> asked for it.",
    (Button("cancel", "Cancel the copy"),),
    "Run: nearproof old cancel",
    Urgency.CRITICAL,
)


@pytest.fixture
def told() -> Record[Event]:
    """What the notifier has told."""
    return Record()


@pytest.fixture
async def notifier(bus: PrivateBus, told: Record[Event]) -> AsyncIterator[Notifier]:
    notifier = Notifier(told.note)
    yield notifier
    await notifier.close()


def unshown(told: Record[Event]) -> list[NotifierReason]:
    return [event.reason for event in told.entries if isinstance(event, Unshown)]


async def test_a_notice_is_shown(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """Summary, body, button; an ordinary notice may expire as the desktop likes."""
    notifier.show("copy", WAITED)
    await told.has(Shown("copy"))
    popup = screen.only()
    assert (popup.app, popup.summary, popup.body) == ("nearproof", WAITED.summary, WAITED.body)
    assert popup.actions == ["open", "Open"]
    assert (popup.hints["urgency"].value, popup.expire) == (1, -1)


async def test_a_warning_does_not_expire_and_always_says_what_to_type(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """Critical, without a time limit; some notifiers take buttons and draw none."""
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    popup = screen.only()
    assert (popup.hints["urgency"].value, popup.expire) == (2, 0)
    assert popup.actions == ["cancel", "Cancel the copy"]
    assert popup.body.endswith("\nRun: nearproof old cancel")


async def test_text_is_not_markup(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """What another laptop calls itself cannot draw bold letters or links here."""
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    assert screen.only().body.startswith("Laptop &lt;b&gt;M&amp;M&lt;/b&gt; asked")


async def test_without_buttons_the_text_says_what_to_type(
    bus: PrivateBus, notifier: Notifier, told: Record[Event]
) -> None:
    """A plain notifier gets the command, no actions, and the text as it is."""
    screen = FakeNotifier(bus.address, capabilities=("body",))
    await screen.start()
    notifier.show("copy", WAITED)
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    copy, warning = screen.popups.values()
    assert copy.body == f"{WAITED.body}\n{WAITED.without_buttons}"
    assert copy.actions == warning.actions == []
    assert "<b>M&M</b>" in warning.body
    await screen.stop()


async def test_a_new_notice_takes_the_place_of_the_old(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """One slot is one popup; slots do not disturb each other; nothing new is nothing to do."""
    notifier.show("copy", WAITED)
    notifier.show("warning", FRAUD)
    notifier.show("copy", Notice("Cancelled", "Nothing was copied."))
    notifier.show("warning", FRAUD)
    await told.has(Shown("copy"), times=2)
    assert [popup.summary for popup in screen.popups.values()] == ["Cancelled", FRAUD.summary]
    assert screen.calls.entries.count("Notify") == 3


async def test_a_pressed_button_is_told(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """With its slot; the notice is gone then, whether or not the notifier closes it."""
    for close in (True, False):
        notifier.show("warning", FRAUD)
        await told.has(Shown("warning"), times=2 - close)
        screen.press("cancel", close=close)
        await told.has(Pressed("warning", "cancel"), times=2 - close)
    assert told.entries.count(Pressed("warning", "cancel")) == 2


async def test_a_button_pressed_at_once_is_not_missed(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """The signal may come together with the number that it names."""
    screen.press_at_once = "cancel"
    notifier.show("warning", FRAUD)
    await told.has(Pressed("warning", "cancel"))
    assert told.entries == [Shown("warning"), Pressed("warning", "cancel")]


async def test_buttons_of_others_are_not_ours(
    bus: PrivateBus, screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """Another program's notice, and a program that plays the notifier."""
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    ((number, popup),) = screen.popups.items()
    screen.signal(PATH, NAME, "ActionInvoked", "us", number + 1, "cancel")
    screen.signal(PATH, NAME, "ActionInvoked", "us", number, "of another notice")
    stranger = await MessageBus(bus_address=bus.address).connect()
    await stranger.send(
        Message(
            destination=popup.client,
            path=PATH,
            interface=NAME,
            member="ActionInvoked",
            message_type=MessageType.SIGNAL,
            signature="us",
            body=[number, "cancel"],
        )
    )
    await stranger.call(Message(popup.client, "/", "org.freedesktop.DBus.Peer", "Ping"))
    stranger.disconnect()
    await stranger.wait_for_disconnect()  # type: ignore[no-untyped-call]
    notifier.show("copy", WAITED)
    await told.has(Shown("copy"))
    assert told.entries == [Shown("warning"), Shown("copy")]


async def test_a_withdrawn_notice_is_closed(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """And may be shown anew."""
    notifier.show("copy", WAITED)
    notifier.withdraw("copy")
    notifier.withdraw("copy")
    notifier.withdraw("never shown")
    await screen.calls.has("CloseNotification")
    await screen.calls.until(lambda: not screen.popups)
    notifier.show("copy", WAITED)
    await told.has(Shown("copy"), times=2)
    assert screen.calls.entries.count("CloseNotification") == 1


@pytest.mark.parametrize("why", [EXPIRED, DISMISSED])
async def test_a_notice_that_went_by_itself_is_forgotten(
    bus: PrivateBus, screen: FakeNotifier, notifier: Notifier, told: Record[Event], why: int
) -> None:
    """It has been seen: nothing to withdraw, and nothing to show again after a restart."""
    notifier.show("copy", WAITED)
    await told.has(Shown("copy"))
    screen.close(next(iter(screen.popups)), why)
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    await screen.stop()
    again = FakeNotifier(bus.address)
    await again.start()
    await told.has(Shown("warning"), times=2)
    assert again.only().summary == FRAUD.summary
    await again.stop()


async def test_a_notifier_that_restarts_shows_all_that_stands(
    bus: PrivateBus, screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """A crashed desktop shell does not swallow a warning, and the buttons work again."""
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    await screen.stop()
    again = FakeNotifier(bus.address, first=7)
    await again.start()
    await told.has(Shown("warning"), times=2)
    assert list(again.popups) == [7], "the number of another notifier was used"
    again.press("cancel")
    await told.has(Pressed("warning", "cancel"))
    await again.stop()


async def test_a_notifier_that_is_replaced_while_it_is_asked(
    bus: PrivateBus, screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """The numbers of the old one mean nothing to the new one, and nothing is shown there twice."""
    notifier.show("copy", WAITED)
    await told.has(Shown("copy"))
    go_on = asyncio.Event()

    async def judge(_member: str) -> None:
        await go_on.wait()

    screen.judge = judge
    notifier.show("warning", FRAUD)
    await screen.calls.has("GetCapabilities", times=2)
    notifier.show("copy", Notice("Cancelled", "Nothing was copied."))
    await screen.retire()
    again = FakeNotifier(bus.address, first=7)
    await again.start()
    go_on.set()
    await told.has(Shown("copy"), times=2)
    notifier.show("last", WAITED)
    await told.has(Shown("last"))
    assert {number: popup.summary for number, popup in again.popups.items()} == {
        7: "Cancelled",
        8: FRAUD.summary,
        9: WAITED.summary,
    }
    assert again.calls.entries.count("Notify") == 3
    await again.stop()


async def test_a_notice_withdrawn_in_the_dark_is_never_shown(
    bus: PrivateBus, notifier: Notifier, told: Record[Event]
) -> None:
    """The wait was over before there was a desktop; then it does not matter any more."""
    notifier.show("copy", WAITED)
    await told.until(lambda: bool(unshown(told)))
    notifier.withdraw("copy")
    screen = FakeNotifier(bus.address)
    await screen.start()
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    assert screen.only().summary == FRAUD.summary
    await screen.stop()


async def test_without_a_notifier_it_is_told_once_and_shown_later(
    bus: PrivateBus, notifier: Notifier, told: Record[Event]
) -> None:
    """The daemon may start before the desktop."""
    notifier.show("copy", WAITED)
    notifier.show("warning", FRAUD)
    await told.until(lambda: bool(unshown(told)))
    screen = FakeNotifier(bus.address)
    await screen.start()
    await told.has(Shown("copy"))
    await told.has(Shown("warning"))
    assert unshown(told) == [NotifierReason.NO_NOTIFIER]
    await screen.stop()


async def test_without_a_session_bus_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Record[Event]
) -> None:
    """A server's console has none; a bus that comes later is used by the next notice."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    notifier = Notifier(told.note)
    notifier.show("copy", WAITED)
    notifier.withdraw("never shown")
    await told.until(lambda: unshown(told) == [NotifierReason.NO_SESSION_BUS])
    async with private_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        screen = FakeNotifier(bus.address)
        await screen.start()
        notifier.show("warning", FRAUD)
        await told.has(Shown("warning"))
        assert len(screen.popups) == 2
        await notifier.close()
        await screen.stop()


async def test_the_bus_of_systemd_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, screen: FakeNotifier, bus: PrivateBus
) -> None:
    """Where nobody told the address, the user's own bus is where systemd puts it."""
    path = bus.address.partition("path=")[2].partition(",")[0]
    (tmp_path / "bus").symlink_to(path)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert (await find_notifier()).name == "fake"


async def test_the_session_bus_dies(
    bus: PrivateBus,
    screen: FakeNotifier,
    notifier: Notifier,
    told: Record[Event],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The next notice tries a new connection and brings along all that stands."""
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    await bus.kill()
    notifier.show("copy", WAITED)
    await told.until(lambda: len(unshown(told)) == 1)
    other = tmp_path / "other"
    other.mkdir()
    async with private_bus(other) as second:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", second.address)
        again = FakeNotifier(second.address)
        await again.start()
        notifier.show("copy", Notice("Cancelled", "Nothing was copied."))
        await told.has(Shown("copy"))
        assert [p.summary for p in again.popups.values()] == [FRAUD.summary, "Cancelled"]
        await notifier.close()
        await again.stop()


async def test_a_refused_notice_does_not_stand_in_the_way(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """A notifier may be fed up with one; the next is shown."""
    refusals = [Fault(f"{NAME}.Error.ExcessNotificationGeneration")]

    async def judge(member: str) -> None:
        if member == "Notify" and refusals:
            raise refusals.pop()

    screen.judge = judge
    notifier.show("copy", WAITED)
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    assert unshown(told) == [NotifierReason.NOTICE_REFUSED]
    assert screen.only().summary == FRAUD.summary


async def test_closing_leaves_the_notices(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """A daemon that is updated takes no warning from the screen; closing twice is closing."""
    notifier.show("warning", FRAUD)
    await told.has(Shown("warning"))
    await notifier.close()
    await notifier.close()
    assert screen.only().summary == FRAUD.summary


async def test_closed_while_the_notifier_hangs(
    screen: FakeNotifier, notifier: Notifier, told: Record[Event]
) -> None:
    """Nobody waits for a desktop that does not answer."""

    async def judge(_member: str) -> None:
        await asyncio.Event().wait()

    screen.judge = judge
    notifier.show("copy", WAITED)
    await screen.calls.has("GetCapabilities")
    await notifier.close()
    assert told.entries == []


async def test_the_doctor_may_ask_for_the_notifier(screen: FakeNotifier) -> None:
    """Who it is and what it can do, without showing anything."""
    found = await find_notifier()
    assert found.name == "fake"
    assert "actions" in found.capabilities
    assert screen.popups == {}


async def test_the_doctor_hears_why_there_is_none(
    bus: PrivateBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No notifier, and no bus, are told apart."""
    with pytest.raises(NotifierError) as caught:
        await find_notifier()
    assert caught.value.reason is NotifierReason.NO_NOTIFIER
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
    with pytest.raises(NotifierError) as caught:
        await find_notifier()
    assert caught.value.reason is NotifierReason.NO_SESSION_BUS
