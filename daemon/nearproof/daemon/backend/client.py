"""HTTP/1.1 with one server: h11 over asyncio's TLS, on a connection kept for a moment.

No pool, no redirects, no proxies, no decoding, nothing from the environment: what is not there
cannot be turned against a laptop.  A handshake costs both sides more than a question, and
questions come in bursts; between them nothing stays open, so that a laptop that waits for an
hour stays small.
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
KEPT: Final = 3.0  # seconds for the next question; the server hangs up after five
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


class Client:
    """Asks the server at `origin` (https://HOST[:PORT])."""

    def __init__(self, origin: str, context: ssl.SSLContext) -> None:
        self._server = urlsplit(origin)
        self._context = context
        self._kept: _Connection | None = None
        self._until: asyncio.TimerHandle | None = None

    async def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, limit: int
    ) -> Reply:
        """Send one request and read its answer, whose body may have `limit` bytes.

        The request must be one that may be sent again, as it is where the server had given up
        the kept connection.  Raises `ssl.SSLError` from the handshake, other `OSError`s
        (`CutOff` among them) where the connection fails, `NotHttp`.  Takes as long as the server
        likes: bound it from outside.
        """
        fixed = {"Host": self._server.netloc, "Accept-Encoding": "identity"}
        head = {**fixed, **headers}
        if method != "GET":
            head["Content-Length"] = str(len(body))
        request = h11.Request(method=method, target=target, headers=list(head.items()))
        if (kept := self._take()) is not None:
            try:
                return await self._ask(kept, request, body, limit)
            except OSError:
                pass
        return await self._ask(await self._connect(), request, body, limit)

    def close(self) -> None:
        """Close what is kept; the next question opens another one."""
        if (kept := self._take()) is not None:
            kept.abort()

    async def _connect(self) -> _Connection:
        host, port = self._server.hostname, self._server.port
        return _Connection(*await asyncio.open_connection(host, port, ssl=self._context))

    async def _ask(
        self, connection: _Connection, request: h11.Request, body: bytes, limit: int
    ) -> Reply:
        try:
            reply = await connection.exchange(request, body, limit)
        except BaseException:
            connection.abort()
            raise
        self.close()  # of two questions at once, the connection of the later answer is kept
        if connection.reusable():
            self._kept = connection
            self._until = asyncio.get_running_loop().call_later(KEPT, self.close)
        else:
            connection.abort()
        return reply

    def _take(self) -> _Connection | None:
        kept, self._kept = self._kept, None
        if self._until is not None:
            self._until.cancel()
        return kept


class _Connection:
    """One connection, and where its conversation stands."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)

    async def exchange(self, request: h11.Request, body: bytes, limit: int) -> Reply:
        """Ask, and read the whole answer."""
        try:
            for event in (request, h11.Data(body), h11.EndOfMessage()):
                self._writer.write(self._http.send(event) or b"")
            await self._writer.drain()
            return await self._reply(limit)
        except ssl.SSLError as error:
            raise CutOff(str(error)) from None  # the handshake had gone well

    def reusable(self) -> bool:
        """Whether both sides are done, and mean to go on; if so, for the next request."""
        if self._reader.at_eof() or self._http.trailing_data[0]:
            return False
        try:
            self._http.start_next_cycle()
        except h11.LocalProtocolError:
            return False
        return True

    def abort(self) -> None:
        """Close it without waiting for anybody."""
        self._writer.transport.abort()

    async def _reply(self, limit: int) -> Reply:
        status, headers = 0, dict[str, str]()
        body = bytearray()
        ended = False
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                if ended:
                    raise CutOff("the answer was cut off") from None
                raise NotHttp(str(error)) from None
            match event:
                case h11.NEED_DATA:
                    data = await self._reader.read(_CHUNK)
                    ended = not data
                    self._http.receive_data(data)
                case h11.Response():
                    status = event.status_code
                    headers = {
                        name.decode(): value.decode("latin-1") for name, value in event.headers
                    }
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
