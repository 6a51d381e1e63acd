"""What the backend's tests stand on: real server processes, real keys, real bundles."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import httpx2
import msgspec

from backend.bundles import bundle_of
from nearproof.crypto.grant import Grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.primitives import sha256
from nearproof.crypto.userkey import UserKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.admin import invite, revoke
from nearproof.daemon.backend.data_dir import DataDir, open_data_dir
from nearproof.daemon.backend.desk import sms_key
from nearproof.daemon.backend.enrolling import sms_code
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.signatures import IDEMPOTENCY_KEY, sign
from nearproof.daemon.join import Joined, JoinLine, client_context
from nearproof.daemon.provider import Provider

CHILD = Path(__file__).with_name("child.py")
NO_WAIT = BackendPolicy(wait=0, newcomer=0)
PHONE = "+4512345678"

_worlds = count(1)


@dataclass
class BackendProcess:
    """One running server; `joined` is what a laptop has after its join line."""

    process: subprocess.Popen[bytes]
    url: str
    line: str
    joined: Joined

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it is gone."""
        self.process.kill()
        self._gone()

    def stop(self) -> int:
        """End it in order (SIGTERM); its exit code."""
        self.process.terminate()
        return self._gone()

    def _gone(self) -> int:
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def start_backend(
    data_dir: Path,
    policy: BackendPolicy = NO_WAIT,
    port: int = 0,
    database: str | None = None,
    workers: int = 1,
) -> BackendProcess:
    """Start a server on this folder; returns when it answers."""
    chosen = msgspec.json.encode(policy).decode()
    process = subprocess.Popen(
        [sys.executable, CHILD, data_dir, chosen, str(port), database or "", str(workers)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = msgspec.json.decode(process.stdout.readline())
    assert ready["event"] == "ready"
    assert ready["pid"] == process.pid
    pem, _, _ = (data_dir / "tls.pem").read_text().partition("-----BEGIN PRIVATE")
    joined = Joined(ready["url"], pem, JoinLine.parse(ready["join"]).issuer)
    return BackendProcess(process, ready["url"], ready["join"], joined)


@contextmanager
def backend(
    data_dir: Path, policy: BackendPolicy = NO_WAIT, *, database: str | None = None
) -> Iterator[BackendProcess]:
    """A server for as long as the block runs."""
    running = start_backend(data_dir, policy, database=database)
    try:
        yield running
    finally:
        running.kill()


@dataclass
class World:
    """One test's view of a backend: its own users, their laptops and keys."""

    data_dir: Path
    backend: BackendProcess
    policy: BackendPolicy = NO_WAIT
    number: int = field(default_factory=lambda: next(_worlds))
    database: str | None = None

    def __post_init__(self) -> None:
        # A name, so that no `Hands` on the same database draws the same keys.
        self.random = Random(f"world {self.number}")

    def name(self, account: str) -> str:
        """This test's user of that name: tests that share a server share no account."""
        return f"{account}.{self.number}"

    def key(self) -> DeviceKey:
        return DeviceKey.generate(self.random.randbytes)

    def laptop(self, key: DeviceKey) -> Provider:
        return Provider(self.backend.joined, key)

    def open(self) -> AbstractContextManager[DataDir]:
        """The server's own folder and database."""
        return open_data_dir(self.data_dir, self.database)

    def invite(self, account: str) -> str:
        name = self.name(account)
        return invite(self.data_dir, name, self.policy, phone=PHONE, database=self.database)

    def revoke(self, key: DeviceKey) -> None:
        revoke(self.data_dir, key.kid, database=self.database)

    def sms_code(self, enrolment: str) -> str:
        """The code in force, as the SMS says it."""
        with self.open() as data, data.store.read() as records:
            ceremony = records.ceremony(bytes.fromhex(enrolment))
            assert ceremony is not None
            return sms_code(sms_key(data.issuer), ceremony)

    async def confirm(self, laptop: Provider, enrolment: str, key: DeviceKey) -> wire.Enrolment:
        """The SMS code and the PIN: the laptop is active."""
        await laptop.check_code(enrolment, self.sms_code(enrolment))
        return await laptop.finish(enrolment, pin_of(key))

    async def activated(self, account: str) -> DeviceKey:
        """A laptop that an account has got by invite."""
        key = self.key()
        async with self.laptop(key) as laptop:
            begun = await laptop.activate(self.invite(account), f"laptop of {account}")
            await laptop.send_code(begun.id)
            await self.confirm(laptop, begun.id, key)
        return key

    async def granted(self, old: DeviceKey) -> Grant:
        """A grant for one QR of a laptop that is enrolled."""
        async with self.laptop(old) as laptop:
            return await laptop.grant((await laptop.start_copy(pin_of(old))).id, pin_of(old))

    async def bundled(self, old: DeviceKey, new: DeviceKey) -> bytes:
        """A bundle that holds, under a grant of the running ceremony."""
        return bundle_of(await self.granted(old), old, new)

    async def copied(self, old: DeviceKey, account: str = "alice", label: str = "new") -> DeviceKey:
        """Another laptop of the account, by a whole copy."""
        new = self.key()
        bundle = await self.bundled(old, new)
        async with self.laptop(new) as laptop:
            begun = await laptop.redeem(bundle, label)
            await laptop.name(begun.id, self.name(account))
            await self.confirm(laptop, begun.id, new)
        return new

    def client(self) -> httpx2.AsyncClient:
        """Plain HTTP to the server, for what no client of ours would send."""
        return httpx2.AsyncClient(
            verify=client_context(self.backend.joined), trust_env=False, timeout=30
        )

    async def send(
        self,
        key: DeviceKey | None,
        method: str,
        target: str,
        body: bytes = b"{}",
        media: str = wire.JSON,
        idempotency: str = "",
        client: httpx2.AsyncClient | None = None,
    ) -> httpx2.Response:
        """One request as it is, signed by `key`, or by nobody: no retries, no judgement.

        `client` is one of `client()` that is used again, for many requests at once.
        """
        headers, content = {}, b""
        if method != "GET":
            content = body
            headers = {
                "Content-Type": media,
                IDEMPOTENCY_KEY: idempotency or self.random.randbytes(16).hex(),
            }
        url = self.backend.url + target
        if key is not None:
            headers = sign(key, method, url, headers, content, int(time.time()))
        if client is not None:
            return await client.request(method, url, headers=headers, content=content)
        async with self.client() as own:
            return await own.request(method, url, headers=headers, content=content)

    async def redeem(
        self,
        signer: DeviceKey | None,
        bundle: bytes,
        label: str = "new laptop",
        idempotency: str = "",
    ) -> httpx2.Response:
        """A redemption as `send` sends it."""
        target = f"/v1/redemptions?{urlencode({'label': label})}"
        return await self.send(signer, "POST", target, bundle, wire.BUNDLE, idempotency)


def damage(database: Path) -> list[tuple[object, ...]]:
    """What SQLite itself finds wrong with the file: pages, indexes, constraints, foreign keys."""
    with closing(sqlite3.connect(database)) as connection:
        whole = connection.execute("PRAGMA integrity_check").fetchall()
        return [row for row in whole if row != ("ok",)] + connection.execute(
            "PRAGMA foreign_key_check"
        ).fetchall()


def pin_of(key: DeviceKey, pin: str = "839274") -> UserKey:
    """The user key of a PIN on this laptop, without the work that makes guessing slow."""
    return UserKey(sha256(key.seed() + pin.encode()))


def code_of(response: httpx2.Response) -> tuple[int, str, int | None]:
    """Status, code and step of a refusal."""
    assert response.headers["content-type"] == wire.PROBLEM, response.text
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    return response.status_code, problem["code"], problem.get("step")
