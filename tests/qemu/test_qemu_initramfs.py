"""A guest's file system, unpacked again by somebody else's cpio."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from qemu import initramfs
from qemu.prerequisites import find_tool

pytestmark = pytest.mark.skipif(find_tool("busybox") is None, reason="needs busybox")


def test_archive_is_cpio(tmp_path: Path) -> None:
    """Directories, files of any length, modes and links come out as they went in."""
    packed = tmp_path / "archive"
    with packed.open("wb") as out:
        archive = initramfs.Archive(out)
        archive.link("bin", "usr/bin")
        for length in range(5):
            archive.file(f"usr/bin/file{length}", b"x" * length)
        archive.file("usr/bin/file0", b"said twice")
        archive.file("etc/one", b"1", 0o644)
        archive.directory("var/lib/empty")
        archive.end()
    tree = tmp_path / "tree"
    tree.mkdir()
    with packed.open("rb") as source:
        unpack = ["busybox", "cpio", "-i", "-d"]
        subprocess.run(unpack, stdin=source, cwd=tree, check=True, capture_output=True)
    assert [len((tree / f"bin/file{n}").read_bytes()) for n in range(5)] == list(range(5))
    assert (tree / "bin").readlink() == Path("usr/bin")
    assert (tree / "usr/bin/file0").stat().st_mode & 0o777 == 0o755
    assert (tree / "etc/one").stat().st_mode & 0o777 == 0o644
    assert (tree / "var/lib/empty").is_dir()


def test_libraries_are_found() -> None:
    """A program comes with its dynamic linker and its libraries; a static one alone."""
    names = {path.name for path in initramfs.libraries(Path("/usr/bin/env"))}
    assert "libc.so.6" in names
    assert any(name.startswith("ld-") for name in names)
    script = Path(__file__)
    assert initramfs.libraries(script) == []
