"""The socket against raw bytes, and against the reference implementation's own client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from control.running import daemon
from nearproof.config.home import Home
from nearproof.daemon.console import InputNeeded
from nearproof.daemon.control import interface as io
from nearproof.daemon.control.front import FarFront
from nearproof.daemon.control.laptopd import LaptopService
from nearproof.daemon.control.serving import Connections, Method, Say
from nearproof.daemon.control.sockets import dial
from nearproof.daemon.control.varlink import MAX_CALL, MAX_UNREAD, Call, Link

NAME = io.INTERFACE


class Wire:
    """A client that knows bytes alone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, message: Any) -> None:
        self.writer.write(json.dumps(message).encode() + b"\0")

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            message = await self.reader.readuntil(b"\0")
        reply: dict[str, Any] = json.loads(message[:-1])
        return reply

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.send({"method": f"{NAME}.{method}", "parameters": parameters})
        return await self.receive()

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def ended(self) -> bool:
        async with asyncio.timeout(30):
            return await self.reader.read() == b""


class Service:
    """Methods of the test's own, and what became of them."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.stopped = asyncio.Event()
        self.front: FarFront | None = None

    async def streams(self, takes: io.Prove, say: Say, link: Link) -> io.SaidReply:
        try:
            say(io.SaidReply(io.Said("c", text="hello")))
            self.running.set()
            await asyncio.Event().wait()
            raise AssertionError
        finally:
            self.stopped.set()

    async def floods(self, takes: io.Nothing, say: Say, link: Link) -> io.SaidReply:
        try:
            while True:
                say(io.SaidReply(io.Said("c", text="x" * 100_000)))
                await asyncio.sleep(0)
        finally:
            self.stopped.set()

    async def asks(self, takes: io.Nothing, say: Say, link: Link) -> io.SaidReply:
        self.front = FarFront("c", lambda said: say(io.SaidReply(said)), link.busy)
        pin = await self.front.ask("pin", "5", hidden=True, tries=3)
        return io.SaidReply(io.Said("c", text=f"{len(pin)} digits"))

    async def breaks(self, takes: io.Nothing, say: Say, link: Link) -> io.Nothing:
        raise FileNotFoundError(2, "No such file", "x")

    async def slow(self, takes: io.Revoke, say: Say, link: Link) -> io.Revoke:
        await asyncio.sleep(0.05)
        return takes

    def methods(self) -> dict[str, Method]:
        return {
            "Streams": Method(io.Prove, self.streams, streams=True),
            "Floods": Method(io.Nothing, self.floods, streams=True),
            "Asks": Method(io.Nothing, self.asks, streams=True),
            "Breaks": Method(io.Nothing, self.breaks),
            "Slow": Method(io.Revoke, self.slow),
        }


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def connections(service: Service) -> AsyncIterator[Connections]:
    connections = Connections(service.methods())
    yield connections
    await connections.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks were left behind"


@pytest.fixture
async def connect(connections: Connections) -> AsyncIterator[Callable[[], Any]]:
    async with contextlib.AsyncExitStack() as stack:

        async def connect() -> Wire:
            ours, theirs = socket.socketpair()
            connections.take(theirs)
            wire = Wire(*await asyncio.open_unix_connection(sock=ours, limit=1 << 24))
            stack.push_async_callback(wire.close)
            return wire

        yield connect


@pytest.fixture
async def wire(connect: Callable[[], Any]) -> Wire:
    made: Wire = await connect()
    return made


# -- what Varlink says ----------------------------------------------------------------------


async def test_it_tells_who_it_is(wire: Wire) -> None:
    """`org.varlink.service` is there: five facts, and the description of both interfaces."""
    wire.send({"method": "org.varlink.service.GetInfo"})
    info = (await wire.receive())["parameters"]
    assert set(info) == {"vendor", "product", "version", "url", "interfaces"}
    assert info["interfaces"] == ["org.varlink.service", NAME]
    for interface in info["interfaces"]:
        wire.send(
            {
                "method": "org.varlink.service.GetInterfaceDescription",
                "parameters": {"interface": interface},
            }
        )
        described = (await wire.receive())["parameters"]["description"]
        assert f"\ninterface {interface}\n" in described


async def test_calls_are_answered_in_their_order(wire: Wire) -> None:
    """However they are cut into pieces; a `oneway` call gets no answer."""
    stream = b""
    for number in range(4):
        call: dict[str, Any] = {"method": f"{NAME}.Slow", "parameters": {"kid": str(number)}}
        if number == 1:
            call["oneway"] = True
        stream += json.dumps(call).encode() + b"\0"
    for byte in stream:
        wire.writer.write(bytes([byte]))
        await wire.writer.drain()
    for expected in ("0", "2", "3"):
        assert (await wire.receive())["parameters"] == {"kid": expected}


async def test_a_call_before_the_end_is_still_answered(wire: Wire) -> None:
    """A client that says everything first and closes its half, as `socat` does."""
    wire.send({"method": f"{NAME}.Slow", "parameters": {"kid": "k"}})
    wire.writer.write_eof()
    assert (await wire.receive())["parameters"] == {"kid": "k"}
    assert await wire.ended()


@pytest.mark.parametrize(
    ("call", "error", "parameters"),
    [
        ({"method": "x.y.Z"}, "InterfaceNotFound", {"interface": "x.y"}),
        ({"method": "Z"}, "InterfaceNotFound", {"interface": ""}),
        ({"method": f"{NAME}.Z"}, "MethodNotFound", {"method": f"{NAME}.Z"}),
        ({"method": f"{NAME}.Slow"}, "InvalidParameter", {"parameter": "kid"}),
        (
            {"method": f"{NAME}.Slow", "parameters": {"kid": 1}},
            "InvalidParameter",
            {"parameter": "kid"},
        ),
        (
            {"method": f"{NAME}.Slow", "parameters": {"kid": "", "other": 1}},
            "InvalidParameter",
            {"parameter": "other"},
        ),
        (
            {"method": f"{NAME}.Slow", "parameters": []},
            "InvalidParameter",
            {"parameter": "parameters"},
        ),
        ({"method": f"{NAME}.Streams"}, "ExpectedMore", {}),
    ],
)
async def test_a_call_that_is_none_of_ours_is_refused_by_name(
    wire: Wire, call: Any, error: str, parameters: Any
) -> None:
    """With Varlink's own errors; the connection goes on."""
    wire.send(call)
    reply = await wire.receive()
    assert reply["error"] == f"org.varlink.service.{error}"
    assert reply.get("parameters", {}) == parameters
    assert (await wire.call("Slow", kid="k"))["parameters"] == {"kid": "k"}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0",
        b"no json\0",
        b"[]\0",
        b'{"method": 7}\0',
        b"\xff\xfe\0",
        b'{"method": "x.Y", "parameters": ' + b"[" * 20_000 + b"\0",
        b"x" * (MAX_CALL + 1),
        (json.dumps({"method": f"{NAME}.Slow", "parameters": {"kid": "k"}}) + "\0").encode() * 999,
    ],
    ids=["nothing", "text", "array", "types", "not UTF-8", "nested", "endless", "a thousand calls"],
)
async def test_garbage_is_answered_and_dropped(connect: Callable[[], Any], garbage: bytes) -> None:
    """It ends that connection and no other."""
    hostile, honest = await connect(), await connect()
    hostile.writer.write(garbage)
    while "error" not in (reply := await hostile.receive()):
        assert reply["parameters"] == {"kid": "k"}
    assert reply["parameters"] == {"parameter": "message"}
    with contextlib.suppress(ConnectionError):  # reset: what it had still to say is not read
        await hostile.ended()
    assert (await honest.call("Slow", kid="k"))["parameters"] == {"kid": "k"}


