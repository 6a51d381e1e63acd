"""The processes of one run: the product's own code, forked, with a fault in its hand.

What is not the product's: the radio (`radio`), Argon2id (a hash instead, because its 0.3 s are
spent on the laptop in no state that a crash could spoil), and the hand that strikes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from crashes.faults import Fault, Injector, around, around_commits, die
from crashes.radio import SocketCentral, SocketPeripheral
from nearproof.config.home import Home
from nearproof.config.settings import Settings
from nearproof.crypto.primitives import sha256
from nearproof.crypto.userkey import UserKey
from nearproof.daemon import account, new, old, person
from nearproof.daemon.backend import server
from nearproof.daemon.backend.app import App
from nearproof.daemon.backend.client import Client, CutOff, Reply
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.store import Store
from nearproof.daemon.console import Console
from nearproof.daemon.laptop import Laptop
from nearproof.daemon.outcomes import report, run_to_outcome

POLICY = BackendPolicy(wait=0, newcomer=0, resend_after=0)
DIED = 99  # exit code of an actor that failed outside of the product
_PR_SET_PDEATHSIG = 1


class Heard(msgspec.Struct, frozen=True):
    """One answer that a laptop has received: what the backend has acknowledged."""

    kid: str
    method: str
    target: str
    key: str
    status: int
    media: str
    body: bytes


@dataclass(frozen=True)
class Actor:
    """A running process: what it tells, and where it reads."""

    role: str
    pid: int
    tells: int
    types: int


def fork(role: str, work: Callable[[int, int], int], log: Path) -> Actor:
    """Run `work(tells, typed)` in a child, which dies with this process; its code is the child's.

    What the child prints goes to `log`.
    """
    told, tells = os.pipe()
    typed, types = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tells)
        os.close(typed)
        return Actor(role, pid, told, types)
    code = DIED
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for descriptor in (told, types):
            os.close(descriptor)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for standard in (1, 2):
            os.dup2(output, standard)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = work(tells, typed)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else DIED
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


# -- the backend ----------------------------------------------------------------------------------


def backend(
    data: Path, port: int, database: str | None, trace: Path, fault: Fault | None
) -> Callable[[int, int], int]:
    """The server on this folder; tells its ready line."""

    def work(tells: int, _types: int) -> int:
        injector = Injector(trace, fault)
        asked = threading.local()
        run, made = App._run, Store.__init__

        async def labelled(app: App, call: Any, *args: Any, **kwargs: Any) -> Any:
            def noted() -> Any:
                asked.name = getattr(call, "__name__", "?")
                return call(*args, **kwargs)

            return await run(app, noted)

        def opened(store: Store, url: str) -> None:
            made(store, url)
            around_commits(injector, store._engine, lambda: getattr(asked, "name", "outbox"))

        _put_in(App, _run=labelled)
        _put_in(Store, __init__=opened)
        around(injector, data)

        def ready(line: server.Ready) -> None:
            os.write(tells, line.json().encode() + b"\n")

        server.serve(
            "127.0.0.1",
            port,
            data,
            POLICY,
            database=database,
            ready=ready,
        )
        return 0

    return work


# -- the laptops ----------------------------------------------------------------------------------


def laptop(
    role: str, command: str, home: Path, air: str, heard: Path, trace: Path, fault: Fault | None
) -> Callable[[int, int], int]:
    """`old copy`, `old cancel`, `new copy` or `new activate`, as the command line runs it."""

    def work(tells: int, typed: int) -> int:
        injector = Injector(trace, fault)
        around(injector, home)
        _put_in(Client, exchange=_listening(injector, heard))
        _put_in(person, derive_user_key=quick_user_key)
        _put_in(old, open_peripheral=lambda _spec: SocketPeripheral(air), old_is_ready=_ready)
        _put_in(new, open_central=lambda _spec: SocketCentral(air), new_is_ready=_ready)
        console = Console(role=role, as_json=True, typed=typed, out=os.fdopen(tells, "w"))
        here = Laptop(Home(home), Settings(label=role, camera=new.TYPED), console)
        story = {
            "old copy": partial(old.copy, here, _view(console)),
            "old cancel": partial(_cancel, here),
            "new copy": partial(new.copy, here),
            "new activate": partial(new.activate, here),
        }[command]
        return report(console, run_to_outcome(story))

    return work


async def _cancel(laptop: Laptop) -> None:
    await account.cancel(laptop)


async def _ready(_laptop: Laptop, _step: str) -> None:
    """There is no adapter to look at."""


def quick_user_key(secret: bytes, salt: bytes, typed: str) -> UserKey:
    """In place of Argon2id: the same inputs, a key, no 0.3 s."""
    return UserKey(sha256(secret + salt + typed.encode()))


def _view(console: Console) -> Callable[[str], Any]:
    @asynccontextmanager
    async def view(text: str) -> AsyncIterator[None]:
        console.line({"event": "qr_text", "text": text})
        yield

    return view


def _put_in(module: ModuleType | type, **parts: Callable[..., Any]) -> None:
    """In place of the product's own; a name that it does not have is a mistake."""
    for name, part in parts.items():
        assert hasattr(module, name), name
        setattr(module, name, part)


def _listening(injector: Injector, heard: Path) -> Callable[..., Any]:
    """`Client.exchange` with faults on the way, and a record of every answer that was heard."""
    real = Client.exchange
    record = os.open(heard, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def heard_exchange(
        client: Client,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        limit: int,
    ) -> Reply:
        def ask() -> Any:
            return real(client, method, target, headers, body, limit)

        if injector.late is not None:
            late, injector.late = injector.late, None
            with contextlib.suppress(OSError):
                await late()
        how = injector.reach("request", f"{method} {_route(target)}")
        if how == "kill before":
            die()
        if how == "request lost":
            raise CutOff("the request was lost")
        if how == "request late":
            injector.late = ask
        reply: Reply = await ask()
        if how in ("request doubled", "reply doubled"):
            again: Reply = await ask()
            reply = again if how == "reply doubled" else reply
        if how == "reply lost":
            raise CutOff("the reply was lost")
        os.write(record, msgspec.json.encode(_heard(headers, method, target, reply)) + b"\n")
        if how == "kill after":
            die()
        return reply

    return heard_exchange


def _heard(headers: Mapping[str, str], method: str, target: str, reply: Reply) -> Heard:
    signature = headers.get("Signature-Input", "")
    _, _, rest = signature.partition('keyid="')
    media = reply.headers.get("content-type", "")
    key = headers.get("Idempotency-Key", "")
    kid = rest.partition('"')[0]
    return Heard(kid, method, target, key, reply.status, media, reply.body)


def _route(target: str) -> str:
    """The path without what is one run's own."""
    path = target.partition("?")[0]
    return "/".join("ID" if len(part) == 32 else part for part in path.split("/"))
