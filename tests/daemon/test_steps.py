"""The steps around the proof: information, checks, consent, finger, user ID, SMS, PIN, choices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from dbus_fast import Variant

from backend.world import NO_WAIT, PHONE, start_backend
from bluez.fake_bluez import FakeBluez
from bluez.private_bus import PrivateBus, private_bus
from daemon.desk import Desk, Side, honest
from desktop.fake_fprintd import FakeFprintd
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon import choices, new
from nearproof.daemon.backend.admin import invite
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.wire import ServiceCode
from nearproof.daemon.desktop.errors import FingerprintError, FingerprintReason
from nearproof.daemon.laptop import Declined, NotReady, Unready
from nearproof.daemon.outcomes import report
from nearproof.daemon.outcomes.kinds import Exit
from nearproof.daemon.provider import Provider, ProviderError, ProviderReason

YES = [("verify-match", True)]
NO = [("verify-no-match", True)]


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PrivateBus]:
    """An empty bus as the machine's and the session's."""
    async with private_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        yield bus


@pytest.fixture
async def bluez(bus: PrivateBus) -> AsyncIterator[FakeBluez]:
    """bluetoothd with one adapter."""
    fake = FakeBluez()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def fprintd(bus: PrivateBus) -> AsyncIterator[FakeFprintd]:
    """fprintd with a reader that knows one finger of this user."""
    fake = FakeFprintd(bus.address)
    fake.plug_in("right-index-finger")
    await fake.start()
    yield fake
    await fake.stop()


async def ordered(desk: Desk, side: Side) -> bool:
    """Whether a copy of the account's is under way."""
    key = DeviceKey.from_seed(side.laptop.device().seed)
    async with Provider(desk.backend.joined, key) as provider:
        return bool((await provider.device()).ceremony)


def with_policy(desk: Desk, policy: BackendPolicy) -> None:
    """The same backend with other limits."""
    desk.backend.kill()
    desk.backend = start_backend(desk.folder / "backend", policy, desk.backend.port)


def by_bluez(side: Side) -> Side:
    """The same laptop with a radio of its own."""
    settings = msgspec.structs.replace(side.laptop.settings, radio="bluez:hci0")
    side.laptop = type(side.laptop)(side.laptop.home, settings, side.laptop.console)
    return side


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# -- OLD: a to c, 1 to 6 ----------------------------------------------------------------------


async def test_what_will_happen_is_said_before_anything_is_asked(desk: Desk) -> None:
    """Steps 1-6 in the page's order: information, get started, PIN, consent, ordered."""
    side = await desk.old()
    showing = desk.shows(side)
    await side.out.until("qr_shown")
    told = [event["event"] for event in side.out.events if event["event"] != "asked"]
    begin = told.index("fit")
    assert told[begin : begin + 3] == ["fit", "copy_information", "copy_ordered"]
    assert side.out.asked()[-4:] == [("4", "start"), ("5", "pin"), ("6", "consent"), ("9", "pin")]
    await stopped(showing)


@pytest.mark.parametrize("what", ["start", "consent"])
async def test_a_no_orders_nothing(desk: Desk, what: str) -> None:
    """Not to the information, and not to "Yes, I want to copy"."""
    side = await desk.old()
    side.first[what] = ["no"]
    with pytest.raises(Declined):
        await desk.shows(side)
    assert not await ordered(desk, side)


async def test_a_laptop_without_bluetooth_orders_nothing(desk: Desk, bus: PrivateBus) -> None:
    """Step c: each failed check is told with its fix; no PIN was asked for, no hour begun."""
    side = by_bluez(await desk.old())
    with pytest.raises(NotReady) as refused:
        await desk.shows(side)
    assert (refused.value.reason, refused.value.detail) == (Unready.BLUETOOTH, "bt.service")
    (check,) = [event for event in side.out.events if event["event"] == "unfit"]
    assert (check["step"], check["fix"]) == ("c", "sudo systemctl enable --now bluetooth")
    assert not await ordered(desk, side)
    assert report(side.laptop.console, refused.value) == Exit.BLUETOOTH


@pytest.mark.parametrize("answer", ["yes", "no"])
async def test_bluetooth_is_switched_on_if_the_person_wants_it(
    desk: Desk, bluez: FakeBluez, answer: str
) -> None:
    """The adapter is off: the copy goes on with a yes, and ends with a no and the fix."""
    bluez.change("/org/bluez/hci0", "org.bluez.Adapter1", Powered=Variant("b", False))
    side = by_bluez(await desk.old())
    side.first["power_on"] = [answer]
    showing = desk.shows(side)
    if answer == "yes":
        await side.out.until("copy_ordered")
        assert bluez.setting("Powered")
        await stopped(showing)
    else:
        with pytest.raises(NotReady):
            await showing
        assert not await ordered(desk, side)


