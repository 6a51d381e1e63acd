"""Many clients race for an account's last slot, at several workers on one database."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec

from backend.world import World, backend
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.enrolments import CODE_SIZE, hash_code
from nearproof.daemon.backend.facts import Device
from nearproof.daemon.backend.rules import DAY
from nearproof.daemon.backend.wire import DeviceState

CLIENTS, WORKERS = 50, 4
Desk = tuple[World, httpx2.AsyncClient]
"""A worker, and the clients that have chosen it."""
START = msgspec.json.encode(wire.Start(consent=True, uv=wire.Verification.FINGERPRINT))


@dataclass(frozen=True)
class Round:
    """What one race came to."""

    kind: str
    outcomes: Counter[str]
    winners: int
    reserved: int
    """Slots of the account that are held in the end, by laptops or by an open ceremony."""


@contextmanager
def workers(data: Path, url: str, count: int = WORKERS) -> Iterator[list[World]]:
    """Processes on one database, each on a port of its own: the clients choose."""
    with ExitStack() as stack:
        worlds: list[World] = []
        for _ in range(count):
            process = stack.enter_context(backend(data, database=url))
            worlds.append(World(data, process, database=url))
        yield worlds


async def rounds(worlds: Sequence[World], count: int) -> AsyncIterator[Round]:
    """Races by copies and by invites, in turn."""
    for number in range(count):
        race = _copies if number % 2 == 0 else _invites
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(here.client()) for here in worlds]
            yield await race([*zip(worlds, clients, strict=True)], f"racer{number}")


async def _copies(worlds: Sequence[Desk], account: str) -> Round:
    """Two laptops of the account, each 25 times at once: one copy, which its own laptop finds."""
    first = worlds[0][0]
    keys = two_laptops(first, account)
    attempts = []
    for number in range(CLIENTS):
        here, client = worlds[number % len(worlds)]
        key = keys[number // 2 % 2]  # both laptops at every worker
        attempts.append(here.send(key, "POST", "/v1/ceremonies", START, client=client))
    answers = await asyncio.gather(*attempts)
    ids = {answer.json()["id"] for answer in answers if answer.status_code < 300}
    return Round("copies", outcomes(answers), len(ids), reserved(first, account))


async def _invites(worlds: Sequence[Desk], account: str) -> Round:
    """Fifty laptops with a code each."""
    first = worlds[0][0]
    two_laptops(first, account)
    attempts = []
    for number, code in enumerate(invites(first, account)):
        here, client = worlds[number % len(worlds)]
        key = here.key()
        body = msgspec.json.encode(wire.Activation(code, key.public, "new"))
        attempts.append(here.send(key, "POST", "/v1/activations", body, client=client))
    answers = await asyncio.gather(*attempts)
    won = sum(answer.status_code == 201 for answer in answers)
    return Round("invites", outcomes(answers), won, reserved(first, account))


def two_laptops(here: World, account: str) -> list[DeviceKey]:
    """An account with one slot left."""
    keys = [here.key(), here.key()]
    with here.open() as data, data.store.write(account) as records:
        records.add_account(account, "+4512345678")
        for slot, key in enumerate(keys, 1):
            device = Device(key.kid, key.public, account, "one", DeviceState.ACTIVE, slot=slot)
            records.add_device(device)
    return keys


def invites(here: World, account: str) -> list[str]:
    """A code for each client."""
    drawn = [here.random.randbytes(CODE_SIZE) for _ in range(CLIENTS)]
    codes = [base64.b32encode(each).decode().rstrip("=") for each in drawn]
    with here.open() as data, data.store.write(account) as records:
        for code in codes:
            records.add_invite(hash_code(code), account, records.now + DAY)
    return codes


def outcomes(answers: Sequence[httpx2.Response]) -> Counter[str]:
    """How often each answer was given: a status, or the code of a refusal."""
    said: Counter[str] = Counter()
    for answer in answers:
        code = ""
        with contextlib.suppress(ValueError):
            code = answer.json().get("code", "")
        said[code or str(answer.status_code)] += 1
    return said


def reserved(here: World, account: str) -> int:
    with here.open() as data, data.store.read() as records:
        return len(records.active(account)) + (records.peek_ceremony(account) is not None)
