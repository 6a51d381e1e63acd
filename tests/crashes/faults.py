"""What can go wrong, and the hand that makes it go wrong inside a process.

A *point* is a moment at which something durable happens or a message goes out: a system call on
a file of the home, the commit of a database, a request.  A process with a fault counts its points
and strikes at one of them; everything else in it is the product.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

KILLS: Final = ("kill before", "kill after")
KINDS: Final = {
    "file": (*KILLS, "disk full"),  # a call that makes, syncs, renames or removes a file
    "commit": (*KILLS, "disk full"),  # of a transaction that has written
    "request": (
        *KILLS,
        "request lost",
        "reply lost",
        "request doubled",
        "reply doubled",  # the answer to the repetition is the one that is heard
        "request late",  # comes a second time, after the one that follows
    ),
}
_TEMPORARY: Final = re.compile(r"\.[0-9a-f]{16}\.new$")
STICKY: Final = 4  # commits that fail while the disk is full: one client gives up meanwhile


class Point(NamedTuple):
    """One moment in a process: its kind, and what is done then."""

    kind: str
    what: str


@dataclass(frozen=True)
class Fault:
    """Strike `role` at its point number `at` (from 0) of this kind."""

    role: str
    kind: str
    at: int
    how: str
    sticky: bool = False
    """A disk that stays full until the process ends."""


class Injector:
    """Counts the points of this process into `trace`, and strikes at one."""

    def __init__(self, trace: Path, fault: Fault | None) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._trace = os.open(trace, flags, 0o600)
        self._fault = fault
        self._seen = dict.fromkeys(KINDS, -1)
        self._full = 0
        self._lock = threading.Lock()
        self.late: Callable[[], Any] | None = None

    def reach(self, kind: str, what: str) -> str:
        """How this point is struck, "" if it is not."""
        with self._lock:
            self._seen[kind] += 1
            self._note(f"{kind}\t{what}")
            fault = self._fault
            if fault is not None and (fault.kind, fault.at) == (kind, self._seen[kind]):
                self._note(f"!{fault.how}\t{what}")
                self._full = STICKY if fault.how == "disk full" else 0
                if fault.how == "disk full" and fault.sticky and kind == "file":
                    self._full = 1 << 30
                return fault.how
            if kind != "request" and self._full > 0:
                self._full -= 1
                return "disk full"
            return ""

    def _note(self, line: str) -> None:
        os.write(self._trace, line.encode() + b"\n")


def die() -> None:
    """As from outside: no cleaning up."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def around(injector: Injector, folder: Path) -> None:
    """Put points around every call that changes a file of `folder` durably."""
    inside = str(folder)
    opened: dict[int, str] = {}
    real_open, real_fsync = os.open, os.fsync
    real_replace, real_unlink = os.replace, os.unlink

    def name_of(path: Any) -> str:
        text = os.fspath(path)
        if not isinstance(text, str) or not text.startswith(inside):
            return ""
        return "folder" if text == inside else _TEMPORARY.sub("", Path(text).name).lstrip(".")

    def struck(call: str, name: str, work: Callable[[], Any]) -> Any:
        if not name:
            return work()
        how = injector.reach("file", f"{call} {name}")
        if how == "kill before":
            die()
        if how == "disk full" and call != "unlink":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        result = work()
        if how == "kill after":
            die()
        return result

    def open_(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        name = name_of(path) if flags & os.O_CREAT else ""
        descriptor: int = struck("open", name, lambda: real_open(path, flags, *args, **kwargs))
        opened[descriptor] = name_of(path)
        return descriptor

    def fsync(descriptor: int) -> None:
        struck("fsync", opened.get(descriptor, ""), lambda: real_fsync(descriptor))

    def replace(source: Any, target: Any, **kwargs: Any) -> None:
        struck("rename", name_of(target), lambda: real_replace(source, target, **kwargs))

    def unlink(path: Any, **kwargs: Any) -> None:
        # A leftover that is gone already is no change.
        name = name_of(path) if os.path.exists(path) else ""
        struck("unlink", name, lambda: real_unlink(path, **kwargs))

    for call, ours in (
        ("open", open_),
        ("fsync", fsync),
        ("replace", replace),
        ("unlink", unlink),
        ("remove", unlink),
    ):
        setattr(os, call, ours)


def around_commits(injector: Injector, engine: Any, asked: Callable[[], str]) -> None:
    """Put points around every commit of this SQLAlchemy engine that may have written."""
    from sqlalchemy import event

    writes = threading.local()
    real = engine.dialect.do_commit

    def begun(connection: Any) -> None:
        writes.here = not connection.get_execution_options().get("reading", False)

    def commit(connection: Any) -> None:
        how = injector.reach("commit", asked()) if getattr(writes, "here", False) else ""
        if how == "kill before":
            die()
        if how == "disk full":
            _commit_on_a_full_disk(connection, real)
        else:
            real(connection)
        if how == "kill after":
            die()

    event.listen(engine, "begin", begun)
    engine.dialect.do_commit = commit


def _commit_on_a_full_disk(connection: Any, commit: Callable[[Any], None]) -> None:
    """SQLite's own writes fail (RLIMIT_FSIZE); a PostgreSQL server says that its disk is full."""
    if not isinstance(connection.dbapi_connection, sqlite3.Connection):
        from psycopg.errors import DiskFull

        connection.rollback()
        raise DiskFull("could not extend file: No space left on device")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        commit(connection)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
