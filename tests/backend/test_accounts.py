"""Slots, starts, phone numbers, new laptops, the list of laptops, events, audit."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backend.hands import Hands, code_of, read
from backend.world import PHONE, World, backend, pin_of
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.admin import cancel, invite, outbox, set_phone, verify_audit
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.errors import AuditBroken
from nearproof.daemon.backend.facts import Problem
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.wire import DeviceState, EventKind, ServiceCode
from nearproof.daemon.provider import ProviderError

DAY = 86_400_000


def test_three_laptops_are_all_and_are_named_before_the_hour(hands: Hands, name: str) -> None:
    """NO_SLOT with the laptops to revoke; after one is, the copy starts."""
    keys = [hands.enrolled(name, f"number {slot}", slot=slot) for slot in (1, 2, 3)]
    with pytest.raises(Problem) as caught:
        hands.start(keys[0])
    assert caught.value.code is ServiceCode.NO_SLOT
    assert {each.label for each in caught.value.devices} == {"number 1", "number 2", "number 3"}
    hands.post("revoke", keys[0], keys[1].kid.hex())
    copy = hands.started(keys[0])
    assert hands.ceremony(copy.id).slot == 2


def test_five_starts_a_day(hands: Hands, name: str) -> None:
    """However they end; the sixth waits until the first is a day old."""
    old = hands.enrolled(name)
    for _ in range(5):
        hands.post("cancel", old, hands.started(old).id)
        hands.store.now += 1000
    with pytest.raises(Problem) as caught:
        hands.start(old)
    assert caught.value.code is ServiceCode.STARTS_USED_UP
    assert caught.value.seconds is not None
    hands.store.now += caught.value.seconds * 1000
    assert hands.started(old).live


def test_a_copy_needs_consent(hands: Hands, name: str) -> None:
    """CONSENT without it; with it, the audit says so."""
    old = hands.enrolled(name)
    body = wire.Start(consent=False, uv=wire.Verification.FINGERPRINT)
    assert code_of(hands.post, "start", old, body=body) is ServiceCode.CONSENT


def test_for_a_day_a_new_laptop_acts_on_nobody(hands: Hands, name: str) -> None:
    """It may neither copy, nor revoke or cancel others; itself it may revoke."""
    old = hands.enrolled(name)
    new = hands.copied(old, name)
    copy = hands.started(old)
    assert code_of(hands.start, new) is ServiceCode.TOO_NEW
    assert code_of(hands.post, "cancel", new, copy.id) is ServiceCode.TOO_NEW
    assert code_of(hands.post, "revoke", new, old.kid.hex()) is ServiceCode.TOO_NEW
    hands.store.now += DAY
    assert code_of(hands.start, new) is ServiceCode.CEREMONY_RUNNING
    hands.post("revoke", new, new.kid.hex())
    assert hands.device(new).state is DeviceState.REVOKED


def test_a_changed_phone_number_counts_after_120_hours(hands: Hands, name: str) -> None:
    """Neither a copy nor an activation starts before."""
    old = hands.enrolled(name)
    with hands.store.write(name) as records:
        account = records.account(name)
        assert account is not None
        records.set_phone(account, "+4587654321")
    hands.store.now += 120 * 3_600_000 - 1
    assert code_of(hands.start, old) is ServiceCode.PHONE_CHANGED
    hands.store.now += 1
    assert hands.started(old).live


def test_another_accounts_laptops_do_not_exist(hands: Hands, name: str) -> None:
    """Neither listed nor revoked."""
    mine, other = hands.enrolled(name), hands.enrolled(f"{name}.other")
    listed = read(hands.get("devices", mine), wire.Devices).devices
    assert [each.kid for each in listed] == [mine.kid.hex()]
    assert code_of(hands.post, "revoke", mine, other.kid.hex()) is ServiceCode.NOT_FOUND


async def test_an_event_ends_the_wait_for_it(here: World) -> None:
    """A laptop that waits hears within a second; the cursor goes on from there."""
    old = await here.activated("alice")
    async with here.laptop(old) as laptop:
        before = await laptop.events(0)
        assert [event.kind for event in before.events] == [EventKind.ACTIVATED]
        waiting = asyncio.create_task(laptop.events(before.cursor, wait=20))
        copy = await laptop.start_copy(pin_of(old))
        async with asyncio.timeout(10):
            heard = await waiting
        assert [(event.kind, event.ceremony) for event in heard.events] == [
            (EventKind.COPY_STARTED, copy.id)
        ]
        assert (await laptop.events(heard.cursor)).events == ()


async def test_a_server_that_ends_answers_those_who_wait(tmp_path: Path) -> None:
    """SIGTERM while a laptop waits for events: it gets an empty answer, not a broken one."""
    with backend(tmp_path) as running:
        here = World(tmp_path, running)
        old = await here.activated("alice")
        async with here.laptop(old) as laptop:
            cursor = (await laptop.events(0)).cursor
            target = f"/v1/events?after={cursor}&wait=25"
            waiting = asyncio.create_task(here.send(old, "GET", target))
            await laptop.start_copy(pin_of(old))
            assert (await waiting).status_code == 200
            cursor = (await laptop.events(cursor)).cursor
            target = f"/v1/events?after={cursor}&wait=25"
            waiting = asyncio.create_task(here.send(old, "GET", target))
            await laptop.device()
            running.process.terminate()
            answer = await waiting
        assert (answer.status_code, answer.json()["events"]) == (200, [])
        assert await asyncio.to_thread(running.process.wait) == 0


async def test_revoking_is_immediate_and_its_laptop_hears_of_it(here: World) -> None:
    """By another laptop of the account; the slot is free for the next copy."""
    old = await here.activated("alice")
    new = await here.copied(old)
    async with here.laptop(old) as one, here.laptop(new) as two:
        assert {each.label for each in await one.devices()} == {"laptop of alice", "new"}
        await one.revoke(new.kid.hex())
        with pytest.raises(ProviderError) as caught:
            await two.devices()
        assert caught.value.code == ServiceCode.DEVICE_REVOKED
        assert (await two.events(0)).events[-1].kind is EventKind.REVOKED


async def test_the_operator_can_cancel_and_change_a_number(here: World) -> None:
    """For somebody who calls; every laptop is told."""
    old, account = await here.activated("alice"), here.name("alice")
    async with here.laptop(old) as laptop:
        copy = await laptop.start_copy(pin_of(old))
        assert cancel(here.data_dir, account, database=here.database)
        assert not cancel(here.data_dir, account, database=here.database)
        assert not (await laptop.ceremony(copy.id)).live
        set_phone(here.data_dir, account, "+4587654321", database=here.database)
        kinds = [event.kind for event in (await laptop.events(0)).events]
        assert kinds[-2:] == [EventKind.CANCELLED, EventKind.PHONE_CHANGED]
    with pytest.raises(Problem) as caught:
        invite(here.data_dir, account, here.policy, database=here.database)
    assert caught.value.code is ServiceCode.PHONE_CHANGED


@pytest.mark.parametrize(
    "phone", ["12345678", "+0123456789", "+45 12 34 56 78", "+45123456789012345"]
)
def test_a_number_that_is_none_is_refused(tmp_path: Path, phone: str) -> None:
    """E.164, or nothing."""
    with pytest.raises(ValueError, match="phone number"):
        invite(tmp_path, "alice", BackendPolicy(), phone=phone)


async def test_the_outbox_says_what_was_sent_and_no_code(here: World) -> None:
    """Kind and state of each; a code stands nowhere in it."""
    await here.activated("alice")
    listed = outbox(here.data_dir, database=here.database)
    assert listed
    assert PHONE not in repr(listed)


async def test_the_audit_chain_holds(here: World) -> None:
    """For every account, whatever has happened."""
    await here.copied(await here.activated("alice"))
    chains = verify_audit(here.data_dir, database=here.database)
    assert chains[here.name("alice")] > 5


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET detail = 'x' WHERE seq = 2",
        "UPDATE audit SET at = at + 1 WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
        "UPDATE audit SET account = 'bob' WHERE seq = 3",
    ],
)
def test_a_changed_audit_shows(tmp_path: Path, change: str) -> None:
    """Changed, taken out, cut off or moved: `AuditBroken` names the account."""
    with open_data_dir(tmp_path) as data, data.store.write("alice") as records:
        records.add_account("bob")
        records.add_account("alice")
        for number in range(3):
            records.log("alice", "something", detail=str(number))
    assert verify_audit(tmp_path) == {"alice": 3, "bob": 0}
    with closing(sqlite3.connect(tmp_path / "backend.db")) as database:
        database.execute(change)
        database.commit()
    with pytest.raises(AuditBroken, match=r"alice|bob"):
        verify_audit(tmp_path)
