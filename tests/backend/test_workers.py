"""Several processes on one socket, and an end in order: requests in hand are answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from backend.postgres import Cluster
from backend.world import NO_WAIT, BackendProcess, World, backend, start_backend
from nearproof.daemon.backend.errors import WorkerDied
from nearproof.daemon.backend.workers import run_workers
from nearproof.daemon.join import client_context


@contextmanager
def staffed(data: Path, database: str | None, workers: int) -> Iterator[BackendProcess]:
    running = start_backend(data, NO_WAIT, database=database, workers=workers)
    try:
        yield running
    finally:
        running.kill()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def replaced(parent: int, killed: int) -> list[int]:
    """The four workers, once another one is there for the one that was killed."""
    until = time.monotonic() + 30
    while killed in (now := children(parent)) or len(now) < 4:
        assert time.monotonic() < until
        time.sleep(0.05)  # nobody tells
    return now


async def gone(pid: int) -> None:
    """Wait until the process is no more."""
    descriptor = os.pidfd_open(pid)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    async with asyncio.timeout(30):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_workers_share_the_socket_and_are_replaced(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Whole ceremonies at four workers; one that is killed is replaced; SIGTERM ends them all."""
    cluster: Cluster = request.getfixturevalue("postgres")
    url = cluster.database() if kind == "postgresql" else None
    with staffed(tmp_path / "data", url, 4) as running:
        here = World(tmp_path / "data", running, database=url)
        first = children(running.process.pid)
        assert len(first) == 4
        old = await here.activated("alice")
        os.kill(first[0], signal.SIGKILL)
        new = await here.copied(old)
        now = await asyncio.to_thread(replaced, running.process.pid, first[0])
        async with here.laptop(new) as laptop:
            assert len(await laptop.devices()) == 2
        assert running.stop() == 0
        for pid in now:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


async def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """kill -9 of the parent: nobody is left who answers."""
    with staffed(tmp_path / "data", None, 2) as running:
        pids = children(running.process.pid)
        running.kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                await gone(pid)


def test_a_worker_that_cannot_start_is_an_error() -> None:
    """And the others are ended."""
    started: list[int] = []

    def ready() -> None:
        started.append(1)

    def work(_told: Callable[[], None]) -> None:
        os._exit(3)

    with pytest.raises(WorkerDied):
        run_workers(2, work, ready)
    assert started == []


async def test_a_request_in_hand_is_answered(tmp_path: Path) -> None:
    """SIGTERM between head and body: nobody new is let in, and the request gets its answer."""
    with backend(tmp_path) as running:
        head = (
            f"POST /v1/ceremonies HTTP/1.1\r\nHost: {running.url.removeprefix('https://')}\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        context = client_context(running.joined)
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=context)
        writer.write(head.encode())
        assert b"100" in await reader.readuntil(b"\r\n\r\n")  # from here on it is in hand
        running.process.terminate()
        await asyncio.to_thread(refused, running.port)
        writer.write(b"{}")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 400")  # malformed: an answer of the service's own
        assert b'"code":"malformed"' in answer
        assert await asyncio.to_thread(running.process.wait, 10) == 0
        writer.close()


def refused(port: int) -> None:
    """Wait until nobody listens there."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("it still listens")


async def test_health_says_whether_the_database_answers(tmp_path: Path, postgres: Cluster) -> None:
    """200 and how many SMS wait; 503 while the database is away, 200 again when it is back."""
    url = postgres.database()
    with backend(tmp_path, database=url) as running:
        here = World(tmp_path, running, database=url)

        async def health() -> tuple[int, object]:
            answer = await here.send(None, "GET", "/v1/health")
            return answer.status_code, answer.json().get("status")

        assert await health() == (200, "ok")
        postgres.close(url)
        assert await health() == (503, 503)
        postgres.close(url, again=True)
        assert await health() == (200, "ok")


def test_the_command_takes_workers(tmp_path: Path) -> None:
    """`backend serve --workers 2 --json`: one ready line, and an end in order."""
    command = [sys.executable, "-m", "nearproof.daemon", "backend", "serve", "--json"]
    options = ["--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--workers", "2"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert msgspec.json.decode(process.stdout.readline())["event"] == "backend_ready"
        process.terminate()
        assert process.stdout.read() == b""
        assert process.wait(30) == 0
