"""Several processes on one listening socket: who starts them, replaces them, and ends them.

Forked after everything is imported, so that they share its memory.  A worker that dies is
replaced; one whose parent has died ends in order by itself.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable
from typing import Final

from nearproof.daemon.backend.errors import WorkerDied

RESPITE: Final = 1.0  # seconds before a worker that died is replaced

Work = Callable[[Callable[[], None]], None]
"""Serves until SIGTERM; calls what it is given once it answers."""

_STOPS: Final = {signal.SIGTERM, signal.SIGINT}
_HEARD: Final = _STOPS | {signal.SIGCHLD}


def run_workers(count: int, work: Work, ready: Callable[[], None]) -> None:
    """Run `count` workers until SIGINT or SIGTERM; `ready` is called when all of them answer.

    Raises `WorkerDied` where one does not get that far.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    lifeline, held = os.pipe()
    running: set[int] = set()
    try:
        for _ in range(count):
            _start(work, running, (lifeline, held))
        ready()
        while (heard := signal.sigwait(_HEARD)) not in _STOPS:
            assert heard is signal.SIGCHLD  # noqa: S101 - there is no other
            for _ in range(_reaped(running)):
                if signal.sigtimedwait(_STOPS, RESPITE) is not None:
                    return
                _start(work, running, (lifeline, held))
    finally:
        for pid in running:
            os.kill(pid, signal.SIGTERM)
        for pid in running:
            os.waitpid(pid, 0)
        os.close(lifeline)
        os.close(held)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reaped(running: set[int]) -> int:
    """How many have ended; they are no longer among those that run."""
    gone = {pid for pid in running if os.waitpid(pid, os.WNOHANG)[0]}
    running -= gone
    return len(gone)


def _start(work: Work, running: set[int], lifeline: tuple[int, int]) -> None:
    told, tells = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(told)
        os.close(lifeline[1])
        _worker(work, tells, lifeline[0])
    running.add(pid)
    os.close(tells)
    try:
        if not os.read(told, 1):
            raise WorkerDied
    finally:
        os.close(told)


def _worker(work: Work, tells: int, lifeline: int) -> None:
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
        work(lambda: os.close(tells) if os.write(tells, b"!") else None)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _end_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)  # returns when the parent is gone
    os.kill(os.getpid(), signal.SIGTERM)
