"""A server that is not the backend: TLS with a certificate of ours, and whatever it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.certificate import self_signed
from nearproof.daemon.join import Joined

Script = Callable[[str, asyncio.StreamWriter], Awaitable[None]]  # answers one request line

ISSUER = DeviceKey(bytes(range(32)))


def http(status: int, body: bytes, media: str = wire.JSON, extra: str = "") -> bytes:
    """One whole HTTP response."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{extra}Connection: close\r\n\r\n".encode() + body


def info(issuer: bytes = ISSUER.public, service: str = wire.SERVICE, api: int = 1) -> bytes:
    """The answer to `GET /v1/info`."""
    return http(200, msgspec.json.encode(wire.Info(service, api, issuer, 1_800_000_000)))


def says(*answers: bytes) -> Script:
    """Introduces itself as the backend, and answers everything else with these in turn."""
    left = list(answers)

    async def script(request: str, writer: asyncio.StreamWriter) -> None:
        honest = request.startswith("GET /v1/info")
        writer.write(info() if honest else left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return script


@asynccontextmanager
async def liar(
    tmp_path: Path, script: Script, *, seen: list[str] | None = None
) -> AsyncIterator[Joined]:
    """Run the script for every request; yields what a laptop that has joined it believes."""
    certificate = tmp_path / "liar.pem"
    certificate.write_bytes(self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if seen is not None:
                seen.append(head)
            await script(head.partition("\r\n")[0], writer)
        writer.transport.abort() if writer.is_closing() else writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    pem, _, _ = certificate.read_text().partition("-----BEGIN PRIVATE")
    try:
        yield Joined(f"https://127.0.0.1:{port}", pem, ISSUER.public)
    finally:
        server.close()
