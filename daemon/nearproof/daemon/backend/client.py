"""One HTTP/1.1 exchange on a connection of its own: h11 over asyncio's TLS.

No pool, no redirects, no proxies, no decoding, nothing from the environment: what is not there
cannot be turned against a laptop, and a laptop that waits for an hour stays small.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import h11

MAX_HEAD: Final = 16 * 1024  # bytes of an answer's head
_CHUNK: Final = 16 * 1024


class NotHttp(Exception):
    """Bytes that are no answer to an HTTP request, or more of them than one of ours can have."""


class CutOff(ConnectionError):
    """The connection ended before the answer was whole."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; header names in lower case, the last of several wins."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


async def exchange(
    url: str,
    context: ssl.SSLContext,
    method: str,
    headers: Mapping[str, str],
    body: bytes,
    limit: int,
) -> Reply:
    """Send one request and read its answer, whose body may have `limit` bytes.

    Raises `ssl.SSLError` from the handshake, other `OSError`s (`CutOff` among them) where the
    connection fails, `NotHttp`.  Takes as long as the server likes: bound it from outside.
    """
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    fixed = {"Host": parts.netloc, "Connection": "close", "Accept-Encoding": "identity"}
    head = {**fixed, **headers}
    if method != "GET":
        head["Content-Length"] = str(len(body))
    request = h11.Request(method=method, target=target, headers=list(head.items()))
    events = (request, h11.Data(body), h11.EndOfMessage())
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    try:
        writer.writelines(connection.send(event) or b"" for event in events)
        await writer.drain()
        return await _reply(connection, reader, limit)
    except ssl.SSLError as error:
        raise CutOff(str(error)) from None  # the handshake had gone well
    finally:
        writer.transport.abort()


async def _reply(connection: h11.Connection, reader: asyncio.StreamReader, limit: int) -> Reply:
    status, headers = 0, dict[str, str]()
    body = bytearray()
    ended = False
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            if ended:
                raise CutOff("the answer was cut off") from None
            raise NotHttp(str(error)) from None
        match event:
            case h11.NEED_DATA:
                data = await reader.read(_CHUNK)
                ended = not data
                connection.receive_data(data)
            case h11.Response():
                status = event.status_code
                headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
            case h11.Data():
                body += event.data
                if len(body) > limit:
                    raise NotHttp(f"an answer of more than {limit} bytes")
            case h11.EndOfMessage():
                return Reply(status, headers, bytes(body))
            case h11.ConnectionClosed():
                raise CutOff("no answer came")
            case h11.InformationalResponse():
                pass
            case _:
                raise NotHttp("not an answer")
