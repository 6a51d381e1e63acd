"""Tries what nearproof.service forbids, and writes the errors to a file as JSON.  usage: FILE"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_TRACEME = 0
PR_GET_NO_NEW_PRIVS = 39
PER_LINUX32 = 8
CLONE_NEWUSER = 0x10000000


def libc(name: str, *arguments: int) -> int:
    result = int(getattr(LIBC, name)(*arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def realtime() -> None:
    # Not a priority of SCHED_FIFO's: nobody may do that, but they are told so by different errors.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(0))


def set_user_id() -> None:
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0o4700)


def write_and_execute() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


ATTEMPTS: dict[str, Callable[[], object]] = {
    "new privileges": lambda: libc("prctl", PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
    "umask": lambda: os.umask(0o077),
    "core": lambda: resource.getrlimit(resource.RLIMIT_CORE)[1],
    "packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close(),
    "realtime": realtime,
    "set-user-ID": set_user_id,
    "write and execute": write_and_execute,
    "personality": lambda: libc("personality", PER_LINUX32),
    "trace": lambda: libc("ptrace", PTRACE_TRACEME, 0, 0, 0),
    "namespace": lambda: libc("unshare", CLONE_NEWUSER),
}


def attempted(attempt: Callable[[], object]) -> object:
    try:
        return attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]


if __name__ == "__main__":
    said = {name: attempted(attempt) for name, attempt in ATTEMPTS.items()}
    Path(sys.argv[1]).write_text(json.dumps(said))
