"""The service over HTTP: routes, bounded bodies, problem details.

Handlers run the blocking service in a few threads.  One log line a request: its route and what
came of it, never its query.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from nearproof.crypto.errors import RefusalCode, VerificationError
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.databases import THREADS
from nearproof.daemon.backend.exchange import Answer, Request, json_answer, problem_answer
from nearproof.daemon.backend.facts import Problem
from nearproof.daemon.backend.service import Service
from nearproof.daemon.backend.signatures import HttpMessage
from nearproof.daemon.backend.wire import ServiceCode

BODY_TIMEOUT: Final = 10.0  # seconds for a request's whole body
MAX_DISCARDED: Final = 16 << 20  # bytes of a body that is too large
MAX_WAIT: Final = 25  # seconds that a question for events may stay open
EVENT_POLL: Final = 0.5  # seconds between looks for them

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class App:
    """The routes of one service; `starlette` is the ASGI application."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.stopping = asyncio.Event()
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="backend")
        self.starlette = Starlette(
            routes=[_route(method, path, self._handler(of), self) for method, path, of in ROUTES],
            exception_handlers={HTTPException: _no_such_route},
        )
        self.starlette.router.redirect_slashes = False  # a client of ours follows no redirect

    def close(self) -> None:
        """Wait for the work in hand."""
        self.threads.shutdown()

    async def info(self, _http: HttpRequest) -> Answer:
        """GET /v1/info."""
        return await self._run(self._service.info)

    async def policy(self, _http: HttpRequest) -> Answer:
        """GET /v1/policy."""
        return await self._run(self._service.policy)

    async def health(self, _http: HttpRequest) -> Answer:
        """GET /v1/health."""
        return await self._run(self._service.health)

    async def redeem(self, http: HttpRequest) -> Answer:
        """POST /v1/redemptions."""
        too_large = VerificationError(1, RefusalCode.SIZE, f"more than {wire.MAX_BUNDLE} bytes")
        request = await _request(http, wire.BUNDLE, wire.MAX_BUNDLE, too_large)
        return await self._run(self._service.redeem, request, _one(http, "label"))

    async def events(self, http: HttpRequest) -> Answer:
        """GET /v1/events: answered when something has happened, or after `wait` seconds."""
        request = await _request(http)
        after, wait = _number(http, "after", 2**53), _number(http, "wait", MAX_WAIT)
        hearer = await self._run(self._service.hearer, request)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            answer = await self._run(self._service.events, hearer, after)
            left = until - loop.time()
            if answer is not None:
                return answer
            if left <= 0 or self.stopping.is_set():
                return json_answer(200, wire.Events(after, ()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), min(left, EVENT_POLL))

    def _handler(self, of: Handler | str) -> Handler:
        if not isinstance(of, str):
            return of

        async def handler(_app: App, http: HttpRequest) -> Answer:
            request = await _request(http)
            work: Callable[..., Answer] = getattr(self._service, of)
            return await self._run(work, request, *map(str, http.path_params.values()))

        return handler

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, partial(work, *args, **kwargs))


Handler = Callable[[App, HttpRequest], Awaitable[Answer]]

_COPY: Final = "/v1/ceremonies/{ceremony}"
_ENROLMENT: Final = "/v1/enrolments/{ceremony}"

ROUTES: Final[tuple[tuple[str, str, Handler | str], ...]] = (
    ("GET", "/v1/info", App.info),
    ("GET", "/v1/policy", App.policy),
    ("GET", "/v1/health", App.health),
    ("GET", "/v1/device", "device"),
    ("POST", "/v1/device/pin", "change_pin"),
    ("GET", "/v1/devices", "devices"),
    ("POST", "/v1/devices/{kid}/revoke", "revoke"),
    ("GET", "/v1/events", App.events),
    ("POST", "/v1/challenges", "challenge"),
    ("POST", "/v1/ceremonies", "start"),
    ("GET", _COPY, "ceremony"),
    ("POST", f"{_COPY}/cancel", "cancel"),
    ("POST", f"{_COPY}/grants", "grant"),
    ("POST", f"{_COPY}/reports", "report"),
    ("POST", "/v1/activations", "activate"),
    ("POST", "/v1/redemptions", App.redeem),
    ("GET", _ENROLMENT, "enrolment"),
    ("POST", f"{_ENROLMENT}/name", "name"),
    ("POST", f"{_ENROLMENT}/codes", "send_code"),
    ("POST", f"{_ENROLMENT}/code", "check_code"),
    ("POST", f"{_ENROLMENT}/pin", "finish"),
)
"""Method, path and handler of every operation of the contract; or the service's method, which
takes the request and what stands in the path."""


