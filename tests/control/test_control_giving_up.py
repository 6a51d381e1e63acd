"""`nearproof new cancel` where things went wrong: nothing that the backend acknowledged is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from backend.world import NO_WAIT, World, backend
from control.test_control_activation import begun, kept, status
from nearproof.config.home import Backend, Enrolment, Home
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon import new
from nearproof.daemon.backend.wire import CeremonyState, EventKind, ServiceCode
from nearproof.daemon.laptop import EnrolmentDone, Laptop
from nearproof.daemon.provider import ProviderError, ProviderReason
from recording import Recorder


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    """A backend without a waiting time."""
    with backend(tmp_path / "data") as running:
        yield World(tmp_path / "data", running, NO_WAIT)


async def give_up(home: Home) -> str:
    """Its only event."""
    recorder = Recorder(as_json=True)
    await new.cancel(Laptop(home, home.settings(), recorder.console))
    (told,) = recorder.events()
    event: str = told["event"]
    return event


def lose_answer(home: Home) -> None:
    """As if the backend's first answer had never come."""
    stored = home.enrolment()
    assert stored is not None
    home.save_enrolment(msgspec.structs.replace(stored, id=""))


async def proved(here: World, folder: Path, old: DeviceKey) -> Home:
    """A laptop with a proof of `old`, which it has not handed in."""
    home, key = Home(folder), here.key()
    joined = here.backend.joined
    home.save_backend(Backend(joined.url, joined.certificate, joined.issuer))
    bundle = await here.bundled(old, key)
    home.save_enrolment(Enrolment(key.seed(), "second", bundle, bytes(32), bytes(16)))
    return home


async def test_an_activation_is_cancelled_and_its_keys_are_gone(
    here: World, tmp_path: Path
) -> None:
    """The account's laptops are told, and the next one may begin at once."""
    first = await here.activated("anna")
    home = await begun(here, tmp_path / "new")
    key, enrolment = kept(home)
    assert await give_up(home) == "given_up"
    assert home.enrolment() is None and (await status(home)).state == "new"
    async with here.laptop(key) as laptop:
        assert (await laptop.enrolment(enrolment)).state is CeremonyState.CANCELLED
    async with here.laptop(first) as laptop:
        assert (await laptop.events(0)).events[-1].kind is EventKind.CANCELLED
    await begun(here, tmp_path / "another")
    assert await give_up(home) == "nothing_to_give_up"


async def test_a_proof_that_was_not_handed_in_is_forgotten(here: World, tmp_path: Path) -> None:
    """The backend has not heard of this laptop: the copy goes on, for OLD to show another QR."""
    old = await here.activated("anna")
    home = await proved(here, tmp_path / "new", old)
    assert await give_up(home) == "given_up"
    assert home.enrolment() is None
    async with here.laptop(old) as laptop:
        ceremony = (await laptop.device()).ceremony
        assert (await laptop.ceremony(ceremony)).state is CeremonyState.LIVE


@pytest.mark.parametrize("lost", [False, True])
async def test_an_enrolment_that_was_cancelled_elsewhere_is_dropped(
    here: World, tmp_path: Path, lost: bool
) -> None:
    """There is nothing left to cancel, no reason to keep its keys, and nothing to ask."""
    first = await here.activated("anna")
    home = await begun(here, tmp_path / "new")
    async with here.laptop(first) as laptop:
        await laptop.cancel(kept(home)[1])
    if lost:
        lose_answer(home)
    assert await give_up(home) == "given_up"
    assert home.enrolment() is None


@pytest.mark.parametrize("lost", [False, True])
async def test_an_active_laptop_keeps_its_keys(here: World, tmp_path: Path, lost: bool) -> None:
    """The last answer was lost: what is kept here is the only copy of an active key."""
    await here.activated("anna")
    home = await begun(here, tmp_path / "new")
    key, enrolment = kept(home)
    async with here.laptop(key) as laptop:
        await laptop.send_code(enrolment)
        await here.confirm(laptop, enrolment, key)
    if lost:
        lose_answer(home)
    stored = home.enrolment()
    with pytest.raises(EnrolmentDone):
        await give_up(home)
    assert home.enrolment() == stored


async def test_nothing_is_dropped_while_the_backend_is_away(here: World, tmp_path: Path) -> None:
    """It may know of more than this laptop does."""
    await here.activated("anna")
    home = await begun(here, tmp_path / "new")
    before = home.enrolment()
    here.backend.kill()
    with pytest.raises(ProviderError) as error:
        await give_up(home)
    assert error.value.reason is ProviderReason.UNREACHABLE
    assert home.enrolment() == before


async def test_the_code_of_a_given_up_enrolment_is_worth_nothing(
    here: World, tmp_path: Path
) -> None:
    """An acknowledged end stays one."""
    await here.activated("anna")
    home = await begun(here, tmp_path / "new")
    key, enrolment = kept(home)
    await give_up(home)
    async with here.laptop(key) as laptop:
        with pytest.raises(ProviderError) as error:
            await laptop.send_code(enrolment)
    assert error.value.code == ServiceCode.CEREMONY_OVER
