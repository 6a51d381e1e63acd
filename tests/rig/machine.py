"""One machine: a User Mode Linux process with Bluetooth, a camera and a private Ethernet.

Its root is this machine's own, read-only, so it runs the same checkout and the same `.venv`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rig.errors import RigError
from rig.frames import WINDOW
from rig.shell import Shell

REPO = Path(__file__).resolve().parents[2]
INIT = Path(__file__).with_name("guest") / "init"

MEMORY_MIB = 512  # at most; a page costs nothing until it is used
BOOT_DEADLINE = 120.0  # seconds; it takes two
CONSOLE_LINES = 200

# Wait until the keeper knows the process group; if the rig is killed before, read fails.
START = 'read -r go && ulimit -c 0 && exec "$0" "$@" </dev/null'
Keep = Callable[[int], None]

# vivid: one capture and one output device, /dev/video0 and /dev/video1, joined by a cable.
CAMERA = (
    "vivid.n_devs=1",
    "vivid.node_types=0x101",
    "vivid.num_inputs=1",
    "vivid.input_types=0x3",
    "vivid.num_outputs=1",
    "vivid.output_types=0x1",
    "vivid.ccs_cap_mode=0",
    "vivid.ccs_out_mode=0",
)


@dataclass(frozen=True, slots=True)
class Wires:
    """The sockets plugged into a machine.  It has its own copies once it is started."""

    hci: socket.socket  # H4, to its Bluetooth controller
    ethernet: socket.socket  # datagrams, a frame each


class Machine:
    """A User Mode Linux process, from its start to its end."""

    def __init__(self, name: str, address: str, home: Path) -> None:
        """`address` is its IPv4 address, `home` the directory for its files on this machine."""
        self.name = name
        self.address = address
        self.share = home / "share"  # writable from both sides; /run/rig in the machine
        self._home = home
        self._process: Process | None = None
        self._console: deque[str] = deque(maxlen=CONSOLE_LINES)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def group(self) -> int:
        """Its process group on this machine; only once it is started."""
        assert self._process is not None
        return self._process.pid

    async def boot(self, kernel: Path, wires: Wires, keep: Keep) -> Shell:
        """Start the machine, in a process group given to `keep`; returns when it takes commands.

        Raises `RigError` with what the kernel said if it does not.
        """
        here, there = socket.socketpair()
        with there, wires.hci, wires.ethernet:
            descriptors = [wire.fileno() for wire in (wires.hci, there, wires.ethernet)]
            self._process = process = await asyncio.create_subprocess_exec(
                *("sh", "-c", START, str(kernel), *self._command(*descriptors)),
                stdin=PIPE,
                stdout=PIPE,
                stderr=STDOUT,
                pass_fds=descriptors,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(self._memory_directory())},
            )
        keep(process.pid)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        shell = Shell(*await asyncio.open_unix_connection(sock=here), credit=WINDOW)
        console = asyncio.create_task(self._read_console(process))
        self._tasks = [console, asyncio.create_task(shell.serve())]
        try:
            async with asyncio.timeout(BOOT_DEADLINE):
                await shell.ready()
        except TimeoutError:
            raise RigError(f"{self.name} does not boot:\n{self.console()}") from None
        except ConnectionError:
            await console
            raise RigError(f"{self.name} ended while booting:\n{self.console()}") from None
        return shell

    def _command(self, hci: int, agent: int, ethernet: int) -> list[str]:
        environment = {
            "RIG_NAME": self.name,
            "RIG_ADDRESS": self.address,
            "RIG_SHARE": self.share,
            "RIG_REPO": REPO,
            "RIG_PYTHON_HOME": Path(sys.base_prefix).resolve(),
        }
        return [
            f"mem={MEMORY_MIB}M",
            f"umid={self.name}",
            f"uml_dir={self._home}/",
            "noreboot",
            *("root=/dev/root", "rootfstype=hostfs", "ro"),
            f'init="{INIT}"',
            *("con=null", "con0=null,fd:1"),
            *("ssl=null", f"ssl0=fd:{hci},fd:{hci}", f"ssl1=fd:{agent},fd:{agent}"),
            f"vec0:transport=fd,fd={ethernet},vec=0",
            *CAMERA,
            *(f'{name}="{value}"' for name, value in environment.items()),
        ]

    def _memory_directory(self) -> Path:
        """Where its memory is mapped from: a file system from which code may be executed."""
        fast = Path("/dev/shm")  # noqa: S108  # checked by what it offers, used by the kernel only
        with suppress(OSError):
            about = os.statvfs(fast)
            room = about.f_bavail * about.f_frsize >= MEMORY_MIB << 20
            if room and not about.f_flag & os.ST_NOEXEC and os.access(fast, os.W_OK):
                return fast
        return self._home

    async def _read_console(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._console.append(line.decode(errors="replace"))

    def console(self) -> str:
        """What its kernel said last."""
        return "".join(self._console)

    def suspend(self) -> None:
        """Stop it, as closing the lid does; its clocks jump when it is resumed."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended machine go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> None:
        """Wait until it has ended, for whatever reason, and all of it is closed."""
        if self._process is not None:
            await asyncio.gather(self._process.wait(), *self._tasks)
