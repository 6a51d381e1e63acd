"""The backend as a process: uvicorn over TLS, the ready line, an orderly end.

Always TLS, on loopback too: there is no other way in, hence none to switch on by mistake.
Several processes may serve one data folder.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nearproof.daemon.backend.app import App
from nearproof.daemon.backend.data_dir import DataDir, open_data_dir
from nearproof.daemon.backend.desk import sms_key
from nearproof.daemon.backend.errors import CannotListen
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.service import Service
from nearproof.daemon.backend.sms.dispatch import Dispatcher
from nearproof.daemon.backend.sms.ports import port_named
from nearproof.daemon.backend.workers import run_workers
from nearproof.daemon.join import JoinLine, check_origin
from nearproof.daemon.locale import Language

CONNECTIONS: Final = 512  # at once; more are answered 503
HEADERS: Final = 16 * 1024  # bytes of one request's head
CONNECTION_AGE: Final = 60.0  # seconds; a request in hand is still answered
GRACE: Final = 5  # seconds that requests in hand get at the end

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


class Ready(msgspec.Struct, frozen=True, tag_field="event", tag="ready"):
    """The server answers: `join` is the line to run once on each laptop."""

    url: str
    join: str
    pid: int

    def json(self) -> str:
        """One line for another program."""
        return msgspec.json.encode(self).decode()


def serve(
    host: str,
    port: int,
    data_dir: Path,
    policy: BackendPolicy,
    *,
    ready: Callable[[Ready], None],
    reached_at: str | None = None,
    database: str | None = None,
    sms: str = "file",
    language: Language = "en",
    workers: int = 1,
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called once, when requests are answered.

    `database` is a URL in place of the folder's own file, `sms` the port that SMS go to.  Port 0
    takes a free one.  `reached_at` is the host name or address for the join line where it is not
    `host`; for a wildcard the address of the default route stands in.  `workers` are processes.
    Raises `CannotListen`, `JoinError` where no laptop could use the address,
    `WorkerDied`, and what `open_data_dir` raises.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the issuer's seed would be in a core
    carrier = port_named(sms, data_dir)

    def work(data: DataDir, told: Callable[[], None]) -> None:
        app = App(Service(data.store, data.issuer, policy, os.urandom))
        try:
            key = sms_key(data.issuer)
            dispatcher = Dispatcher(data.store, key, carrier, language, app.threads)
            asyncio.run(_run(_Server(_config(app, data), told), app, dispatcher, listener))
        finally:
            app.close()

    def work_alone(told: Callable[[], None]) -> None:
        with open_data_dir(data_dir, database) as own:  # no connection is shared by processes
            work(own, told)

    with _listen(host, port) as listener:
        with open_data_dir(data_dir, database) as data:
            shown = (reached_at or _reachable(host)).lower()
            name = f"[{shown}]" if ":" in shown else shown
            url = f"https://{name}:{listener.getsockname()[1]}"
            check_origin(url)
            line = JoinLine(url, data.pin, data.issuer.public)
            here = Ready(url, str(line), os.getpid())
            if workers == 1:
                work(data, lambda: ready(here))
        if workers > 1:
            run_workers(workers, work_alone, lambda: ready(here))


def log_requests() -> None:
    """One line a request and an SMS, on standard error: routes and outcomes, no query, no body.

    Of this program's own records alone; what libraries say below a warning may hold values.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    own = logging.getLogger("nearproof")
    own.addHandler(handler)
    own.setLevel(logging.INFO)


async def _run(server: _Server, app: App, dispatcher: Dispatcher, listener: socket.socket) -> None:
    """Serve and hand SMS over; a signal ends both, and questions that wait for events."""
    server.stopping = app.stopping
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(dispatcher.run(app.stopping))
        await server.serve(sockets=[listener])
        app.stopping.set()


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, on connections that live for a minute.

    On its own it waits for the head of a request for ever, so that a few hundred connections
    that say nothing could keep everybody else out.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the minute."""
        super().connection_made(transport)
        self._end = self.loop.call_later(CONNECTION_AGE, self.shutdown)

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended by itself."""
        self._end.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """uvicorn, telling when it is ready, and ending well on a signal."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self.stopping = asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Requests in hand are finished, those that only wait are answered."""
        super().handle_exit(sig, frame)
        self.stopping.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal; uvicorn would raise it again afterwards and spoil the exit code."""
        loop = asyncio.get_running_loop()
        for number in _STOPS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in _STOPS:
                loop.remove_signal_handler(number)


def _config(app: App, data: DataDir) -> uvicorn.Config:
    def context(_config: uvicorn.Config, _default: object) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(data.tls)
        return context

    return uvicorn.Config(
        app.starlette,
        ssl_context_factory=context,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # its lines hold queries
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=HEADERS,
        timeout_graceful_shutdown=GRACE,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=CONNECTIONS)
    except PermissionError:
        raise
    except OSError as error:
        # create_server writes the address into strerror; a resolver's errno is not the system's.
        resolving = isinstance(error, socket.gaierror) or error.errno is None
        why = str(error.strerror) if resolving else os.strerror(error.errno or 0)
        raise CannotListen(f"{host}:{port}: {why}") from None
    # Accepted sockets inherit it.  asyncio sets it only on sockets that name their protocol,
    # and without it head and body of an answer come 40 ms apart.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _reachable(host: str) -> str:
    """`host`, or for a wildcard the address by which this machine leaves its network."""
    if host not in ("0.0.0.0", "::", ""):  # noqa: S104  compared, not bound
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: routes, and sends nothing
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])
