"""A user's login session, kept by a real `systemd --user`, also where no systemd runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from control.running import PATIENCE
from nearproof.daemon.demo.stage import Actor, Stage

USER = 1000
HOME = "/run/home"
NEARPROOF = str(Path(sys.executable).with_name("nearproof"))
MANAGER = "/lib/systemd/systemd"
BUS_UNIT = "/usr/lib/systemd/user/dbus.socket"

_SCRIPT = str(Path(__file__).with_name("login.sh"))
_ENTER = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", _SCRIPT, "enter")
_LEAVE = ("unshare", "--mount", _SCRIPT, "leave")
_TIED = ("setpriv", "--pdeathsig", "KILL", "--")


def lacking() -> str | None:
    """What apt would bring; None: nothing is missing."""
    programs = ("unshare", "nsenter", "setpriv", "systemctl", "journalctl", "dbus-daemon")
    missing = [each for each in programs if shutil.which(each) is None]
    missing += [each for each in (MANAGER, BUS_UNIT) if not Path(each).exists()]
    return f"systemd, dbus-user-session: no {', '.join(missing)}" if missing else None


def forbidden() -> str | None:
    """Why this machine lets nobody make such a session; None: it does."""
    if os.geteuid() != 0:
        return "a session of its own for `systemd --user` needs root"
    mount = "mount --make-rprivate / && mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--cgroup", "sh", "-c", mount],
        capture_output=True,
        text=True,
    )
    return f"no namespaces for `systemd --user`: {tried.stderr}" if tried.returncode else None


class Login:
    """The session: the machine's files, but a /run, a home and processes of its own."""

    def __init__(self, init: int) -> None:
        self._init = init

    def path(self, within: str) -> Path:
        """Where this process finds a file of the session."""
        return Path(f"/proc/{self._init}/root{within}")

    def address(self, within: str) -> str:
        """The D-Bus address, for this process, of a socket of the session."""
        return f"unix:path={self.path(within)}"

    async def ready(self, other_than: int | None = None) -> int:
        """The manager's process ID once all is up that belongs to a login.

        `other_than`: an earlier login's.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                pid = self._manager()
                if pid is not None and pid != other_than:
                    state = (await self.run("systemctl", "--user", "is-system-running")).strip()
                    if state in ("running", "degraded"):
                        return pid
                await asyncio.sleep(0.02)

    async def log_out(self) -> None:
        """The session ends, and the user logs in again."""
        manager = self._manager()
        assert manager is not None
        os.kill(manager, signal.SIGTERM)
        await self.ready(other_than=manager)

    def _manager(self) -> int | None:
        for pid in _children(self._init):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    return pid
        return None

    async def run(self, *words: str) -> str:
        """Both outputs of a program that the user runs, whatever its exit code."""
        process = await self._start(words, stderr=subprocess.STDOUT)
        out, _ = await process.communicate()
        return out.decode()

    async def nearproof(self, stage: Stage, name: str, *words: str) -> Actor:
        """A command of the user, who answers what it asks."""
        process = await self._start((NEARPROOF, "--json", *words))
        return Actor(name, process, stage.hear, stage.hands())

    async def _start(
        self, words: tuple[str, ...], stderr: int | None = None
    ) -> asyncio.subprocess.Process:
        spaces = ("--user", "--mount", "--pid", "--cgroup", "--preserve-credentials")
        runtime = f"/run/user/{USER}"
        return await asyncio.create_subprocess_exec(
            *(*_TIED, "nsenter", f"--target={self._manager()}", *spaces, "--", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={
                "HOME": HOME,
                "XDG_RUNTIME_DIR": runtime,
                "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus",
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
            },
        )

    async def show(self, *names: str) -> list[str]:
        """Properties of the daemon's unit."""
        asked = [f"--property={name}" for name in names]
        lines = await self.run("systemctl", "--user", "show", "nearproof", *asked)
        said = dict(line.split("=", 1) for line in lines.splitlines())
        return [said[name] for name in names]

    async def until(self, name: str, *values: str) -> None:
        """A property of the daemon's unit begins with one of these."""
        async with asyncio.timeout(PATIENCE):
            while not (await self.show(name))[0].startswith(values):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.05)

    def pid(self, within: str) -> int:
        """What the machine calls a process that the session calls `within`."""
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
                spaces = fields["NSpid"].split()
                if spaces[1:] == [within] and os.path.samefile(
                    status.parent / "ns/pid", f"/proc/{self._init}/ns/pid"
                ):
                    return int(spaces[0])
        raise ProcessLookupError(within)

    async def main(self) -> int:
        """The daemon's process."""
        return self.pid((await self.show("MainPID"))[0])

    def journal(self, *fields: str) -> list[dict[str, Any]]:
        """What the journal has that matches these fields (systemd.journal-fields(7))."""
        spaces = ("nsenter", f"--target={self._init}", "--mount", "--pid", "--cgroup", "--")
        subprocess.run([*spaces, "journalctl", "--sync"], check=True)
        read = subprocess.run(
            [*spaces, "journalctl", "--output=json", "--quiet", *fields],
            capture_output=True,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in read.stdout.splitlines()]


@contextlib.asynccontextmanager
async def logged_in() -> AsyncIterator[Login]:
    """A user has logged in."""
    group = f"nearproof-{os.urandom(4).hex()}"
    outside = await asyncio.create_subprocess_exec(*_TIED, *_ENTER, group, str(USER))
    init = 0
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := _children(outside.pid)):
                assert outside.returncode is None, "no session: see above"
                await asyncio.sleep(0.02)
        (init,) = found
        login = Login(init)
        await login.ready()
        yield login
    finally:
        if init:
            os.kill(init, signal.SIGKILL)  # and with it the kernel ends all that is within
        elif outside.returncode is None:
            outside.kill()
        await outside.wait()
        left = await asyncio.create_subprocess_exec(*_LEAVE, group)
        await left.wait()


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ProcessLookupError):
        return []
