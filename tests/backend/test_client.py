"""The laptop's HTTP client: one connection for a burst of questions, none between bursts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nearproof.daemon.backend import client as client_module
from nearproof.daemon.backend.certificate import self_signed
from nearproof.daemon.backend.client import Client, CutOff, NotHttp, Reply

Turn = Callable[["Server", str, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A TLS server that keeps its connections, and what it has seen."""

    connections: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # a client has closed one
    targets: list[str] = field(default_factory=list)


def answer(body: str, extra: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def echo(_server: Server, target: str, writer: asyncio.StreamWriter) -> None:
    """Answers with the target, and keeps the connection."""
    writer.write(answer(target))


@asynccontextmanager
async def serving(tmp_path: Path, turn: Turn = echo) -> AsyncIterator[tuple[Server, Client]]:
    server = Server()
    pem = tmp_path / "server.pem"
    pem.write_bytes(self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                target = head.split(" ")[1]
                server.targets.append(target)
                await turn(server, target, writer)
                await writer.drain()
        server.gone.set()
        writer.transport.abort()

    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.load_verify_locations(pem)
    listening = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    client = Client(f"https://127.0.0.1:{port}", trusting)
    try:
        yield server, client
    finally:
        client.close()
        listening.close()


async def ask(client: Client, target: str, limit: int = 100) -> Reply:
    return await client.exchange("GET", target, {}, b"", limit)


async def test_questions_in_a_row_share_a_connection(tmp_path: Path) -> None:
    """One handshake for all of them."""
    async with serving(tmp_path) as (server, client):
        for target in ("/a", "/b", "/c"):
            assert (await ask(client, target)).body == target.encode()
    assert server.connections == 1


async def test_questions_at_once_have_one_each(tmp_path: Path) -> None:
    """Nobody waits for another's answer, and each gets its own."""
    async with serving(tmp_path) as (server, client):
        replies = await asyncio.gather(*(ask(client, f"/{number}") for number in range(4)))
        assert [reply.body for reply in replies] == [b"/0", b"/1", b"/2", b"/3"]
        assert server.connections == 4
        await ask(client, "/5")
    assert server.connections == 4


async def test_nothing_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment without a question the client hangs up by itself."""
    monkeypatch.setattr(client_module, "KEPT", 0.0)
    async with serving(tmp_path) as (server, client):
        await ask(client, "/a")
        await server.gone.wait()
        assert (await ask(client, "/b")).body == b"/b"
    assert server.connections == 2


async def test_a_connection_that_the_server_gave_up_is_replaced(tmp_path: Path) -> None:
    """Whoever asks notices nothing: not of the end, nor of an answer cut off on the old one."""

    async def once(server: Server, target: str, writer: asyncio.StreamWriter) -> None:
        if target == "/cut" and server.targets.count(target) == 1:
            writer.write(answer("whole")[:-2])
            writer.close()
        else:
            writer.write(answer(target))
            if target == "/last":
                writer.close()

    async with serving(tmp_path, once) as (server, client):
        await ask(client, "/last")
        await server.gone.wait()
        assert (await ask(client, "/b")).body == b"/b"
        assert server.connections == 2
        assert (await ask(client, "/cut")).body == b"/cut"
    assert server.connections == 3


async def test_an_answer_cut_off_on_a_new_connection_is_an_error(tmp_path: Path) -> None:
    """The client sends again by itself but once, and only where a kept connection failed."""

    async def cut(_server: Server, _target: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("whole")[:-2])
        writer.close()

    async with serving(tmp_path, cut) as (server, client):
        with pytest.raises(CutOff):
            await ask(client, "/a")
    assert server.targets == ["/a"]


@pytest.mark.parametrize(
    "first", [answer("/a", "Connection: close\r\n"), answer("/a") + answer("for nobody")]
)
async def test_a_connection_that_is_not_clean_is_not_kept(tmp_path: Path, first: bytes) -> None:
    """One that the server ends; one with bytes left over, which would answer the next question."""

    async def turn(_server: Server, target: str, writer: asyncio.StreamWriter) -> None:
        writer.write(first if target == "/a" else answer(target))

    async with serving(tmp_path, turn) as (server, client):
        assert (await ask(client, "/a")).body == b"/a"
        assert (await ask(client, "/b")).body == b"/b"
    assert server.connections == 2


async def test_a_question_given_up_leaves_no_answer_behind(tmp_path: Path) -> None:
    """Cancelled, or refused for its size: what still comes on that connection is nobody's."""
    asked = asyncio.Event()

    async def turn(_server: Server, target: str, writer: asyncio.StreamWriter) -> None:
        if target == "/slow":
            asked.set()
        else:
            writer.write(answer(target))

    async with serving(tmp_path, turn) as (server, client):
        slow = asyncio.ensure_future(ask(client, "/slow"))
        await asked.wait()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        with pytest.raises(NotHttp):
            await ask(client, "/large", limit=2)
        assert (await ask(client, "/b")).body == b"/b"
    assert server.connections == 3
