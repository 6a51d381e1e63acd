"""A guest's whole file system: a few of this machine's programs with their libraries, modules.

It is written as an unpacked archive in the "newc" format of cpio, which the kernel unpacks into
memory (Documentation/driver-api/early-userspace/buffer-format.rst).
"""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from qemu.prerequisites import find_tool
from rig.errors import RigError
from rig.laptop import BluezSettings
from rig.prerequisites import BLUETOOTHD

GUEST = Path(__file__).with_name("guest")
PROGRAMS = ("busybox", "dbus-daemon", "btattach", "socat")
MERGED = ("bin", "sbin", "lib", "lib64")  # links to the same names in /usr, as in Debian
DIRECTORIES = ("dev", "proc", "sys", "run", "tmp", "root", "var/lib/bluetooth")


class Archive:
    """A cpio archive that is being written."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._names: set[PurePosixPath] = set()

    def directory(self, name: str) -> None:
        """Add a directory and those it is in; once is enough."""
        path = PurePosixPath(name)
        for each in (*reversed(path.parents[:-1]), path):
            self._add(each, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, content: bytes, mode: int = 0o755) -> None:
        """Add a file, unless it is there."""
        self.directory(str(PurePosixPath(name).parent))
        self._add(PurePosixPath(name), stat.S_IFREG | mode, content)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(PurePosixPath(name), stat.S_IFLNK | 0o777, target.encode())

    def end(self) -> None:
        """Write the trailer."""
        self._add(PurePosixPath("TRAILER!!!"), 0, b"")

    def _add(self, path: PurePosixPath, mode: int, content: bytes) -> None:
        if path in self._names or not path.parts:
            return
        self._names.add(path)
        name = str(path).encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (len(self._names), mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name), 0)
        self._write(b"070701" + b"".join(b"%08x" % field for field in fields) + name)
        self._write(content)

    def _write(self, data: bytes) -> None:
        self._out.write(data + bytes(-len(data) % 4))


def write(path: Path, name: str, modules: Path) -> None:
    """Write the file system of the guest `name` to `path`, with the modules of its kernel.

    Raises `RigError` if a program is missing.
    """
    with path.open("wb") as out:
        archive = Archive(out)
        for directory in MERGED:
            archive.directory(f"usr/{directory}")
            archive.link(directory, f"usr/{directory}")
        for directory in DIRECTORIES:
            archive.directory(directory)
        archive.link("var/run", "/run")
        for program in (*map(_located, PROGRAMS), _bluetoothd()):
            _add_program(archive, program)
        archive.link("usr/bin/bluetoothd", str(_bluetoothd()))
        archive.link("usr/bin/sh", "busybox")
        for module in modules.iterdir():
            archive.file(f"modules/{module.name}", module.read_bytes())
        archive.file("init", (GUEST / "init").read_bytes())
        archive.file("etc/bus.conf", (GUEST / "bus.conf").read_bytes(), 0o644)
        archive.file("etc/bluetooth.conf", BluezSettings().main_conf(name).encode(), 0o644)
        archive.end()


def _located(program: str) -> Path:
    found = find_tool(program)
    if found is None:
        raise RigError(f"{program} is missing")
    return Path(found)


def _bluetoothd() -> Path:
    return next(path for path in BLUETOOTHD if path.exists())


def _add_program(archive: Archive, program: Path) -> None:
    for file in (program, *libraries(program)):
        archive.file(_in_usr(file), file.read_bytes())


def libraries(program: Path) -> list[Path]:
    """What the dynamic linker loads for it, and the linker; nothing if it is static."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", listed)]


def _in_usr(path: Path) -> str:
    """The path as an archive has it, behind the links of `MERGED`."""
    parts = path.parts[1:]
    return "/".join(("usr", *parts) if parts[0] in MERGED else parts)
