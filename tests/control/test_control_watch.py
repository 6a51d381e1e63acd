"""What the daemon hears of the account, and what stands on the desktop then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from backend.world import World, backend, pin_of, start_backend
from bluez.private_bus import PrivateBus
from desktop.fake_notifier import FakeNotifier, Popup
from nearproof.config.home import Backend, Device, Home
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.wire import ReportReason
from nearproof.daemon.control.notices import CANCEL, Notices
from nearproof.daemon.control.watch import Watch
from nearproof.daemon.desktop.notify import Event, Notifier, Pressed, Unshown

WAIT = 3
PATIENCE = 60


class Ears:
    """A watch of one home, and whatever it was told and has told."""

    def __init__(self, home: Home) -> None:
        self.desk = Notifier(self._says)
        self.statuses: list[str] = []
        self.unshown: list[Unshown] = []
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.watch = Watch(home, Notices(self.desk, "en"), self._status)
        self._running = asyncio.create_task(self.watch.run())

    def _says(self, event: Event) -> None:
        if isinstance(event, Pressed) and event.action == CANCEL:
            task = asyncio.create_task(self.watch.cancel())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if isinstance(event, Unshown):
            self.unshown.append(event)
        self._news.set()

    def _status(self, how: str) -> None:
        self.statuses.append(how)
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def listens(self) -> None:
        """It has caught up, and its question is held open."""
        await self.until(lambda: self.statuses.count("hearing") > 1)

    async def close(self) -> None:
        for task in (self._running, *self._tasks):
            task.cancel()
        await asyncio.gather(self._running, *self._tasks, return_exceptions=True)
        await self.desk.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    policy = BackendPolicy(wait=WAIT, newcomer=0)
    with backend(tmp_path / "data", policy) as running:
        yield World(tmp_path / "data", running, policy)


@pytest.fixture
async def ears(bus: PrivateBus) -> AsyncIterator[Callable[[Home], Ears]]:
    async with contextlib.AsyncExitStack() as stack:

        def listen(home: Home) -> Ears:
            ears = Ears(home)
            stack.push_async_callback(ears.close)
            return ears

        yield listen


async def laptop(here: World, folder: Path, account: str, *, notifications: bool = True) -> Home:
    """An active laptop with a home of its own."""
    return at_home(here, folder, await here.activated(account), notifications=notifications)


def at_home(here: World, folder: Path, key: DeviceKey, *, notifications: bool = True) -> Home:
    home = Home(folder)
    joined = here.backend.joined
    home.save_backend(Backend(joined.url, joined.certificate, joined.issuer))
    device = Device(key.seed(), "anna", "here", bytes(32), bytes(16), notifications=notifications)
    home.save_device(device)
    return home


def key_of(home: Home) -> DeviceKey:
    device = home.device()
    assert device is not None
    return DeviceKey.from_seed(device.seed)


async def order(here: World, key: DeviceKey) -> str:
    async with here.laptop(key) as provider:
        return (await provider.start_copy(pin_of(key))).id


async def popup(ears: Ears, screen: FakeNotifier, summary: str) -> Popup:
    """The popup of this summary, once it is there."""

    def found() -> Popup | None:
        fitting = (each for each in screen.popups.values() if each.summary == summary)
        return next(fitting, None)

    await ears.until(lambda: found() is not None)
    shown = found()
    assert shown is not None
    return shown


async def empty(screen: FakeNotifier) -> None:
    """Nothing stands on the desktop any more."""
    async with asyncio.timeout(PATIENCE):
        while screen.popups:
            screen.news.clear()
            await screen.news.wait()


Listen = Callable[[Home], Ears]


async def test_a_copy_ordered_elsewhere_is_shown_and_cancelled(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """Another laptop of the account orders: this one says whose doing, and its button ends it."""
    other = await here.activated("anna")
    home = at_home(here, tmp_path / "home", other)  # the events of `other` are heard here
    listening = ears(home)
    await listening.listens()
    copy = await order(here, other)
    shown = await popup(listening, screen, "A copy has been ordered")
    assert "“laptop of anna”" in shown.body
    assert shown.actions == [CANCEL, "Cancel the copy"]
    assert "nearproof old cancel" in shown.body
    screen.press(CANCEL)
    await popup(listening, screen, "Copying was cancelled")
    async with here.laptop(other) as provider:
        assert not (await provider.ceremony(copy)).live


async def test_the_hour_is_waited_out(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """Nobody at a terminal: the desktop is told when the QR code may be shown."""
    home = await laptop(here, tmp_path / "home", "anna", notifications=False)
    listening = ears(home)
    await listening.listens()
    await order(here, key_of(home))
    shown = await popup(listening, screen, "The waiting time is over")
    assert shown.actions == [CANCEL, "Cancel the copy"]
    assert len(screen.popups) == 1  # events are shown to those who asked for them


async def test_a_daemon_that_comes_late_finds_what_goes_on(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """The copy was ordered before it was started: told, waited for; what is past is no news."""
    home = await laptop(here, tmp_path / "home", "anna")
    async with here.laptop(key_of(home)) as provider:
        await provider.cancel(await order(here, key_of(home)))
    await order(here, key_of(home))
    listening = ears(home)
    await popup(listening, screen, "A copy has been ordered")
    await popup(listening, screen, "The waiting time is over")
    assert [each.summary for each in screen.popups.values()] == ["The waiting time is over"]
    await listening.close()
    again = ears(home)
    await popup(again, screen, "The waiting time is over")
    heard = home.heard()
    assert heard is not None and heard.cursor >= 3


async def test_nothing_is_shown_twice_and_nothing_is_missed(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """How far was heard is kept: after a restart only what came meanwhile is told."""
    home = await laptop(here, tmp_path / "home", "anna")
    key = key_of(home)
    first = ears(home)
    await first.listens()
    copy = await order(here, key)
    await popup(first, screen, "A copy has been ordered")
    await first.close()
    screen.popups.clear()
    async with here.laptop(key) as provider:
        await provider.cancel(copy)
    second = ears(home)
    await popup(second, screen, "Copying was cancelled")
    assert [each.summary for each in screen.popups.values()] == ["Copying was cancelled"]


async def test_a_wrong_code_is_told_as_fraud(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """Every laptop of the account hears of it."""
    home = await laptop(here, tmp_path / "home", "anna")
    key = key_of(home)
    listening = ears(home)
    await listening.listens()
    copy = await order(here, key)
    await popup(listening, screen, "The waiting time is over")
    async with here.laptop(key) as provider:
        grant = await provider.grant(copy, pin_of(key))
        await provider.report(copy, grant.cti, ReportReason.WRONG_CODE)
    shown = await popup(listening, screen, "A wrong code was typed")
    assert "fraud" in shown.body


@pytest.mark.parametrize("ordered_here", [True, False])
async def test_the_button_goes_when_a_copy_expires(
    ears: Listen, screen: FakeNotifier, tmp_path: Path, ordered_here: bool
) -> None:
    """No event says so: the laptop looks when the deadline is over, whoever has ordered."""
    policy = BackendPolicy(wait=0, lifetime=3, newcomer=0)
    with backend(tmp_path / "data", policy) as running:
        here = World(tmp_path / "data", running, policy)
        first = await here.activated("anna")
        second = await here.copied(first, "anna")
        listening = ears(at_home(here, tmp_path / "home", first if ordered_here else second))
        await listening.listens()
        await order(here, first)
        summary = "The waiting time is over" if ordered_here else "A copy has been ordered"
        await popup(listening, screen, summary)
        await empty(screen)
        assert "A copy" not in listening.statuses[-1]


async def test_a_button_that_does_not_help_says_why(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """The backend is away: not cancelled, and the button stands there again."""
    home = await laptop(here, tmp_path / "home", "anna")
    listening = ears(home)
    await listening.listens()
    await order(here, key_of(home))
    await popup(listening, screen, "The waiting time is over")
    here.backend.kill()
    screen.press(CANCEL)
    shown = await popup(listening, screen, "Not cancelled")
    assert "cannot be reached" in shown.body
    assert shown.actions == [CANCEL, "Try again"]


async def test_an_outage_is_waited_out(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """The backend goes and comes back: what happens then is heard."""
    home = await laptop(here, tmp_path / "home", "anna")
    listening = ears(home)
    await listening.listens()
    here.backend.kill()
    await listening.until(lambda: "away" in listening.statuses[-1])
    here.backend = start_backend(here.data_dir, here.policy, port=here.backend.port)
    try:
        await order(here, key_of(home))
        listening.watch.changed()  # instead of the pause that it has come to
        await popup(listening, screen, "A copy has been ordered")
    finally:
        here.backend.kill()


async def test_a_revoked_laptop_hears_that_and_nothing_more(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """Until the home has another key: then it hears with that one."""
    home = await laptop(here, tmp_path / "home", "anna")
    listening = ears(home)
    await listening.listens()
    here.revoke(key_of(home))
    await popup(listening, screen, "A laptop was revoked")
    await listening.until(lambda: listening.statuses[-1] == "no active laptop here")
    again = await here.activated("anna")
    device = home.device()
    assert device is not None
    home.save_device(msgspec.structs.replace(device, seed=again.seed()))
    listening.watch.changed()
    await listening.until(lambda: listening.statuses[-1] == "hearing")
    await order(here, again)
    await popup(listening, screen, "A copy has been ordered")


async def test_a_desktop_that_comes_late_is_told_then(
    here: World, ears: Listen, bus: PrivateBus, tmp_path: Path
) -> None:
    """Without a notifier nothing fails and one complaint is made; later all of it is shown."""
    home = await laptop(here, tmp_path / "home", "anna")
    listening = ears(home)
    await listening.listens()
    await order(here, key_of(home))
    await listening.until(lambda: len(listening.unshown) == 1)
    screen = FakeNotifier(bus.address)
    await screen.start()
    try:
        listening.watch.changed()
        shown = await popup(listening, screen, "The waiting time is over")
        assert shown.actions
        assert len(listening.unshown) == 1
    finally:
        await listening.close()
        await screen.stop()


async def test_a_damaged_file_is_left_alone(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """The watch says so and goes on when it is mended."""
    home = await laptop(here, tmp_path / "home", "anna")
    (home.path / "events.json").write_text("{")
    listening = ears(home)
    await listening.until(lambda: "cannot be used" in " ".join(listening.statuses))
    assert (home.path / "events.json").read_text() == "{"
    (home.path / "events.json").unlink()
    listening.watch.changed()
    await listening.listens()
