"""The server against bad input: bounded in size and time, and fit for the next request."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from backend.world import NO_WAIT, World, backend, code_of
from nearproof.daemon.backend import app as app_module
from nearproof.daemon.backend.app import App
from nearproof.daemon.backend.server import Ready, serve
from nearproof.daemon.join import JoinError, JoinLine, client_context

MEGABYTE = 1 << 20


async def raw(here: World, *sent: bytes) -> bytes:
    """Bytes in, bytes out, until the server closes."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", here.backend.port, ssl=client_context(here.backend.joined)
    )
    try:
        for part in sent:
            writer.write(part)
            await writer.drain()
    except ConnectionError:
        pass
    answer = await reader.read(64 * 1024)
    writer.transport.abort()
    return answer


async def test_ten_megabytes_are_refused(here: World) -> None:
    """413 with the verifier's own code, in bounded memory; the next request works."""
    new = here.key()
    response = await here.redeem(new, bytes(10 * MEGABYTE))
    assert code_of(response) == (413, "size", 1)
    started = await here.send(here.key(), "POST", "/v1/ceremonies", bytes(10 * MEGABYTE))
    assert code_of(started) == (413, "too_large", None)
    assert (await here.send(None, "GET", "/v1/info")).status_code == 200


async def test_a_body_without_length_is_refused(here: World) -> None:
    """Chunked: the same bound."""
    head = (
        b"POST /v1/redemptions?label=b HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/cbor\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"1000\r\n" + bytes(0x1000) + b"\r\n"
    answer = await raw(here, head, *[chunk] * 4, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_body_without_end_is_cut_off(here: World) -> None:
    """A client that never stops sending is closed upon, and nobody else notices."""
    head = (
        b"POST /v1/redemptions?label=b HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/cbor\r\nContent-Length: 99999999999\r\n\r\n"
    )
    with suppress(ConnectionError, ssl.SSLError):
        assert b" 413 " in await raw(here, head, *[bytes(MEGABYTE)] * 20)
    assert (await here.send(None, "GET", "/v1/info")).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01" * 100 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /v1/info HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"POST /v1/ceremonies HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused(here: World, sent: bytes) -> None:
    """400 or a closed connection, and the server goes on."""
    answer = await raw(here, sent)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
    assert (await here.send(None, "GET", "/v1/info")).status_code == 200


async def test_clients_that_go_away_leave_nothing_behind(here: World) -> None:
    """Half a body, then gone: fifty times."""
    head = (
        b"POST /v1/redemptions?label=b HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/cbor\r\nContent-Length: 4000\r\n\r\n"
    )
    for _ in range(50):
        _, writer = await asyncio.open_connection(
            "127.0.0.1", here.backend.port, ssl=client_context(here.backend.joined)
        )
        writer.write(head + bytes(100))
        writer.transport.abort()
    assert (await here.send(None, "GET", "/v1/info")).status_code == 200


@pytest.mark.parametrize(
    ("method", "target", "body", "media", "code"),
    [
        ("GET", "/", b"", "", "not_found"),
        ("GET", "/v2/info", b"", "", "not_found"),
        ("GET", "/v1/info/", b"", "", "not_found"),
        ("PUT", "/v1/ceremonies", b"{}", "application/json", "method"),
        ("HEAD", "/v1/info", b"", "", "method"),
        ("POST", "/v1/ceremonies", b"{}", "text/plain", "media_type"),
        ("POST", "/v1/ceremonies", b'{"x": 1}', "application/json", "malformed"),
        ("POST", "/v1/ceremonies", b"[", "application/json", "malformed"),
        ("POST", "/v1/ceremonies", b"\xff", "application/json", "malformed"),
        ("POST", "/v1/activations", b'{"code": 1}', "application/json", "malformed"),
        ("POST", "/v1/ceremonies/zz/cancel", b"{}", "application/json", "not_found"),
        ("POST", "/v1/ceremonies/%2e%2e/cancel", b"{}", "application/json", "not_found"),
        ("POST", "/v1/redemptions", b"x", "application/cbor", "malformed"),
        ("POST", "/v1/redemptions?label=a&label=b", b"x", "application/cbor", "malformed"),
    ],
)
async def test_a_request_that_makes_no_sense_is_told_so(
    here: World, method: str, target: str, body: bytes, media: str, code: str
) -> None:
    """Each with its own code; none is a server error."""
    response = await here.send(await here.activated("alice"), method, target, body, media)
    if method == "HEAD":
        assert response.status_code == 405
    else:
        assert code_of(response)[1] == code


class Unreached:
    """A service that fails when it is asked."""

    def start(self) -> None:
        raise AssertionError


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """MALFORMED when the time for a body is over, however it drips."""
    monkeypatch.setattr(app_module, "BODY_TIMEOUT", 0.01)
    app = App(Unreached())  # type: ignore[arg-type]
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b"", "more_body": True}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/ceremonies",
        "raw_path": b"/v1/ceremonies",
        "query_string": b"",
        "scheme": "https",
        "headers": [(b"content-type", b"application/json")],
    }
    await app.starlette(scope, receive, send)  # type: ignore[arg-type]
    app.close()
    assert sent[0]["status"] == 400


async def test_a_failure_inside_says_nothing_outside(caplog: pytest.LogCaptureFixture) -> None:
    """500 without a detail; the log has the exception."""

    class Broken:
        def info(self) -> None:
            raise RuntimeError("a secret path")

    app = App(Broken())  # type: ignore[arg-type]
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/info",
        "raw_path": b"/v1/info",
        "query_string": b"",
        "scheme": "https",
        "headers": [],
    }
    with caplog.at_level(logging.ERROR):
        await app.starlette(scope, receive, send)  # type: ignore[arg-type]
    app.close()
    assert sent[0]["status"] == 500
    assert b"secret" not in bytes(sent[1]["body"])  # type: ignore[call-overload]
    assert "a secret path" in caplog.text


def test_it_ends_in_order_when_told(tmp_path: Path) -> None:
    """SIGTERM: exit code 0."""
    with backend(tmp_path) as running:
        assert running.stop() == 0


@pytest.mark.parametrize("address", ["a host", "user@host", "høst"])
def test_an_address_that_no_laptop_could_use_is_refused(tmp_path: Path, address: str) -> None:
    """At the start, and not on the first laptop."""
    with pytest.raises(JoinError):
        serve("127.0.0.1", 0, tmp_path, NO_WAIT, ready=print, reached_at=address)


@pytest.mark.parametrize(
    ("host", "reached_at", "named"),
    [
        ("127.0.0.1", None, "127.0.0.1"),
        ("::1", None, "[::1]"),
        ("127.0.0.1", "Laptop.Example", "laptop.example"),
        ("0.0.0.0", "192.0.2.7", "192.0.2.7"),  # noqa: S104  the wildcard is what is tested
    ],
)
def test_the_join_line_names_what_laptops_can_reach(
    tmp_path: Path, host: str, reached_at: str | None, named: str
) -> None:
    """The address listened on, or the one that the operator gave."""
    seen: list[Ready] = []

    def ready(ready: Ready) -> None:
        seen.append(ready)
        signal.raise_signal(signal.SIGTERM)

    serve(host, 0, tmp_path, NO_WAIT, ready=ready, reached_at=reached_at)
    assert JoinLine.parse(seen[0].join).url == seen[0].url
    assert seen[0].url.rpartition(":")[0] == f"https://{named}"