def _route(method: str, path: str, handler: Handler, app: App) -> Route:
    async def endpoint(http: HttpRequest) -> Response:
        began = time.perf_counter()
        outcome = "done"
        try:
            answer = await handler(app, http)
        except (Problem, VerificationError) as refusal:
            answer, outcome = problem_answer(refusal), refusal.code
        except ClientDisconnect:
            answer, outcome = problem_answer(Problem(ServiceCode.MALFORMED)), "cut off"
        except Exception:
            log.exception("%s %s failed", method, path)
            answer, outcome = problem_answer(Problem(ServiceCode.INTERNAL)), "failed"
        took = (time.perf_counter() - began) * 1000
        log.info("%s %s: %d %s in %.1f ms", method, path, answer.status, outcome, took)
        return _response(answer)

    # Starlette answers HEAD wherever it answers GET; ours has the methods of its contract.
    route = Route(path, endpoint, methods=[method])
    route.methods = {method}
    return route


def _response(answer: Answer) -> Response:
    headers = {"Cache-Control": "no-store"}
    if answer.media:
        headers["Content-Type"] = answer.media
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    if answer.status == 413:
        headers["Connection"] = "close"  # there may be more of it
    return Response(answer.body, answer.status, headers)


async def _request(
    http: HttpRequest,
    media: str = wire.JSON,
    limit: int = wire.MAX_JSON,
    too_large: Exception | None = None,
) -> Request:
    """The request with its body; raises `too_large`, or `Problem`, for more than `limit` bytes.

    What is too much is not kept, but read: a server that hangs up on a client that still sends
    takes the answer from it.
    """
    if http.method != "GET" and wire.essence(http.headers.get("content-type", "")) != media:
        raise Problem(ServiceCode.MEDIA_TYPE, f"the body is {media}")
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in http.stream():
                size += len(chunk)
                if size <= limit:
                    body += chunk
                elif size > MAX_DISCARDED:
                    break
    except TimeoutError:
        raise Problem(ServiceCode.MALFORMED, "the body did not come in time") from None
    if size > limit:
        raise too_large or Problem(ServiceCode.TOO_LARGE, f"more than {limit} bytes")
    return Request(HttpMessage(http.method, _url(http), http.headers), bytes(body))


def _url(http: HttpRequest) -> str:
    """The absolute URL as the client wrote it, which is what it has signed."""
    target = bytes(http.scope["raw_path"]).decode("ascii")
    if query := bytes(http.scope["query_string"]).decode("ascii"):
        target += f"?{query}"
    return f"{http.scope['scheme']}://{http.headers.get('host', '')}{target}"


def _one(http: HttpRequest, name: str) -> str:
    values = http.query_params.getlist(name)
    if len(values) != 1:
        raise Problem(ServiceCode.MALFORMED, f"the query has one {name}")
    return values[0]


def _number(http: HttpRequest, name: str, most: int) -> int:
    text = _one(http, name)
    if not (text.isascii() and text.isdecimal()) or len(text) > 16 or int(text) > most:
        raise Problem(ServiceCode.MALFORMED, f"{name} is a number, at most {most}")
    return int(text)


async def _no_such_route(_http: HttpRequest, error: Exception) -> Response:
    method = isinstance(error, HTTPException) and error.status_code == 405
    code = ServiceCode.METHOD if method else ServiceCode.NOT_FOUND
    return _response(problem_answer(Problem(code)))
