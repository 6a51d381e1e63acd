"""A laptop that is activated beside others waits an hour: what it is told meanwhile."""

from __future__ import annotations

from pathlib import Path

from backend.world import World, backend
from control.test_control_watch import Listen, at_home, ears, empty, here, popup
from desktop.fake_notifier import FakeNotifier
from nearproof.config.home import Backend, Enrolment, Home
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon import account
from nearproof.daemon.account import Status
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.wire import CeremonyState
from nearproof.daemon.control.notices import CANCEL
from nearproof.daemon.laptop import Laptop
from recording import Recorder

__all__ = ["ears", "here"]

READY = "The waiting time is over"


async def begun(here: World, folder: Path, name: str = "anna") -> Home:
    """A laptop on which `new activate` was begun, and its terminal closed."""
    home = Home(folder)
    joined = here.backend.joined
    home.save_backend(Backend(joined.url, joined.certificate, joined.issuer))
    key = here.key()
    async with here.laptop(key) as provider:
        enrolment = await provider.activate(here.invite(name), "second")
    home.save_enrolment(Enrolment(key.seed(), "second", b"", bytes(32), bytes(16), id=enrolment.id))
    return home


def kept(home: Home) -> tuple[DeviceKey, str]:
    enrolment = home.enrolment()
    assert enrolment is not None
    return DeviceKey.from_seed(enrolment.seed), enrolment.id


async def status(home: Home) -> Status:
    return await account.status(Laptop(home, home.settings(), Recorder().console))


async def test_the_hour_is_waited_out(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """The desktop says when to go on, and with what; it is silent again when somebody does."""
    await here.activated("anna")
    home = await begun(here, tmp_path / "new")
    standing = await status(home)
    assert (standing.state, standing.next) == ("enrolling", "wait_activate")
    assert 0 < standing.waits <= here.policy.wait

    listening = ears(home)
    await listening.until(lambda: any("waiting time" in how for how in listening.statuses))
    assert not screen.popups
    shown = await popup(listening, screen, READY)
    assert "nearproof new activate" in shown.body
    assert not shown.actions
    standing = await status(home)
    assert (standing.next, standing.waits) == ("go_on_activate", 0)

    key, enrolment = kept(home)
    async with here.laptop(key) as provider:
        await provider.send_code(enrolment)
    listening.watch.changed()  # as the service says when a method has ended
    await empty(screen)


async def test_once_active_it_hears_for_the_account(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """The notice of the wait goes with the enrolment, and events are heard from then on."""
    await here.activated("anna")
    home = await begun(here, tmp_path / "new")
    listening = ears(home)
    await popup(listening, screen, READY)
    key, enrolment = kept(home)
    async with here.laptop(key) as provider:
        await provider.send_code(enrolment)
        await here.confirm(provider, enrolment, key)
    at_home(here, home.path, key)
    home.save_enrolment(None)
    listening.watch.changed()
    await empty(screen)
    await listening.until(lambda: listening.statuses[-1] == "hearing")


async def test_a_cancelled_activation_is_told(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """Another laptop of the account did not want it; nothing more is asked then."""
    first = await here.activated("anna")
    home = await begun(here, tmp_path / "new")
    _, enrolment = kept(home)
    listening = ears(home)
    async with here.laptop(first) as provider:
        await provider.cancel(enrolment)
    shown = await popup(listening, screen, "This laptop was not activated")
    assert "cancelled" in shown.body
    await listening.until(lambda: listening.statuses[-1] == "no active laptop here")
    standing = await status(home)
    assert standing.failure is not None
    assert standing.failure.reason == "EnrolmentEnded"


async def test_an_activation_is_shown_on_the_account_s_laptops_and_cancelled(
    here: World, ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """The button says what it cancels."""
    first = await here.activated("anna")
    listening = ears(at_home(here, tmp_path / "old", first))
    await listening.listens()
    home = await begun(here, tmp_path / "new")
    shown = await popup(listening, screen, "A laptop is being activated")
    assert shown.actions == [CANCEL, "Cancel the activation"]
    screen.press(CANCEL)
    await popup(listening, screen, "Copying was cancelled")
    key, enrolment = kept(home)
    async with here.laptop(key) as provider:
        assert (await provider.enrolment(enrolment)).state is CeremonyState.CANCELLED


async def test_an_activation_that_nobody_finished_is_told(
    ears: Listen, screen: FakeNotifier, tmp_path: Path
) -> None:
    """After its deadline; the notice that it may go on is replaced."""
    policy = BackendPolicy(wait=1, lifetime=8, newcomer=0)
    with backend(tmp_path / "data", policy) as running:
        here = World(tmp_path / "data", running, policy)
        await here.activated("anna")
        listening = ears(await begun(here, tmp_path / "new"))
        await popup(listening, screen, READY)
        shown = await popup(listening, screen, "This laptop was not activated")
        assert "not finished in time" in shown.body
        assert len(screen.popups) == 1
