"""The join line, strictly read, and the certificate that it pins."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.liar import ISSUER, http, liar, says
from backend.world import World
from nearproof.daemon.backend.certificate import self_signed
from nearproof.daemon.join import (
    MAX_LINE,
    Joined,
    JoinError,
    JoinLine,
    JoinReason,
    check_origin,
    join,
    parse_issuer,
)

PIN = "A" * 43
KEY = str(JoinLine("https://h:1", bytes(32), ISSUER.public)).rpartition("ed25519:")[2]
GOOD = f"NEARPROOF-JOIN https://host.example:8443 sha256:{PIN} ed25519:{KEY}"


@given(st.binary(min_size=32, max_size=32), st.integers(1, 65535))
def test_a_line_reads_back_as_it_was_written(pin: bytes, port: int) -> None:
    """Any pin, any port, surrounding space or a line's end."""
    line = JoinLine(f"https://[2001:db8::1]:{port}", pin, ISSUER.public)
    assert JoinLine.parse(str(line)) == JoinLine.parse(f"  {line}\n") == line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "NEARPROOF-JOIN",
        GOOD.replace("NEARPROOF-JOIN", "nearproof-join"),
        GOOD + " more",
        GOOD.replace("https:", "http:"),
        GOOD.replace(":8443", ""),
        GOOD.replace(":8443", ":0"),
        GOOD.replace(":8443", ":99999"),
        GOOD.replace(":8443", ":8443/"),
        GOOD.replace("host.example", "user@host.example"),
        GOOD.replace("host.example", "HOST.example"),
        GOOD.replace("host.example", "høst.example"),
        GOOD.replace("https://host.example", "https://"),
        GOOD.replace("https://host.example", "https://[::1"),
        GOOD.replace("sha256:", "sha512:"),
        GOOD.replace(PIN, PIN[:-1]),
        GOOD.replace(PIN, PIN + "="),
        GOOD.replace(PIN, PIN[:-1] + "B"),
        GOOD.replace(PIN, "+" * 43),
        GOOD.replace(PIN, "é" * 43),
        GOOD.replace(KEY, "A" * 43),
        GOOD.replace("ed25519:", "sha256:"),
        GOOD + " " * MAX_LINE,
    ],
)
def test_anything_else_is_malformed(line: str) -> None:
    """MALFORMED: nothing is guessed, and a small-order issuer key is no key."""
    with pytest.raises(JoinError) as caught:
        JoinLine.parse(line)
    assert caught.value.reason is JoinReason.MALFORMED


@given(st.text(max_size=600))
def test_no_text_does_worse_than_malformed(text: str) -> None:
    """Whatever is pasted."""
    for read in (JoinLine.parse, parse_issuer, check_origin):
        with pytest.raises(JoinError):
            read(text)


async def test_joining_pins_the_certificate_and_the_issuer(here: World) -> None:
    """What is stored is the server's own certificate and the line's issuer key."""
    joined = await join(here.backend.line)
    assert joined == here.backend.joined
    assert Joined.from_dict(joined.to_dict()) == joined


async def test_another_certificate_than_the_pinned_one_is_not_joined(tmp_path: Path) -> None:
    """WRONG_CERTIFICATE, and the server was asked nothing."""
    seen: list[str] = []
    async with liar(tmp_path, says(http(200, b"")), seen=seen) as server:
        line = JoinLine(server.url, hashlib.sha256(b"another").digest(), ISSUER.public)
        with pytest.raises(JoinError) as caught:
            await join(str(line))
    assert caught.value.reason is JoinReason.WRONG_CERTIFICATE
    assert seen == []


async def test_a_server_that_speaks_no_tls_is_not_joined() -> None:
    """WRONG_CERTIFICATE: something answers there, but not this backend."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(JoinError) as caught:
        await join(str(JoinLine(f"https://127.0.0.1:{port}", bytes(32), ISSUER.public)))
    server.close()
    assert caught.value.reason is JoinReason.WRONG_CERTIFICATE


@pytest.mark.parametrize("ending", ["closed", "cut"])
async def test_a_server_that_is_down_is_unreachable(ending: str) -> None:
    """UNREACHABLE, also when it goes away in the middle of the handshake."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if ending == "closed":
        server.close()
    with pytest.raises(JoinError) as caught:
        await join(str(JoinLine(f"https://127.0.0.1:{port}", bytes(32), ISSUER.public)))
    server.close()
    assert caught.value.reason is JoinReason.UNREACHABLE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://host:1"),
        ("certificate", "damaged"),
        ("certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("issuer", "AAAA"),
        ("issuer", 1),
    ],
)
def test_what_was_stored_is_checked_when_it_is_read(field: str, value: object) -> None:
    """MALFORMED: a damaged file never makes a client that trusts less or more."""
    pem, _, _ = self_signed().decode().partition("-----BEGIN PRIVATE")
    good = Joined("https://host:1", pem, ISSUER.public).to_dict()
    with pytest.raises(JoinError) as caught:
        Joined.from_dict({**good, field: value})
    assert caught.value.reason is JoinReason.MALFORMED


def test_the_certificate_has_no_end_and_signs_no_other() -> None:
    """A laptop with a dead clock still connects; the key behind it vouches for itself alone."""
    pem, _, _ = self_signed().decode().partition("-----BEGIN PRIVATE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    assert context.get_ca_certs() == []  # what `ssl` lists there are CAs
    assert context.cert_store_stats()["x509"] == 1
