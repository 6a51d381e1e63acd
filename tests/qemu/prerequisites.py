"""What this machine must have to boot Debian's kernel under QEMU."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

from rig import prerequisites
from rig.errors import RigError
from rig.prerequisites import Probe


def _tool(name: str) -> Probe:
    return lambda: find_tool(name) is not None


def find_tool(name: str) -> str | None:
    """Where a command is; other users than root lack /usr/sbin in their PATH."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    return shutil.which(name, path=path)


PACKAGES: Mapping[str, Probe] = {
    "qemu-system-x86": _tool("qemu-system-x86_64"),
    "socat": _tool("socat"),
    "kmod": _tool("depmod"),
    "zstd": _tool("zstd"),
} | {name: prerequisites.RUN[name] for name in ("bluez", "dbus", "busybox-static")}


def require() -> None:
    """Raise `RigError` with what mends it, unless everything is there."""
    if platform.machine() != "x86_64" or not Path("/usr/bin/apt-get").exists():
        raise RigError("Debian's kernel is booted on Debian or its kin, and on x86-64, only")
    prerequisites.require(PACKAGES)