async def test_three_laptops_are_refused_before_the_hour(desk: Desk) -> None:
    """Step b: no PIN is asked for, and each of them is told with the command that revokes it."""
    side = await desk.old()
    for name in ("second", "third"):
        await honest(desk, await desk.old(), desk.side(name))
    again = await desk.old()
    with pytest.raises(ProviderError) as refused:
        await desk.shows(again)
    assert refused.value.code == ServiceCode.NO_SLOT
    assert again.out.asked() == []
    assert report(again.laptop.console, refused.value) == Exit.THREE_DEVICES
    taken = [event for event in again.out.events if event["event"] == "slot_taken"]
    assert [event["label"] for event in taken] == ["old", "second", "third"]
    kid = DeviceKey.from_seed(side.laptop.device().seed).kid.hex()
    assert taken[0]["kid"] == kid


async def test_a_laptop_may_not_copy_on_its_first_day(desk: Desk) -> None:
    """z: the newcomer's day is refused by name, with what is left of it."""
    with_policy(desk, BackendPolicy(wait=0, newcomer=86_400))
    await honest(desk, await desk.old(), desk.side("second"))
    with pytest.raises(ProviderError) as refused:
        await desk.shows(desk.side("second"))
    assert refused.value.code == ServiceCode.TOO_NEW
    assert 86_000 < refused.value.seconds <= 86_400


# -- the finger: 5, 9, 24 ---------------------------------------------------------------------


async def test_a_finger_orders_a_copy_and_shows_no_qr_code(
    desk: Desk, fprintd: FakeFprintd
) -> None:
    """Chosen at step 24, it stands for the PIN at step 5, and never at step 9."""
    side = desk.side("old")
    side.first["fingerprint"] = ["yes"]
    fprintd.scans = [YES, YES]
    await new.activate(side.laptop, invite(desk.folder / "backend", "anna", NO_WAIT, phone=PHONE))
    assert side.laptop.device().fingerprint
    again = desk.side("old")
    showing = desk.shows(again)
    await again.out.until("qr_shown")
    assert again.out.asked() == [("4", "start"), ("6", "consent"), ("9", "pin")]
    assert again.out.told("finger_known")
    await stopped(showing)


async def test_a_strange_finger_leaves_the_pin(desk: Desk, fprintd: FakeFprintd) -> None:
    """Three fingers that do not match, then the PIN as ever."""
    side = desk.side("old")
    side.first["fingerprint"] = ["yes"]
    fprintd.scans = [YES, NO, NO, NO]
    await new.activate(side.laptop, invite(desk.folder / "backend", "anna", NO_WAIT, phone=PHONE))
    again = desk.side("old")
    showing = desk.shows(again)
    await again.out.until("copy_ordered")
    assert ("5", "pin") in again.out.asked()
    await stopped(showing)


async def test_a_reader_that_is_gone_says_so_and_leaves_the_pin(
    desk: Desk, fprintd: FakeFprintd
) -> None:
    """The choice stays; the reason is told in words, with what to do instead."""
    side = desk.side("old")
    side.first["fingerprint"] = ["yes"]
    fprintd.scans = [YES]
    await new.activate(side.laptop, invite(desk.folder / "backend", "anna", NO_WAIT, phone=PHONE))
    fprintd.unplug()
    again = desk.side("old")
    showing = desk.shows(again)
    why = await again.out.until("no_finger")
    assert why["step"] == "5" and "Use your PIN instead." in why["why"]
    await again.out.until("copy_ordered")
    await stopped(showing)


@pytest.mark.parametrize(
    ("answers", "fingerprint", "notifications"),
    [({}, False, True), ({"notifications": ["no"]}, False, False)],
)
async def test_nothing_is_chosen_but_by_a_yes(
    desk: Desk, answers: dict[str, list[str]], fingerprint: bool, notifications: bool
) -> None:
    """Steps 24-25; without a reader the first is not even asked for."""
    side = desk.side("old")
    side.first.update(answers)
    await new.activate(side.laptop, invite(desk.folder / "backend", "anna", NO_WAIT, phone=PHONE))
    device = side.laptop.device()
    assert (device.fingerprint, device.notifications) == (fingerprint, notifications)
    assert side.out.told("no_reader")
    assert ("24", "fingerprint") not in side.out.asked()


async def test_a_finger_may_be_chosen_later(desk: Desk, fprintd: FakeFprintd) -> None:
    """Only after the reader has confirmed it; taking it back needs no finger."""
    side = await desk.old()
    fprintd.scans = [NO, NO, NO, YES]
    with pytest.raises(FingerprintError) as refused:
        await choices.choose(side.laptop, fingerprint=True)
    assert refused.value.reason is FingerprintReason.NO_MATCH
    assert not side.laptop.device().fingerprint
    await choices.choose(side.laptop, fingerprint=True)
    assert side.laptop.device().fingerprint
    asked_again = desk.side("old")
    asked_again.first.update({"fingerprint": [""], "notifications": [""]})
    await choices.choose(asked_again.laptop)
    assert side.laptop.device().fingerprint  # as it was, by an empty line
    await choices.choose(side.laptop, fingerprint=False)
    assert not side.laptop.device().fingerprint


