"""The backend under load: whole ceremonies as laptops ask for them, beside bare health requests.

Each laptop has a TLS connection and signs its requests: clients and server share this machine's
cores.  Argon2id is the laptop's work and is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from figures import Figure, p99

from backend.bundles import bundle_of
from backend.postgres import Cluster, cluster, programs
from backend.world import PHONE, BackendProcess, pin_of, start_backend
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.primitives import hmac_sha256
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.desk import sms_key
from nearproof.daemon.backend.facts import Device
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.wire import DeviceState
from nearproof.daemon.join import Joined
from nearproof.daemon.provider import Provider

CLIENTS, LANES = 2, 4  # processes, and laptops at once in each
POLICY = BackendPolicy(wait=0, newcomer=0)
REQUESTS = 12  # of one ceremony, six a laptop, without the clocks' /v1/info


@dataclass(frozen=True)
class Load:
    """What one server did: each ceremony's seconds, all of them, processor time of the workers,
    health requests a second, MiB a worker."""

    ceremonies: list[float]
    wall: float
    processor: float
    health: float
    memory: list[float]


def measure(*, quick: bool) -> list[Figure]:
    """Ceremonies a second and their p99, on both databases."""
    count = 48 if quick else 400
    figures = _figures("SQLite, 1 worker", _run(count, 1, None), target=20)
    binaries = programs()
    if binaries is None:
        print("PostgreSQL is not installed: measured on SQLite alone", file=sys.stderr)
        return figures
    with cluster(binaries, durable=True) as running:
        for workers in (1, 2, 4):
            name = f"PostgreSQL, {workers} worker{'s' * (workers > 1)}"
            figures += _figures(name, _run(count, workers, running))
    return figures


def _figures(name: str, load: Load, target: float | None = None) -> list[Figure]:
    runs = len(load.ceremonies)
    floor = load.health / REQUESTS
    seconds = sorted(load.ceremonies)
    return [
        Figure(
            f"{name}: ceremonies",
            runs / load.wall,
            "/s",
            runs,
            target=target,
            at_least=True,
            floor=floor,
            floor_name=f"{REQUESTS} health requests",
        ),
        Figure(
            f"  one ceremony, {CLIENTS * LANES} at once", seconds[runs // 2], "s", runs, p95=None
        ),
        Figure("  the same, p99", p99(seconds), "s", runs),
        Figure("  processor time of the server for one", load.processor / runs * 1000, "ms", runs),
        Figure("  memory a worker (PSS)", max(load.memory), "MiB", len(load.memory)),
    ]


def _run(count: int, workers: int, postgres: Cluster | None) -> Load:
    with _folder() as folder:
        database = postgres.database() if postgres else None
        server = start_backend(folder, POLICY, database=database, workers=workers)
        try:
            prepared = _prepared(folder, database, count)
            pids = _workers(server, workers)
            health = _health(server)
            began, before = time.monotonic(), sum(map(_processor, pids))
            with multiprocessing.get_context("fork").Pool(CLIENTS) as clients:
                parts = [(server.joined, prepared[start::CLIENTS]) for start in range(CLIENTS)]
                took = [each for part in clients.starmap(_client, parts) for each in part]
            wall = time.monotonic() - began
            processor = sum(map(_processor, pids)) - before
            return Load(took, wall, processor, health, [_pss(pid) for pid in pids])
        finally:
            server.stop()  # a killed one leaves workers that write for a moment


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # a disk, not memory
        yield Path(folder) / "data"


@dataclass(frozen=True)
class Pair:
    """An active laptop and the one to come (seeds), and what makes its SMS code."""

    account: str
    old: bytes
    new: bytes
    codes: bytes


def _prepared(folder: Path, database: str | None, count: int) -> list[Pair]:
    random = Random(1)  # noqa: S311  # no secret
    pairs = []
    with open_data_dir(folder, database) as data, data.store.write() as records:
        for number in range(count):
            old, new = (DeviceKey.generate(random.randbytes) for _ in range(2))
            name = f"user{number}"
            records.add_account(name, PHONE)
            user = pin_of(old).public
            records.add_device(
                Device(
                    old.kid, old.public, name, "old", DeviceState.ACTIVE, slot=1, user_public=user
                )
            )
            pairs.append(Pair(name, old.seed(), new.seed(), sms_key(data.issuer)))
    return pairs


def _client(joined: Joined, pairs: Sequence[Pair]) -> list[float]:
    waiting = list(pairs)
    took: list[float] = []

    async def lane() -> None:
        while waiting:
            pair = waiting.pop()
            began = time.monotonic()
            await _ceremony(joined, pair)
            took.append(time.monotonic() - began)

    async def lanes() -> None:
        await asyncio.gather(*(lane() for _ in range(LANES)))

    asyncio.run(lanes())
    return took


async def _ceremony(joined: Joined, pair: Pair) -> None:
    old_key, new_key = DeviceKey(pair.old), DeviceKey(pair.new)
    async with Provider(joined, old_key, timeout=60) as old:
        await old.device()
        copy = await old.start_copy(pin_of(old_key))
        grant = await old.grant(copy.id, pin_of(old_key))
    async with Provider(joined, new_key, timeout=60) as new:
        bundle = bundle_of(grant, old_key, new_key)
        begun = await new.redeem(bundle, "new")
        await new.enrolment(begun.id)
        await new.name(begun.id, pair.account)
        drawn = hmac_sha256(pair.codes, bytes.fromhex(begun.id) + b"\1")
        code = f"{int.from_bytes(drawn[:8], 'big') % 10**6:06}"
        await new.check_code(begun.id, code)
        await new.finish(begun.id, pin_of(new_key))


def _health(server: BackendProcess) -> float:
    """Requests a second, asked as the ceremonies are."""
    count = 960
    with multiprocessing.get_context("fork").Pool(CLIENTS) as clients:
        began = time.monotonic()
        clients.starmap(_ask_health, [(server.joined, count // CLIENTS)] * CLIENTS)
        return count / (time.monotonic() - began)


def _ask_health(joined: Joined, count: int) -> None:
    laptops = count // LANES // (REQUESTS // 2)

    async def lane() -> None:
        for _ in range(laptops):
            async with Provider(joined, DeviceKey(os.urandom(32)), timeout=60) as laptop:
                for _ in range(REQUESTS // 2):
                    await laptop.health()

    async def lanes() -> None:
        await asyncio.gather(*(lane() for _ in range(LANES)))

    asyncio.run(lanes())


def _workers(server: BackendProcess, workers: int) -> list[int]:
    pid = server.process.pid
    if workers == 1:
        return [pid]
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _processor(pid: int) -> float:
    """Seconds, in and below the kernel's boundary (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) / 1024