async def test_a_failure_travels_whole(wire: Wire) -> None:
    """Reason, exit code, whose mistake, and the sentence in both languages."""
    reply = await wire.call("Breaks")
    assert reply["error"] == f"{NAME}.Failed"
    failure = reply["parameters"]["failure"]
    assert (failure["reason"], failure["exit"], failure["whose"]) == (
        "NoSuchFile",
        2,
        "yours",
    )
    assert "no such file: x" in failure["en"] and failure["da"] != failure["en"]


# -- clients that go ------------------------------------------------------------------------


async def test_who_vanishes_stops_what_it_had_asked_for(wire: Wire, service: Service) -> None:
    """Its connection is its hold on the method."""
    wire.send({"method": f"{NAME}.Streams", "more": True})
    await service.running.wait()
    wire.writer.transport.abort()
    async with asyncio.timeout(30):
        await service.stopped.wait()


async def test_who_closes_its_half_hears_the_last_words(wire: Wire, service: Service) -> None:
    """As Ctrl-C does: the method is stopped, and says how it ended."""
    wire.send({"method": f"{NAME}.Streams", "more": True})
    assert (await wire.receive())["continues"]
    wire.writer.write_eof()
    last = await wire.receive()
    assert service.stopped.is_set()
    assert (last["error"], last["parameters"]["failure"]["exit"]) == (f"{NAME}.Failed", 19)


