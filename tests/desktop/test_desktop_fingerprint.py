"""The fingerprint reader: a yes, a no, or a named reason why there is neither."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from bluez.private_bus import PrivateBus
from bluez.record import Record
from desktop.fake_fprintd import DEVICE, DEVICE_PATH, FakeFprintd, FakeReader, fault
from desktop.fake_service import Fault
from nearproof.daemon.desktop.errors import FingerprintError, FingerprintReason
from nearproof.daemon.desktop.fingerprint import Hint, find_reader, verify

YES = [("verify-match", True)]
NO = [("verify-no-match", True)]


@pytest.fixture
def hints() -> Record[Hint]:
    """What the person has been told."""
    return Record()


@pytest.fixture
def reader(fprintd: FakeFprintd) -> FakeReader:
    """A reader that knows one finger of this user."""
    return fprintd.plug_in("right-index-finger")


def refuse(member: str, fault: Fault) -> Callable[[str], Awaitable[None]]:
    """A script that makes one method fail."""

    async def judge(called: str) -> None:
        if called == member:
            raise fault

    return judge


async def reason_of(answer: Awaitable[object]) -> FingerprintReason:
    with pytest.raises(FingerprintError) as caught:
        await answer
    return caught.value.reason


async def test_an_enrolled_finger_is_a_yes(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """The reader is claimed, scans, is stopped and is free again."""
    fprintd.scans = [YES]
    assert await verify(hints.note) is True
    assert hints.entries == [Hint.TOUCH]
    assert fprintd.calls.entries[-4:] == ["Claim", "VerifyStart", "VerifyStop", "Release"]
    assert reader.claimed_by is None


async def test_a_wrong_finger_has_three_tries(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """No is an answer, not an error; each try is a scan of its own."""
    fprintd.scans = [NO, NO, NO, YES]
    assert await verify(hints.note) is False
    assert hints.entries == [Hint.TOUCH, Hint.NO_MATCH, Hint.NO_MATCH, Hint.NO_MATCH]
    assert fprintd.calls.entries.count("VerifyStart") == 3
    assert reader.claimed_by is None


async def test_a_later_try_may_match(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """One wrong finger does not spoil the next."""
    fprintd.scans = [NO, YES]
    assert await verify(hints.note) is True
    assert hints.entries == [Hint.TOUCH, Hint.NO_MATCH]


async def test_a_bad_scan_costs_no_try(fprintd: FakeFprintd, hints: Record[Hint]) -> None:
    """fprintd goes on scanning by itself; the person hears what was wrong each time."""
    fprintd.plug_in("left-thumb", scan_type="swipe")
    fprintd.scans = [
        [
            ("verify-retry-scan", False),
            ("verify-swipe-too-short", False),
            ("verify-finger-not-centered", False),
            ("verify-remove-and-retry", False),
            ("verify-too-fast", False),  # of fprintd 1.94.4, which has grown words before
            *YES,
        ]
    ]
    assert await verify(hints.note, tries=1) is True
    assert hints.entries == [
        Hint.SWIPE,
        Hint.AGAIN,
        Hint.TOO_SHORT,
        Hint.NOT_CENTERED,
        Hint.LIFT,
        Hint.AGAIN,
    ]
    assert fprintd.calls.entries.count("VerifyStart") == 1


async def test_a_match_that_is_not_final_is_no_yes(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """Only fprintd's last word on a scan counts."""
    fprintd.scans = [[("verify-match", False), *NO]]
    assert await verify(hints.note, tries=1) is False