# -- NEW: 13 to 23 ----------------------------------------------------------------------------


async def test_new_waits_for_the_tick_before_it_opens_the_camera(desk: Desk) -> None:
    """Step 16: a no ends it, and nothing was scanned."""
    side = desk.side("new")
    side.first["qr_is_shown"] = ["no"]
    with pytest.raises(Declined):
        await desk.scans(side)
    assert [event["event"] for event in side.out.events] == ["new_information", "asked"]


async def test_a_wrong_user_id_is_corrected_at_the_sms(desk: Desk) -> None:
    """Steps 20-21: it gets the identical words and no SMS; "id" names another."""
    old_side, side = await desk.old(), desk.side("new")
    side.first.update({"user": ["two words", "mallory"], "sms_code": ["id"]})
    showing, scanning = desk.shows(old_side), desk.scans(side, user=None)
    old_side.type((await side.out.until("code"))["code"])
    await asyncio.gather(showing, scanning)
    named = [event for event in side.out.events if event["event"] == "user_named"]
    assert [event["account"] for event in named] == ["mallory", "anna"]
    assert [event["names_left"] for event in named] == [2, 1]
    assert side.out.told("user_malformed")
    assert side.laptop.device().account == "anna"


async def test_wrong_sms_codes_are_counted_in_words(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 21: what is no code costs nothing, three wrong ones void it, and the next is sent."""
    with_policy(desk, BackendPolicy(wait=0, newcomer=0, resend_after=3600))
    side = desk.side("old")
    knows, lines = side.person.answer, ["12 34", "", "000000", "000000", "000000"]

    async def answer(what: str) -> str | None:
        if what != "sms_code" or not lines:
            return await knows(what)
        if not side.person.seen:
            await knows(what)  # a code that is void before it was handed over never comes
            side.person.seen = 1
        return lines.pop(0)

    monkeypatch.setattr(side.person, "answer", answer)
    await new.activate(side.laptop, invite(desk.folder / "backend", "anna", NO_WAIT, phone=PHONE))
    told = [event["event"] for event in side.out.events if event["event"].startswith("sms_")]
    assert told == [
        "sms_sent",
        "sms_code_malformed",
        "sms_too_soon",
        "sms_code_wrong",
        "sms_code_wrong",
        "sms_code_wrong",
        "sms_sent",
        "sms_code_right",
    ]
    wrong = [event["tries_left"] for event in side.out.events if event["event"] == "sms_code_wrong"]
    assert wrong == [2, 1, 0]
    assert side.laptop.device().account == "anna"


async def test_pins_are_asked_for_until_two_good_ones_agree(desk: Desk) -> None:
    """Steps 22-23: five digits, an easy one, two that differ; then the PIN."""
    side = desk.side("old")
    side.first.update(
        {"new_pin": ["12345", "123456", "839274"], "new_pin_again": ["839275"]},
    )
    await new.activate(side.laptop, invite(desk.folder / "backend", "anna", NO_WAIT, phone=PHONE))
    told = [event["event"] for event in side.out.events]
    assert [name for name in told if name.startswith("pin")] == [
        "pin_malformed",
        "pin_too_easy",
        "pins_differ",
        "pin_set",
    ]
    assert side.out.asked()[-1] == ("25", "notifications")


async def test_a_wrong_pin_says_how_many_tries_are_left(desk: Desk) -> None:
    """Step 5: asked again while there are; the third wrong one is locked for hours, in words."""
    side = await desk.old()
    side.first["pin"] = ["111222", "111333", "111444"]
    with pytest.raises(ProviderError) as locked:
        await desk.shows(side)
    left = [event["tries_left"] for event in side.out.events if event["event"] == "wrong_pin"]
    assert left == [2, 1]
    assert report(side.laptop.console, locked.value) == Exit.LOCKED
    assert "3 hours" in side.out.events[-1]["text"]


async def test_a_backend_of_another_version_is_refused_by_name(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step a: what to update is said, and nothing is ordered."""
    side = await desk.old()
    monkeypatch.setattr("nearproof.daemon.backend.wire.API_VERSION", 2)
    with pytest.raises(ProviderError) as refused:
        await desk.shows(side)
    assert refused.value.reason is ProviderReason.OTHER_VERSION
    report(side.laptop.console, refused.value)
    assert "Update nearproof" in side.out.events[-1]["text"]
