"""Building and caching the kernel, with a small make file in the place of the kernel's source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from rig import kernel, prerequisites
from rig.errors import RigError

TESTS = str(Path(__file__).parents[1])
MAKEFILE = """\
olddefconfig:
	@true
linux:
	@echo '  CC      main.o'
	{recipe}
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and a directory for source packages, with nothing else lacking."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sources = tmp_path / "src"
    sources.mkdir()
    monkeypatch.setattr(prerequisites, "SOURCES", sources)
    monkeypatch.setattr(prerequisites, "BUILD", {})
    return sources


def pack(sources: Path, recipe: str, version: str = "6.1") -> None:
    """Make a source package whose kernel is built by `recipe`."""
    tree = sources / f"linux-source-{version}"
    for path, wrong, _ in kernel.FIXES:
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wrong)
    (tree / "Makefile").write_text(MAKEFILE.format(recipe=recipe))
    with tarfile.open(sources / f"{tree.name}.tar.xz", "w:xz") as archive:
        archive.add(tree, tree.name)


BUILDS = "cp /bin/true linux"

BUILDER = """
import pathlib, sys
from rig import kernel, prerequisites
prerequisites.SOURCES, prerequisites.BUILD = pathlib.Path(sys.argv[1]), {}
kernel.ESSENTIAL = ("HOSTFS",)
kernel.build()
"""


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that the make file cannot fail to accept."""
    monkeypatch.setattr(kernel, "ESSENTIAL", ("HOSTFS",))


@pytest.mark.usefixtures("config")
def test_builds_once(source: Path) -> None:
    """The second build takes the first one's kernel without a word."""
    pack(source, BUILDS)
    said: list[str] = []
    built = kernel.build(said.append)
    assert os.access(built, os.X_OK)
    assert said[0].startswith("unpacking linux-source-6.1.tar.xz")
    said.clear()
    assert kernel.build(said.append) == kernel.cached() == built
    assert said == []


@pytest.mark.usefixtures("config")
def test_failed_build_leaves_nothing(source: Path) -> None:
    """A build that fails says why and leaves the cache empty."""
    pack(source, "@echo main.c:1: no such thing; exit 1")
    with pytest.raises(RigError, match=r"main\.c:1: no such thing"):
        kernel.build()
    assert kernel.cached() is None
    assert [path.name for path in kernel.cache_home().iterdir()] == ["lock"]


@pytest.mark.usefixtures("config")
def test_killed_build_leaves_no_half_kernel(source: Path, tmp_path: Path) -> None:
    """After kill -9 in the middle of a build the next one starts afresh and cleans up."""
    started = tmp_path / "started"
    os.mkfifo(started)
    pack(source, f"echo >{started}; read never <{started}")
    builder = subprocess.Popen(
        [sys.executable, "-c", BUILDER, source], env=dict(os.environ, PYTHONPATH=TESTS)
    )
    with started.open() as fifo:
        fifo.read(1)
    builder.kill()
    builder.wait()
    assert kernel.cached() is None
    started.write_text("go\n")  # ends the recipe that was left behind
    shutil.rmtree(source / "linux-source-6.1")
    pack(source, BUILDS)
    assert kernel.build().exists()
    assert not list(kernel.cache_home().glob("build-*"))


def test_source_that_cannot_be_configured(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source without what the rig needs is named, with what it lacks."""
    monkeypatch.setattr(kernel, "ESSENTIAL", ("HOSTFS", "FLUX_CAPACITOR"))
    pack(source, BUILDS)
    with pytest.raises(RigError, match=r"linux-source-6\.1.*no FLUX_CAPACITOR"):
        kernel.build()


@pytest.mark.usefixtures("config")
def test_newest_source_is_taken(source: Path) -> None:
    """Of several installed sources the newest is taken, by number."""
    for version in ("6.1", "6.12", "6.8.0"):
        pack(source, BUILDS, version)
    found = kernel.find_source()
    assert found is not None
    assert found.archive.name == "linux-source-6.12.tar.xz"


def test_lacking_packages_are_named_in_one_line() -> None:
    """What lacks is said in one apt line for all of it."""
    with pytest.raises(RigError, match=r"apt-get install -y --no-install-recommends flex bison$"):
        prerequisites.require({"gcc": lambda: True, "flex": lambda: False}, {"bison": bool})


def test_help_names_the_commands() -> None:
    """`scripts/rig --help` tells what there is."""
    script = Path(__file__).parents[2] / "scripts" / "rig"
    help_text = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    for command in ("build", "up", "run"):
        assert command in help_text.stdout
