"""The laptops' kernel: User Mode Linux with Bluetooth, built once from the distribution's source.

A build is cached under a hash of the source package's version, `uml.defconfig` and our fixes.
It happens in a temporary directory of the cache and is renamed into place, so an interrupted
build leaves no half kernel; the next build removes its remains.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig import prerequisites
from rig.errors import RigError

CONFIG = Path(__file__).with_name("uml.defconfig")
OBJECTS = 890  # compiled for Debian's 6.1; other versions differ a little
LOG_LINES = 30

# Without one of these the rig would start and then fail obscurely.
ESSENTIAL = (
    "HOSTFS",
    "TMPFS",
    "SSL",
    "NULL_CHAN",
    "UML_NET_VECTOR",
    "BT_HCIUART_H4",
    "CRYPTO_USER_API_HASH",
    "CRYPTO_USER_API_SKCIPHER",
    "CRYPTO_CMAC",
    "VIDEO_VIVID",
)

# Half of what the archive unpacks to, and no part of a User Mode Linux.
UNUSED = ("Documentation/*/*", "drivers/gpu/drm/*.[ch]", "sound/*.[ch]")

# What is wrong with User Mode Linux, or with Bluetooth in the kernels that Debian gives the source
# of, each as file, text and its replacement; what a version does not have stays as it is.
FIXES = (
    # Before 6.13 there are 2,696 bytes for a process's FPU state, and no process can be started
    # on a CPU whose state is longer: AMX takes it to 11,008.  The larger state lies on kernel
    # stacks, hence KERNEL_STACK_ORDER in the configuration.
    (
        "arch/x86/um/user-offsets.c",
        "DEFINE_LONGS(HOST_FP_SIZE, 2696);",
        "DEFINE_LONGS(HOST_FP_SIZE, 12288);",
    ),
    # 6.1.192 frees a link's channel once more with the last of its sockets, long after the link
    # itself has: pull a dongle out during a connection, and the kernel panics or hangs in
    # hci_chan_del.  Before, and again here, the channel goes with the link and is no more known.
    (
        "net/bluetooth/l2cap_core.c",
        "\thcon->l2cap_data = NULL;\n\tl2cap_conn_put(conn);\n",
        "\thci_chan_del(conn->hchan);\n\tconn->hchan = NULL;\n"
        "\thcon->l2cap_data = NULL;\n\tl2cap_conn_put(conn);\n",
    ),
    (
        "net/bluetooth/l2cap_core.c",
        "\thci_chan_del(conn->hchan);\n\thci_conn_put(conn->hcon);\n\tkfree(conn);\n",
        "\thci_conn_put(conn->hcon);\n\tkfree(conn);\n",
    ),
)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """An installed source package: its archive, and the version that dpkg names."""

    archive: Path
    version: str


def cache_home() -> Path:
    """Where built kernels are kept: `$XDG_CACHE_HOME/nearproof/rig`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nearproof" / "rig"


def find_source() -> Source | None:
    """The newest installed `linux-source-*` package, or None."""
    found = {
        path.name.split(".tar.")[0]: path
        for path in prerequisites.SOURCES.glob("linux-source-*.tar.*")
    }
    if not found:
        return None
    name = max(found, key=_version_key)
    query = ["dpkg-query", "-W", "-f", "${Version}", name]
    version = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    return Source(found[name], version or name)


def _version_key(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.rpartition("-")[2].split(".") if part.isdigit())


def _slot(source: Source) -> Path:
    ingredients = (source.version, repr(FIXES), CONFIG.read_text())
    digest = hashlib.sha256("\0".join(ingredients).encode()).hexdigest()
    return cache_home() / digest[:16]


def cached() -> Path | None:
    """The kernel of the installed source and this configuration, or None if not built yet."""
    source = find_source()
    if source is None:
        return None
    binary = _slot(source) / "linux"
    return binary if binary.exists() else None


def build(progress: Progress = lambda line: None) -> Path:
    """Return the kernel's path, building it first if need be (about 10 minutes on two cores).

    Raises `RigError` if a prerequisite lacks or the build fails.
    """
    if binary := cached():
        return binary
    prerequisites.require(prerequisites.BUILD)
    source = find_source()
    if source is None:  # removed since the check
        raise RigError("no linux-source package is installed")
    with _lock(progress):
        slot = _slot(source)
        if not (slot / "linux").exists():  # else somebody else built it while we waited
            _build_in(slot, source, progress)
    return slot / "linux"


@contextmanager
def _lock(progress: Progress) -> Iterator[None]:
    """Hold the cache alone; the kernel frees the lock of a builder that died."""
    cache_home().mkdir(parents=True, exist_ok=True)
    with (cache_home() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another build of the same cache")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_in(slot: Path, source: Source, progress: Progress) -> None:
    for remains in cache_home().glob("build-*"):
        shutil.rmtree(remains)
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache_home()) as name:
        tree, made = Path(name, "tree"), Path(name, "made")
        tree.mkdir()
        made.mkdir()
        progress(f"unpacking {source.archive.name}, version {source.version}")
        excludes = [f"--exclude=*/{pattern}" for pattern in UNUSED]
        _run("tar", "-xf", str(source.archive), "-C", str(tree), "--strip-components=1", *excludes)
        _fix(tree)
        shutil.copy(CONFIG, tree / ".config")
        _run("make", "-C", str(tree), "ARCH=um", "olddefconfig")
        _check_config(tree / ".config", source)
        _compile(tree, progress)
        _run("strip", "-o", str(made / "linux"), str(tree / "linux"))
        shutil.copy(tree / ".config", made / "config")
        slot.parent.mkdir(parents=True, exist_ok=True)
        made.rename(slot)
    progress(f"built {slot / 'linux'}")


def _fix(tree: Path) -> None:
    for path, wrong, right in FIXES:
        file = tree / path
        file.write_text(file.read_text().replace(wrong, right))


def _check_config(config: Path, source: Source) -> None:
    lines = set(config.read_text().splitlines())
    lacking = [name for name in ESSENTIAL if f"CONFIG_{name}=y" not in lines]
    if lacking:
        raise RigError(
            f"{source.archive.name} cannot be configured for the rig: no {', '.join(lacking)}"
        )


def _compile(tree: Path, progress: Progress) -> None:
    """Run make at low priority, telling `progress` every hundred objects."""
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    command = ["nice", "-n", "19", "make", "-C", str(tree), jobs, "ARCH=um", "linux"]
    done = 0
    log: deque[str] = deque(maxlen=LOG_LINES)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as make:
        assert make.stdout is not None
        for line in make.stdout:
            log.append(line)
            if line.split()[:1] in (["CC"], ["AS"]):
                done += 1
                if done % 100 == 0:
                    progress(f"compiling the kernel: {done} of about {OBJECTS} objects")
    if make.returncode:
        raise RigError("the kernel does not build:\n" + "".join(log))


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RigError(f"{' '.join(command[:3])} failed:\n{result.stderr[-2000:]}")


if __name__ == "__main__":
    try:
        build(lambda line: print(line, flush=True))
    except RigError as error:
        sys.exit(str(error))