async def test_who_does_not_read_is_dropped(wire: Wire, service: Service) -> None:
    """What waits for a client is bounded."""
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    wire.send({"method": f"{NAME}.Floods", "more": True})
    async with asyncio.timeout(60):
        await service.stopped.wait()
    assert MAX_UNREAD < 16 << 20


async def test_the_end_of_the_service_is_told(
    wire: Wire, service: Service, connections: Connections
) -> None:
    """A running method is stopped and fails with the reason given."""
    wire.send({"method": f"{NAME}.Streams", "more": True})
    await service.running.wait()
    await connections.close(TimeoutError("gone"))
    assert (await wire.receive())["continues"]
    assert (await wire.receive())["error"] == f"{NAME}.Failed"


@pytest.mark.parametrize("uid", [1, 4_000_000_000])
async def test_another_user_is_turned_away(
    connect: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, uid: int
) -> None:
    """Root is another user too: here the test's process is, as this service sees it."""
    monkeypatch.setattr("os.getuid", lambda: os.geteuid() + uid)
    wire = await connect()
    assert await wire.ended()


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
async def test_another_users_process_is_turned_away(tmp_path: Path, runtime: Path) -> None:
    """The kernel's word, not the folder's mode alone: here the folder lets everybody in."""
    async with daemon(tmp_path / "home", runtime):
        path = next((runtime / "nearproof").iterdir())
        for each in (runtime, path.parent):
            each.chmod(0o755)
        path.chmod(0o777)
        script = (
            "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
            's.connect(sys.argv[1]); s.send(b\'{"method":"org.varlink.service.GetInfo"}\\0\');'
            "sys.exit(len(s.recv(99)))"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", script, str(path), stderr=subprocess.PIPE
        )
        _, err = await process.communicate()
        # Nothing came: the end, or a reset because the call was not read.
        assert process.returncode == 0 or b"ConnectionResetError" in err or b"BrokenPipe" in err
        link = await dial(path)  # its own user is still served
        assert link is not None
        await link.close()


# -- questions ------------------------------------------------------------------------------


async def test_a_question_is_answered_once(wire: Wire, service: Service) -> None:
    """By its number; nobody else's answer counts."""
    wire.send({"method": f"{NAME}.Asks", "more": True})
    asked = (await wire.receive())["parameters"]["said"]["asked"]
    assert asked == {
        "number": 1,
        "what": "pin",
        "step": "5",
        "hidden": True,
        "fields": {"tries": 3},
    }
    assert service.front is not None
    assert not service.front.answer(2, "123456")
    assert service.front.answer(1, "123456")
    assert not service.front.answer(1, "654321")
    assert (await wire.receive())["parameters"]["said"]["text"] == "6 digits"


async def test_nobody_to_answer_is_an_ending(wire: Wire, service: Service) -> None:
    """As `--no-input` says it."""
    wire.send({"method": f"{NAME}.Asks", "more": True})
    await wire.receive()
    assert service.front is not None and service.front.answer(1, None)
    failure = (await wire.receive())["parameters"]["failure"]
    assert failure["reason"] == InputNeeded.__name__


async def test_a_question_that_is_dropped_says_so(wire: Wire) -> None:
    """The client need not wait for its person any more."""
    wire.send({"method": f"{NAME}.Asks", "more": True})
    await wire.receive()
    wire.writer.write_eof()
    assert (await wire.receive())["parameters"]["said"]["dropped"] == 1


async def test_an_answer_to_nothing_is_refused(tmp_path: Path) -> None:
    """Its command or its number is unknown."""
    service = LaptopService(Home(tmp_path), daemon=False, changed=lambda: None)
    connections = Connections(service.methods())
    ours, theirs = socket.socketpair()
    connections.take(theirs)
    wire = Wire(*await asyncio.open_unix_connection(sock=ours))
    reply = await wire.call("Answer", command="c", question=1, value="123456")
    assert reply["error"] == f"{NAME}.NoSuchQuestion"
    reply = await wire.call("NewCopy", proof="relative/path")
    assert reply["error"] == "org.varlink.service.ExpectedMore"
    wire.send({"method": f"{NAME}.NewCopy", "parameters": {"proof": "relative"}, "more": True})
    assert (await wire.receive())["parameters"] == {"parameter": "proof"}
    await wire.close()
    await connections.close()


def test_nothing_secret_shows_in_a_repr() -> None:
    """Whatever logs or raises them."""
    canary = "canary-839274"
    raw = msgspec.Raw(json.dumps({"value": canary}).encode())
    for message in (
        io.Answer("c", 1, canary),
        io.Said("c", qr=canary, text=canary),
        io.Told(canary, "", {"code": canary}),
        io.SaidReply(io.Said("c", qr=canary)),
        Call("x.Y", raw),
    ):
        assert canary not in repr(message)
