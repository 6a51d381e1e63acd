"""Taking Debian's kernel out of its package, with a small package in the archive's place."""

from __future__ import annotations

import lzma
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qemu import kernel
from qemu.prerequisites import find_tool
from rig.errors import RigError

ELF = b"\x7fELF and so on" * 99
RELEASE = "6.1.0-9-amd64"
TESTS = str(Path(__file__).parents[1])

pytestmark = pytest.mark.skipif(
    not all(map(find_tool, ("depmod", "dpkg-deb", "zstd"))), reason="needs kmod, dpkg and zstd"
)


def zstd(data: bytes) -> bytes:
    """Packed by the command that unpacks it."""
    return subprocess.run(["zstd", "-c"], input=data, capture_output=True, check=True).stdout


def bz_image(packed: bytes) -> bytes:
    """A bzImage with two sectors of set-up code, 100 bytes of loader, then the kernel."""
    setup = bytearray(3 * 512)
    setup[0x1F1] = 2
    setup[0x202:0x206] = b"HdrS"
    payload = packed + struct.pack("<I", len(ELF))
    struct.pack_into("<2I", setup, 0x248, 100, len(payload))
    return bytes(setup) + bytes(100) + payload + b"the end"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an apt that gives the package made here; its commands' directory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree = tmp_path / "tree"
    for directory in ("DEBIAN", "boot", f"lib/modules/{RELEASE}"):
        (tree / directory).mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: linux-image-{RELEASE}\nVersion: 6.1.9-1\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: none\n"
    )
    (tree / "boot" / f"vmlinuz-{RELEASE}").write_bytes(bz_image(lzma.compress(ELF)))
    modules = tree / "lib/modules" / RELEASE
    (modules / "modules.builtin").write_text("".join(f"kernel/{m}.ko\n" for m in kernel.MODULES))
    (modules / "modules.order").touch()
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", tree, tmp_path / "kernel.deb"],
        check=True,
        capture_output=True,
    )
    commands = tmp_path / "bin"
    commands.mkdir()
    command(commands / "apt-cache", f"echo 'Depends: linux-image-{RELEASE} (= 6.1.9-1)'")
    command(commands / "apt-get", f"cp {tmp_path}/kernel.deb .")
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    return commands


def command(path: Path, script: str) -> None:
    """Write a command."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_kernel_is_fetched_once(archive: Path) -> None:
    """The second time it comes from the cache without a word, though the archive is gone."""
    said: list[str] = []
    fetched = kernel.ready(said.append)
    assert said == [f"fetching linux-image-{RELEASE} 6.1.9-1", "unpacking it"]
    assert fetched.image.read_bytes() == ELF
    assert not list(fetched.modules.iterdir())  # all are built in here
    command(archive / "apt-get", "exit 1")
    said.clear()
    assert kernel.ready(said.append) == fetched
    assert not said


def test_failed_fetch_leaves_nothing(archive: Path) -> None:
    """What apt says is told, and the cache stays empty."""
    command(archive / "apt-get", "echo 404 Not Found >&2; exit 100")
    with pytest.raises(RigError, match="404 Not Found"):
        kernel.ready()
    assert [path.name for path in kernel.cache_home().iterdir()] == ["lock"]


def test_killed_fetch_leaves_no_half_kernel(archive: Path, tmp_path: Path) -> None:
    """After kill -9 in the middle of a fetch the next one starts afresh and cleans up."""
    whole = (archive / "apt-get").read_text()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command(archive / "apt-get", f"echo >{fifo}; read never <{fifo}")
    fetcher = subprocess.Popen(
        [sys.executable, "-c", "from qemu import kernel; kernel.ready()"],
        env={**os.environ, "PYTHONPATH": TESTS},
    )
    with fifo.open() as started:
        started.read(1)
    fetcher.kill()
    fetcher.wait()
    fifo.write_text("go\n")  # ends the command that was left behind
    command(archive / "apt-get", whole)
    assert kernel.ready().image.exists()
    assert not list(kernel.cache_home().glob("fetch-*"))


def test_apt_without_the_kernel(archive: Path) -> None:
    """Where apt offers no such kernel, that is said."""
    command(archive / "apt-cache", "exit 100")
    with pytest.raises(RigError, match="apt offers no linux-image-amd64"):
        kernel.ready()


@pytest.mark.parametrize("pack", [lzma.compress, zstd])
def test_kernel_is_unpacked(pack: Callable[[bytes], bytes]) -> None:
    """The ELF file comes out whole, without the length that stands behind it."""
    assert kernel.unpack_image(bz_image(pack(ELF))) == ELF


@pytest.mark.parametrize("image", [b"", bytes(4096), bz_image(b"\x1f\x8b\x08 in gzip")])
def test_what_is_no_kernel_is_refused(image: bytes) -> None:
    """Neither what is no bzImage nor one packed in an unknown way is taken for a kernel."""
    with pytest.raises(RigError, match=r"bzImage|not known"):
        kernel.unpack_image(image)
