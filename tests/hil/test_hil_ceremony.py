"""The ceremony between two laptops with BlueZ, a camera and a network, and what disturbs it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hil.ceremony import Ceremony, play, type_code
from hil.desk import Desk
from hil.role import Role, answer
from rig.backend import ACCOUNT, open_backend
from rig.faults import drop_links
from rig.laptop import Laptop
from rig.pair import Rig
from rig.sight import looking

pytestmark = [
    pytest.mark.rig,
    pytest.mark.timeout(400),  # on a busy machine; half a minute on a quiet one
    pytest.mark.asyncio(loop_scope="module"),
]

# Each step at which a fault strikes: the first event that tells of it, and whose.
MESSAGES = ("old:bound", "new:old_answered", "old:code_wanted", "old:proof_made", "old:delivered")
OLD, NEW = 0, 1  # the laptops of a rig


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(rig: Rig) -> AsyncIterator[Desk]:
    """A backend that both laptops have joined; the first is an account's own."""
    async with open_backend(rig.laptops) as backend:
        yield backend


async def adapter(laptop: Laptop) -> str:
    """All that bluetoothctl shows of the adapter: Alias, Discoverable, Pairable, adverts, ..."""
    return (await laptop.run("bluetoothctl", "show")).text


async def known_devices(laptop: Laptop) -> str:
    """The devices that the user's settings would list."""
    return (await laptop.run("bluetoothctl", "devices")).text


async def honest(rig: Rig, backend: Desk) -> None:
    """One undisturbed ceremony, which has to succeed at the first try."""
    async with play(*rig.laptops, backend, ACCOUNT) as ceremony:
        assert await ceremony.ended() == (0, 0), ceremony.story()


async def as_systemd_would(laptop: Laptop) -> None:
    """Start bluetoothd again if it has died."""
    get = ("get-property", "org.bluez", "/org/bluez/hci0", "org.bluez.Adapter1", "Powered")
    if (await laptop.run("busctl", *get, check=False)).code != 0:
        laptop.start_bluetoothd()
        await laptop.bluetooth_powered()


async def test_a_copy_is_made(rig: Rig, backend: Desk) -> None:
    """NEW photographs OLD's QR code, finds its advert, and is enrolled once the code is typed."""
    first, second = rig.laptops
    phone = backend.phone(ACCOUNT)
    await backend.tidy(ACCOUNT)
    copy = ("nearproof", "--json", "old", "copy", "--show", "png:/run/rig/screen.png")
    get = ("nearproof", "--json", "new", "copy", "--user-id", ACCOUNT)
    async with looking(second, first), first.spawn(*copy) as showing, second.spawn(*get) as seeing:
        old, new = Role("old", showing), Role("new", seeing)
        async with asyncio.TaskGroup() as person:
            person.create_task(answer(old, phone))
            person.create_task(answer(new, phone))
            person.create_task(type_code(old, new))
        assert (await old.exit(), await new.exit()) == (0, 0), old.told + new.told
    assert old.find("delivered")
    assert new.find("activated")


@pytest.mark.slow
async def test_one_copy_right_after_the_other(rig: Rig, backend: Desk) -> None:
    """Each laptop finds the other again, and both adapters are left as they were."""
    before = [await adapter(laptop) for laptop in rig.laptops]
    for _ in range(2):
        await honest(rig, backend)
    assert [await adapter(laptop) for laptop in rig.laptops] == before
    # BlueZ itself drops the central from OLD's list 30 s later.
    assert await known_devices(rig.laptops[NEW]) == ""


@pytest.mark.slow
@pytest.mark.parametrize("step", MESSAGES)
async def test_link_lost(rig: Rig, backend: Desk, step: str) -> None:
    """A link that drops after any message is resumed, with no more to do for the person."""

    async def drop(_: Ceremony) -> None:
        drop_links(rig.air)

    async with play(*rig.laptops, backend, ACCOUNT, {step: drop}) as ceremony:
        assert await ceremony.ended() == (0, 0), ceremony.story()
        assert ceremony.struck is not None


@pytest.mark.slow
@pytest.mark.parametrize("step", ["new:qr_scanned", "old:code_wanted"])
@pytest.mark.parametrize("side", [OLD, NEW])
async def test_bluetoothd_restarted(rig: Rig, backend: Desk, side: int, step: str) -> None:
    """A bluetoothd that dies and comes back on either side is only a pause."""
    laptop = rig.laptops[side]

    async def restart(_: Ceremony) -> None:
        await laptop.kill("bluetoothd")
        laptop.start_bluetoothd()
        await laptop.bluetooth_powered()

    async with play(*rig.laptops, backend, ACCOUNT, {step: restart}) as ceremony:
        assert await ceremony.ended() == (0, 0), ceremony.story()
        assert ceremony.struck is not None


@pytest.mark.slow
@pytest.mark.parametrize("side", [OLD, NEW])
async def test_adapter_off_and_on(rig: Rig, backend: Desk, side: int) -> None:
    """So is an adapter that is switched off and on again."""
    laptop = rig.laptops[side]

    async def switch(_: Ceremony) -> None:
        for state in ("off", "on"):
            await laptop.run("bluetoothctl", "power", state)

    step = {"old:code_wanted": switch}
    async with play(*rig.laptops, backend, ACCOUNT, step) as ceremony:
        assert await ceremony.ended() == (0, 0), ceremony.story()


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "other"), [("old", "new"), ("new", "old")])
async def test_killed(rig: Rig, backend: Desk, victim: str, other: str) -> None:
    """After kill -9 of either process the next ceremony succeeds, with nothing cleaned up."""
    killed = asyncio.Event()

    async def kill(ceremony: Ceremony) -> None:
        ceremony.roles[victim].process.signal(signal.SIGKILL)
        await ceremony.roles[victim].exit()
        killed.set()

    async with play(*rig.laptops, backend, ACCOUNT, {"new:code": kill}) as ceremony:
        await killed.wait()
        ceremony.roles[other].process.signal(signal.SIGINT)
        await ceremony.ended()
    # Before 5.86 bluetoothd may die of a killed process that was subscribed (a94f99420).
    await as_systemd_would(rig.laptops[NEW])
    await honest(rig, backend)
