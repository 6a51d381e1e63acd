"""Exactly once: racing redemptions on two processes, repeated requests, killed servers."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx2
import msgspec
import pytest

from backend.bundles import bundle_of
from backend.conftest import KINDS
from backend.world import (
    NO_WAIT,
    PHONE,
    World,
    backend,
    code_of,
    damage,
    pin_of,
    start_backend,
)
from nearproof.crypto.grant import Policy, issue_grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import rules, wire
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.facts import Device
from nearproof.daemon.backend.rules import Standing
from nearproof.daemon.backend.wire import DeviceState

RACERS = 50
BOTH = ("redemptions", "devices")
KILLS = 20
MORE = 20  # bundles before each start
LANES = 3

Waiting = tuple[DeviceKey, bytes]  # D, and the bundle that it will hand in


def rows(data_dir: Path, table: str, database: str | None = None) -> int:
    """How many rows the table has, as any other reader of the database sees it."""
    with open_data_dir(data_dir, database) as data, data.store.read() as records:
        return records.count(table)


async def race(
    first: World, second: World, attempts: list[tuple[DeviceKey, bytes, str]]
) -> list[httpx2.Response]:
    """Every attempt (signer, bundle, idempotency key) at once, in turn at the two processes."""
    return await asyncio.gather(
        *(
            (first, second)[index % 2].redeem(signer, bundle, idempotency=key)
            for index, (signer, bundle, key) in enumerate(attempts)
        )
    )


@pytest.fixture(params=KINDS)
def twins(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[World, World]]:
    """Two processes on one database, with the same users."""
    kind: str = request.param
    url = request.getfixturevalue("postgres").database() if kind == "postgresql" else None
    data = tmp_path / "data"
    with backend(data, database=url) as one, backend(data, database=url) as two:
        here = World(data, one, database=url)
        there = World(data, two, number=here.number, database=url)
        there.random = here.random  # one source, or both would choose the same keys
        yield here, there


async def test_one_bundle_sent_fifty_times_enrols_once(twins: tuple[World, World]) -> None:
    """Fifty requests of their own, two processes: one is told yes, one device exists."""
    here, there = twins
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    answers = await race(here, there, [(new, bundle, "")] * RACERS)
    outcomes = Counter(answer.status_code for answer in answers)
    assert outcomes == {201: 1, 409: RACERS - 1}
    assert {code_of(answer)[1] for answer in answers if answer.status_code == 409} == {
        "key_redeemed"
    }
    assert (
        rows(here.data_dir, "redemptions", here.database),
        rows(here.data_dir, "devices", here.database),
    ) == (1, 2)


async def test_one_grant_claimed_by_fifty_laptops_enrols_one(twins: tuple[World, World]) -> None:
    """Fifty valid bundles under one grant: the first spends it, the others are too late."""
    here, there = twins
    old, rivals = await here.activated("alice"), [here.key() for _ in range(RACERS)]
    grant = await here.granted(old)
    attempts = [(rival, bundle_of(grant, old, rival), "") for rival in rivals]
    answers = await race(here, there, attempts)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: RACERS - 1}
    assert {code_of(answer)[1] for answer in answers if answer.status_code == 409} == {
        "already_used"
    }
    assert (
        rows(here.data_dir, "redemptions", here.database),
        rows(here.data_dir, "devices", here.database),
    ) == (1, 2)


async def test_one_request_sent_fifty_times_is_answered_fifty_times(
    twins: tuple[World, World],
) -> None:
    """The same Idempotency-Key: everybody hears yes, and it happened once."""
    here, there = twins
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    # The processes have different ports: a signature, and so a request, is for one of them.
    for world in (here, here, there):
        answers = await race(world, world, [(new, bundle, "one-and-the-same")] * RACERS)
        statuses = {answer.status_code for answer in answers}
        assert statuses == ({201} if world is here else {422})
        assert len({answer.content for answer in answers}) == 1
    assert (
        rows(here.data_dir, "redemptions", here.database),
        rows(here.data_dir, "devices", here.database),
    ) == (1, 2)


def start(uv: wire.Verification = wire.Verification.FINGERPRINT) -> bytes:
    return msgspec.json.encode(wire.Start(consent=True, uv=uv))


async def test_a_key_with_another_request_is_refused_unevaluated(here: World) -> None:
    """IDEMPOTENCY_CONFLICT: another body under the same key is neither judged nor counted."""
    old = await here.activated("alice")
    key = "the-same-key"
    first = await here.send(old, "POST", "/v1/ceremonies", start(), idempotency=key)
    assert first.status_code == 201
    other = start(wire.Verification.PIN)
    refused = await here.send(old, "POST", "/v1/ceremonies", other, idempotency=key)
    assert code_of(refused) == (422, "idempotency_conflict", None)


async def test_keys_belong_to_their_signer(here: World) -> None:
    """Two laptops may choose the same key; neither gets the other's answer."""
    one, two = await here.activated("alice"), await here.activated("bob")
    answers = [
        await here.send(key, "POST", "/v1/ceremonies", start(), idempotency="a-common-key")
        for key in (one, two)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["old"] != answers[1].json()["old"]


@pytest.mark.parametrize("key", ["short", "with space", "x" * 65])
async def test_a_post_needs_a_key(here: World, key: str) -> None:
    """IDEMPOTENCY_KEY: malformed is refused before anything is done."""
    old = await here.activated("alice")
    refused = await here.send(old, "POST", "/v1/ceremonies", start(), idempotency=key)
    assert code_of(refused) == (400, "idempotency_key", None)


async def test_a_refusal_that_changed_nothing_is_not_remembered(here: World) -> None:
    """The same request under the same key is judged again when things have changed."""
    new = here.key()
    old = await here.activated("alice")
    async with here.laptop(old) as provider:
        copy = (await provider.start_copy(pin_of(old))).id
        target = f"/v1/ceremonies/{copy}/grants"
        other = await here.activated("bob")
        refused = await here.send(other, "POST", target, idempotency="patience")
        assert code_of(refused)[1] == "not_found"
    bundle = await here.bundled(old, new)
    assert code_of(await here.redeem(here.key(), bundle, idempotency="again-and-again"))
    assert (await here.redeem(new, bundle, idempotency="again-and-again")).status_code == 201


def prepared(data_dir: Path, random: Random, first: int, count: int) -> list[Waiting]:
    """`count` accounts with a granted copy each, named from `first` on."""
    ready = []
    with open_data_dir(data_dir) as data, data.store.write() as records:
        for number in range(first, first + count):
            old, new = (DeviceKey.generate(random.randbytes) for _ in range(2))
            account = records.add_account(f"user{number}.0", PHONE)
            device = Device(old.kid, old.public, account.name, "old", DeviceState.ACTIVE, slot=1)
            standing = Standing(account, None, [device])
            drawn, cti = random.randbytes(16), random.randbytes(16)
            copy = rules.start(device, standing, [], drawn, records.now, NO_WAIT)
            records.add_device(device)
            records.add_ceremony(copy)
            records.add_grant(cti, copy.id)
            raw = issue_grant(
                data.issuer,
                iss="x",
                cti=cti,
                nbf=records.now // 1000,
                old_public=old.public,
                policy=Policy(),
            )
            bundle = bundle_of(verify_grant(raw, data.issuer.public), old, new)
            ready.append((new, bundle))
    return ready


async def redeem(here: World, new: DeviceKey, bundle: bytes) -> bool:
    """Hand one bundle in: True when told yes, False when the server went away.

    Being told that the key or the grant is used would mean that an answer had been lost.
    """
    try:
        answer = await here.redeem(new, bundle, idempotency=new.kid.hex())
    except httpx2.TransportError:
        return False
    assert answer.status_code == 201, answer.text
    return True


async def redeem_in_turn(here: World, waiting: deque[Waiting]) -> int:
    """One after the other, until the server is gone; how many were told yes."""
    heard = 0
    while waiting:
        one = waiting.popleft()
        if not await redeem(here, *one):
            waiting.append(one)
            break
        heard += 1
    return heard


@pytest.mark.timeout(300)
async def test_killed_at_any_moment_it_loses_nothing_and_does_nothing_twice(
    tmp_path: Path,
) -> None:
    """kill -9 during redemptions, 20 times: what was acknowledged is there, all of it once.

    Each laptop repeats its request until it is answered; in the end every one has heard yes.
    """
    random = Random(2)
    waiting: deque[Waiting] = deque()
    total = acknowledged = interrupted = port = 0
    for _ in range(KILLS):
        waiting.extend(prepared(tmp_path, random, total, MORE))
        total += MORE
        running = await asyncio.to_thread(start_backend, tmp_path, NO_WAIT, port)
        port = running.port
        asyncio.get_running_loop().call_later(random.uniform(0.05, 0.25), running.process.kill)
        lanes = (redeem_in_turn(World(tmp_path, running, number=0), waiting) for _ in range(LANES))
        acknowledged += sum(await asyncio.gather(*lanes))
        running.kill()
        interrupted += bool(waiting)
        assert rows(tmp_path, "redemptions") >= acknowledged
    assert interrupted > KILLS // 2, "the kills came too late to interrupt anything"
    running = await asyncio.to_thread(start_backend, tmp_path, NO_WAIT, port)
    lanes = (redeem_in_turn(World(tmp_path, running, number=0), waiting) for _ in range(LANES))
    acknowledged += sum(await asyncio.gather(*lanes))
    assert running.stop() == 0
    assert acknowledged == total
    assert rows(tmp_path, "redemptions") == rows(tmp_path, "answers") == total
    assert rows(tmp_path, "audit") == total
    assert rows(tmp_path, "devices") == 2 * total
    assert damage(tmp_path / "backend.db") == []