async def test_a_forged_match_is_not_believed(
    bus: PrivateBus, fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """The system bus lets every user send signals to us; only those of fprintd itself count."""
    verifying = asyncio.create_task(verify(hints.note, tries=1))
    await fprintd.calls.has("VerifyStart")
    stranger = await MessageBus(bus_address=bus.address).connect()
    await stranger.send(
        Message(
            destination=reader.claimed_by,
            path=f"{DEVICE_PATH}/0",
            interface=DEVICE,
            member="VerifyStatus",
            message_type=MessageType.SIGNAL,
            signature="sb",
            body=["verify-match", True],
        )
    )
    await ping(stranger, reader.claimed_by)
    fprintd.says("verify-no-match", True)
    assert await verifying is False
    stranger.disconnect()
    await stranger.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def ping(bus: MessageBus, destination: str | None) -> None:
    """Returns when `destination` has handled all that was sent to it before."""
    await bus.call(Message(destination, "/", "org.freedesktop.DBus.Peer", "Ping"))


async def test_a_match_on_another_reader_is_not_ours(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """fprintd tells everybody of every reader; somebody else may stand at the other one."""
    fprintd.plug_in("left-thumb")
    verifying = asyncio.create_task(verify(hints.note, tries=1))
    await fprintd.calls.until(lambda: reader.scanning)
    fprintd.says("verify-match", True, number=1)
    fprintd.says("verify-no-match", True)
    assert await verifying is False


async def test_the_reader_with_a_finger_is_chosen(
    fprintd: FakeFprintd, hints: Record[Hint]
) -> None:
    """A reader that knows nobody is passed over."""
    fprintd.plug_in()
    fprintd.plug_in("left-thumb", scan_type="swipe")
    found = await find_reader()
    assert (found.path, found.name, found.swipe) == (f"{DEVICE_PATH}/1", "Fake", True)
    assert "Claim" not in fprintd.calls.entries


async def test_no_system_bus(
    bus: PrivateBus, monkeypatch: pytest.MonkeyPatch, hints: Record[Hint]
) -> None:
    """A machine without D-Bus has no fprintd."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    assert await reason_of(find_reader()) is FingerprintReason.NO_FPRINTD
    assert await reason_of(verify(hints.note)) is FingerprintReason.NO_FPRINTD


async def test_no_fprintd(bus: PrivateBus) -> None:
    """It is not installed."""
    assert await reason_of(find_reader()) is FingerprintReason.NO_FPRINTD


async def test_no_reader(fprintd: FakeFprintd) -> None:
    """This laptop has none."""
    assert await reason_of(find_reader()) is FingerprintReason.NO_READER


async def test_no_finger_enrolled(fprintd: FakeFprintd, hints: Record[Hint]) -> None:
    """There is a reader, but it does not know this user; it is not claimed."""
    fprintd.plug_in()
    assert await reason_of(verify(hints.note)) is FingerprintReason.NO_FINGER
    assert "Claim" not in fprintd.calls.entries


@pytest.mark.parametrize(
    ("member", "error", "reason"),
    [
        ("ListEnrolledFingers", fault("PermissionDenied"), FingerprintReason.NOT_AT_SEAT),
        ("Claim", fault("PermissionDenied"), FingerprintReason.NOT_AT_SEAT),
        ("Claim", fault("AlreadyInUse"), FingerprintReason.READER_BUSY),
        ("Claim", fault("Internal", "Open failed"), FingerprintReason.READER_FAILED),
        ("VerifyStart", fault("AlreadyInUse"), FingerprintReason.READER_BUSY),
        ("VerifyStart", fault("NoEnrolledPrints"), FingerprintReason.NO_FINGER),
        ("VerifyStart", fault("Internal"), FingerprintReason.READER_FAILED),
    ],
)
async def test_every_refusal_has_its_reason(
    fprintd: FakeFprintd,
    reader: FakeReader,
    hints: Record[Hint],
    member: str,
    error: Fault,
    reason: FingerprintReason,
) -> None:
    """Whatever fprintd refuses, the person hears why, and the reader is free."""
    fprintd.judge = refuse(member, error)
    assert await reason_of(verify(hints.note)) is reason
    assert reader.claimed_by is None


async def test_another_program_has_the_reader(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """The lock screen, say; its claim is not disturbed."""
    reader.claimed_by = ":1.4242"
    assert await reason_of(verify(hints.note)) is FingerprintReason.READER_BUSY
    assert reader.claimed_by == ":1.4242"


@pytest.mark.parametrize("member", ["VerifyStop", "Release"])
async def test_a_reader_that_does_not_stop_changes_no_answer(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint], member: str
) -> None:
    """The finger matched; and fprintd frees what its client leaves behind."""
    fprintd.scans = [YES]
    fprintd.judge = refuse(member, fault("Internal"))
    assert await verify(hints.note) is True
    await fprintd.calls.until(lambda: reader.claimed_by is None)


async def test_unplugged_while_it_scans(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """fprintd says so, and the object is gone."""
    verifying = asyncio.create_task(verify(hints.note))
    await fprintd.calls.has("VerifyStart")
    fprintd.unplug()
    assert await reason_of(verifying) is FingerprintReason.READER_GONE


async def test_unplugged_before_it_is_claimed(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """The object that was found is there no more."""

    async def judge(member: str) -> None:
        if member == "Claim":
            fprintd.unplug()

    fprintd.judge = judge
    assert await reason_of(verify(hints.note)) is FingerprintReason.READER_GONE


async def test_a_driver_error_is_named(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """Not taken for a wrong finger."""
    fprintd.scans = [[("verify-unknown-error", True)]]
    assert await reason_of(verify(hints.note)) is FingerprintReason.READER_FAILED
    assert reader.claimed_by is None


async def test_nobody_touches_the_reader(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """A try ends by itself, and the reader is free for the lock screen."""
    assert await reason_of(verify(hints.note, patience=0.05)) is FingerprintReason.NO_TOUCH
    assert reader.claimed_by is None


async def test_the_person_gives_up(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """A cancelled verification releases the reader before it ends."""
    verifying = asyncio.create_task(verify(hints.note))
    await fprintd.calls.until(lambda: reader.scanning)
    verifying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await verifying
    assert reader.claimed_by is None and not reader.scanning


async def test_given_up_while_the_reader_opens(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """A claim that succeeds too late is undone."""
    opening, opened = asyncio.Event(), asyncio.Event()

    async def judge(member: str) -> None:
        if member == "Claim":
            opening.set()
            await opened.wait()

    fprintd.judge = judge
    verifying = asyncio.create_task(verify(hints.note))
    await opening.wait()
    verifying.cancel()
    opened.set()
    with pytest.raises(asyncio.CancelledError):
        await verifying
    await fprintd.calls.has("Release")
    await fprintd.calls.until(lambda: reader.claimed_by is None)


async def test_fprintd_dies_while_it_scans(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """Named at once, not after the patience; a new fprintd is not asked to go on."""
    verifying = asyncio.create_task(verify(hints.note))
    await fprintd.calls.until(lambda: reader.scanning)
    await fprintd.stop()
    assert await reason_of(verifying) is FingerprintReason.READER_FAILED


async def test_the_bus_dies_while_it_scans(
    bus: PrivateBus, fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """Likewise."""
    verifying = asyncio.create_task(verify(hints.note))
    await fprintd.calls.until(lambda: reader.scanning)
    await bus.kill()
    assert await reason_of(verifying) is FingerprintReason.READER_FAILED


async def test_the_next_verification_starts_afresh(
    fprintd: FakeFprintd, reader: FakeReader, hints: Record[Hint]
) -> None:
    """After a failure an honest finger works."""
    fprintd.scans = [[("verify-unknown-error", True)], YES]
    with pytest.raises(FingerprintError):
        await verify(hints.note)
    assert await verify(hints.note) is True
