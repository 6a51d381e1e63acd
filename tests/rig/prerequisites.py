"""What the rig needs of this machine, and the one apt line that brings it.

Debian 12 and 13 and Ubuntu 24.04 all offer these packages by these names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from rig.errors import RigError

BLUETOOTHD = (Path("/usr/libexec/bluetooth/bluetoothd"), Path("/usr/lib/bluetooth/bluetoothd"))
SOURCES = Path("/usr/src")

Probe = Callable[[], bool]


def _command(*names: str) -> Probe:
    return lambda: all(shutil.which(name) for name in names)


def _kernel_source() -> bool:
    return any(SOURCES.glob("linux-source-*.tar.*"))


def _bluez() -> bool:
    # /var/lib/bluetooth is only mounted over, but a mount point has to exist.
    has_state = Path("/var/lib/bluetooth").is_dir()
    return has_state and bool(shutil.which("btattach")) and any(p.exists() for p in BLUETOOTHD)


BUILD: Mapping[str, Probe] = {
    "linux-source": _kernel_source,
    "gcc": _command("gcc"),
    "libc6-dev": lambda: Path("/usr/include/stdlib.h").exists(),
    "make": _command("make"),
    "flex": _command("flex"),
    "bison": _command("bison"),
    "bc": _command("bc"),
    "xz-utils": _command("xz"),
    "bzip2": _command("bzip2"),
}
RUN: Mapping[str, Probe] = {
    "bluez": _bluez,
    "dbus": _command("dbus-daemon"),
    "busybox-static": _command("busybox"),
    "v4l-utils": _command("v4l2-ctl"),
}
TERMINALS: Mapping[str, Probe] = {"tmux": _command("tmux")}


def require(*groups: Mapping[str, Probe]) -> None:
    """Raise `RigError` with the apt line that mends it, unless all of `groups` are there."""
    lacking = [name for group in groups for name, present in group.items() if not present()]
    if not lacking:
        return
    sudo = "" if os.geteuid() == 0 else "sudo "
    raise RigError(
        f"the rig lacks {', '.join(lacking)}.  Run:\n"
        f"  {sudo}apt-get install -y --no-install-recommends {' '.join(lacking)}"
    )
