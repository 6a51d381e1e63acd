"""What systemd is told (sd_notify(3)), and the user unit."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Final

from nearproof.config import files

UNIT: Final = "nearproof.service"


def notify(*lines: str) -> None:
    """Tell the manager that started this process; nothing happens where none did.

    A manager that cannot be told is no reason to stop serving: its watchdog will judge.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address[0] == "@":  # the abstract namespace, unix(7)
        address = f"\0{address[1:]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.setblocking(False)
        try:
            channel.sendto("\n".join(lines).encode(), address)
        except OSError:
            pass


def watchdog_interval() -> float | None:
    """Seconds between two signs of life: half of what the manager allows; None: it wants none."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(allowed) / 2e6 if allowed.isdecimal() and int(allowed) else None


def write_unit(home: Path | None) -> Path:
    """Put the unit where the user's manager finds it; `home` if it is not the default one.

    Raises `OSError`.
    """
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = folder / "systemd" / "user" / UNIT
    files.write_bytes(path, unit(home).encode())
    return path


def unit(home: Path | None) -> str:
    """The unit's text for this installation."""
    from importlib import resources

    program = Path(sys.argv[0]).absolute()
    words = [str(program)] if program.name == "nearproof" else [sys.executable, *_MODULE]
    if home is not None:
        words += ["--home", str(home.absolute())]
    template = resources.files("nearproof.daemon.control") / UNIT
    text = template.read_text(encoding="utf-8")
    return text.replace("ExecStart=@NEARPROOF@", "ExecStart=" + " ".join(map(_quoted, words)))


_MODULE: Final = ("-m", "nearproof.daemon")


def _quoted(word: str) -> str:
    """One word of a command line as systemd reads it (systemd.service(5), Command lines)."""
    for plain, meant in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(plain, meant)
    return f'"{word}"'
