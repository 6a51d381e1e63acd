"""Debian's own kernel, as apt offers it: fetched once, unpacked, and cached by its version.

The package is only unpacked, never installed.  The cache holds what a guest needs of it: the
uncompressed kernel, since QEMU's emulated CPU would take long to unpack it, and the modules in
the order in which they have to be loaded.
"""

from __future__ import annotations

import fcntl
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qemu.prerequisites import find_tool
from rig.errors import RigError

META_PACKAGE = "linux-image-amd64"  # depends on the newest kernel's package
MODULES = (
    *("virtio_pci", "virtio_console", "virtio_net"),
    *("hci_uart", "algif_hash", "algif_skcipher"),
    *("cmac", "ecb"),  # the Security Manager asks for them by name, which depmod does not see
)
XZ, ZSTD = b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel ready to boot: an ELF file, and a directory of modules named in their order."""

    image: Path
    modules: Path


@dataclass(frozen=True, slots=True)
class Package:
    """A kernel's package: its release is what `uname -r` will say."""

    release: str
    version: str

    @property
    def name(self) -> str:
        """What apt calls it."""
        return f"linux-image-{self.release}"


def cache_home() -> Path:
    """Where kernels are kept: `$XDG_CACHE_HOME/nearproof/debian`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nearproof" / "debian"


def offered() -> Package:
    """The kernel that apt offers here.  Raises `RigError` if it offers none."""
    about = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", META_PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = re.search(r"^Depends: linux-image-(\S+) \(= (\S+)\)", about, re.MULTILINE)
    if found is None:
        raise RigError(
            f"apt offers no {META_PACKAGE}: this needs Debian, and `apt-get update` to have run"
        )
    return Package(*found.groups())


def ready(progress: Progress = lambda line: None) -> Kernel:
    """The kernel that apt offers, from the cache, or first fetched into it (about 70 MB).

    Raises `RigError` if that fails.
    """
    package = offered()
    slot = cache_home() / f"{package.name}_{package.version.replace(':', '%3a')}"
    with _lock(progress):
        if not slot.exists():
            _fill(slot, package, progress)
    return _kernel_in(slot)


def _kernel_in(slot: Path) -> Kernel:
    return Kernel(slot / "vmlinux", slot / "modules")


@contextmanager
def _lock(progress: Progress) -> Iterator[None]:
    """Hold the cache alone; the system frees the lock of a process that died."""
    cache_home().mkdir(parents=True, exist_ok=True)
    with (cache_home() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that fetches the kernel")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fill(slot: Path, package: Package, progress: Progress) -> None:
    """Fetch and unpack beside the slot, then rename: half a kernel is never taken for one."""
    for remains in cache_home().glob("fetch-*"):
        shutil.rmtree(remains)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache_home()) as name:
        here, made = Path(name), Path(name, "made")
        made.mkdir()
        progress(f"fetching {package.name} {package.version}")
        _run("apt-get", "download", f"{package.name}={package.version}", cwd=here)
        progress("unpacking it")
        tree = here / "tree"
        _run("dpkg-deb", "--extract", str(next(here.glob("*.deb"))), str(tree))
        kernel = _kernel_in(made)
        packed = (tree / "boot" / f"vmlinuz-{package.release}").read_bytes()
        kernel.image.write_bytes(unpack_image(packed))
        kernel.modules.mkdir()
        for number, module in enumerate(_in_order(tree, package.release)):
            stem = f"{number:02}-{module.name.partition('.')[0]}"
            (kernel.modules / f"{stem}.ko").write_bytes(_unpacked(module.read_bytes()))
        made.rename(slot)


def _in_order(tree: Path, release: str) -> list[Path]:
    """The files of `MODULES` and of all that they depend on, dependencies first."""
    root = str(tree)
    _run(find_tool("depmod") or "depmod", "-b", root, release)
    modprobe = find_tool("modprobe") or "modprobe"
    listed = _run(modprobe, "-d", root, "-S", release, "--show-depends", "--all", *MODULES)
    lines = [line.split() for line in listed.splitlines()]
    files = [Path(line[1]) for line in lines if line[0] == "insmod"]  # else it is built in
    return list(dict.fromkeys(files))


def unpack_image(image: bytes) -> bytes:
    """The ELF file inside a bzImage (Documentation/arch/x86/boot.rst, protocol 2.08).

    Raises `RigError` if it is none, or packed in a way not known here.
    """
    if image[0x202:0x206] != b"HdrS":
        raise RigError("the kernel's package holds no bzImage")
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<2I", image, 0x248)
    start = (sectors + 1) * 512 + offset
    elf = _unpacked(image[start : start + length])
    if not elf.startswith(b"\x7fELF"):
        raise RigError("the kernel is packed in a way that is not known here")
    return elf


def _unpacked(data: bytes) -> bytes:
    """Unpack xz or zstd by its magic; whatever else it is stays as it is."""
    if data.startswith(XZ):
        # One stream: behind a kernel's stands its unpacked length.
        return lzma.LZMADecompressor().decompress(data)
    if data.startswith(ZSTD):
        result = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=False)
        return result.stdout  # zstd complains of the length behind it
    return data


def _run(*command: str, cwd: Path | None = None) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RigError(f"{' '.join(command[:2])} failed:\n{result.stderr[-2000:]}")
    return result.stdout
