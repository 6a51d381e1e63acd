"""Where a laptop's socket is, who may use it, and whether somebody listens.

One socket a home, in the user's runtime folder (XDG base directories): the folder 0700, the
socket 0600.  Both ends check whose process the other one is: the same user's and nobody
else's, root's neither.  Root could take what it wants from the home itself; whoever runs the
command by `sudo` is better told than served from the wrong home.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nearproof.daemon.control.errors import DaemonError, DaemonReason
from nearproof.daemon.control.varlink import MAX_REPLY, Link

FOLDER: Final = "nearproof"
NAME: Final = "io.nearproof.Laptop"

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED
_LISTEN_FD: Final = 3  # SD_LISTEN_FDS_START
_RENEWED: Final = "nearproof-renewed"
_RENEWED_GIVEN: Final = "nearproof-renewed-given"  # and the manager's in the first place


def runtime_folder() -> Path | None:
    """The user's runtime folder, if it is there and nobody else's."""
    told = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    try:
        found = Path(told).stat()
    except OSError:
        return None
    return Path(told) if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() else None


def socket_path(home: Path, default: Path) -> Path | None:
    """Where the socket of this home is, or would be; None without a runtime folder.

    The default home's has the interface's own name, so that other programs find it.
    """
    folder = runtime_folder()
    if folder is None:
        return None
    place = os.fsencode(home.absolute())
    tail = "" if place == os.fsencode(default.absolute()) else _tail(place)
    return folder / FOLDER / f"{NAME}{tail}"


def _tail(place: bytes) -> str:
    return f".{hashlib.sha256(place).hexdigest()[:12]}"


def same_user(connection: socket.socket) -> bool:
    """Whether the process at the other end is of this user (credentials of its `connect`)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(raw)
    return bool(uid == os.getuid())


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens; `renewed`: the process before this one handed it over.

    `given`: it is the service manager's, and stays where it is.
    """

    socket: socket.socket
    renewed: bool = False
    given: bool = False


@contextlib.contextmanager
def listening(home: Path, path: Path | None) -> Iterator[Listener]:
    """A socket that listens for this home alone; gone at the end.

    Raises `DaemonError`: RUNS where another daemon serves this home, NO_PLACE without a
    runtime folder; `OSError`.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "daemon.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DaemonError(DaemonReason.RUNS) from None
        listener = _inherited()
        if listener is None:
            if path is None:
                raise DaemonError(DaemonReason.NO_PLACE, "XDG_RUNTIME_DIR")
            listener = Listener(_bound(path))
        if listener.given:
            path = None
        try:
            with listener.socket:
                yield listener
        finally:
            if path is not None:
                path.unlink(missing_ok=True)


def hand_over(listener: Listener) -> None:
    """Make the socket the one that `listening` finds in this process's next program."""
    os.dup2(listener.socket.fileno(), _LISTEN_FD)
    os.set_inheritable(_LISTEN_FD, True)  # where it had that number before, dup2 does nothing
    name = _RENEWED_GIVEN if listener.given else _RENEWED
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": name}


def _inherited() -> Listener | None:
    """The one socket that was handed to this process (sd_listen_fds(3))."""
    given = {name: os.environ.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES")}
    if (given["PID"], given["FDS"]) != (str(os.getpid()), "1"):
        return None
    os.set_inheritable(_LISTEN_FD, False)
    listener = socket.socket(fileno=_LISTEN_FD)
    listener.setblocking(False)
    name = given["FDNAMES"]
    return Listener(listener, name in (_RENEWED, _RENEWED_GIVEN), given=name != _RENEWED)


def _bound(path: Path) -> socket.socket:
    """The lock is ours: what stands at `path` was left behind by a killed daemon."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.stat()
    if folder.st_uid != os.getuid() or stat.S_IMODE(folder.st_mode) & 0o077:
        raise DaemonError(DaemonReason.NO_PLACE, f"{path.parent}: open to others")
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        made.listen()
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


async def dial(path: Path | None) -> Link | None:
    """A connection to the daemon of this socket; None where none listens.

    Raises `DaemonError` (FOREIGN) where a stranger listens, `OSError`.
    """
    if path is None:
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, str(path))
        if not same_user(connection):
            raise DaemonError(DaemonReason.FOREIGN, f"{path}: another user's")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return Link(*await asyncio.open_unix_connection(sock=connection, limit=MAX_REPLY))
