"""What a process can still do after it was confined, tried out in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from ctypes.util import find_library

import pytest

needs_libseccomp = pytest.mark.skipif(
    find_library("seccomp") is None, reason="Debian's libseccomp2 is not installed"
)

PROBE = """
import mmap, os, resource, socket
from nearproof.qr.sandbox import confine, limit

def attempt(name, action):
    try:
        action()
    except PermissionError:
        print(name, "denied")
    except ValueError:  # what setrlimit makes of EPERM
        print(name, "denied")
    else:
        print(name, "allowed")

reader, writer = os.pipe()
limit()
assert confine()
attempt("open for reading", lambda: os.open("/etc/hostname", os.O_RDONLY))
attempt("open for writing", lambda: os.open("/tmp/x", os.O_WRONLY | os.O_CREAT))
attempt("list", lambda: os.listdir("/"))
attempt("unlink", lambda: os.unlink("/tmp/none"))
attempt("socket", lambda: socket.socket())
attempt("fork", os.fork)
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("kill", lambda: os.kill(1, 0))
attempt("executable page", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC))
attempt("lift a limit", lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)))
attempt("write to an open pipe", lambda: os.write(writer, b"x"))
attempt("read from an open pipe", lambda: os.read(reader, 1))
attempt("memory", lambda: mmap.mmap(-1, 1 << 20))
"""


@needs_libseccomp
def test_a_confined_process_has_its_memory_and_its_pipes_and_nothing_else() -> None:
    """No open, no socket, no new process, no code but its own."""
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    outcomes = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    allowed = {name for name, outcome in outcomes.items() if outcome == "allowed"}
    assert allowed == {"write to an open pipe", "read from an open pipe", "memory"}
    assert len(outcomes) == 13


def test_without_libseccomp_confining_says_that_it_cannot() -> None:
    """The caller reports it; nothing is pretended."""
    program = (
        "import ctypes.util\n"
        "found = ctypes.util.find_library\n"
        "ctypes.util.find_library = lambda name: None if name == 'seccomp' else found(name)\n"
        "from nearproof.qr.sandbox import confine\n"
        "print(confine(), open('/dev/null').name)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "False /dev/null\n"


def test_a_limited_process_dumps_no_core_and_cannot_eat_the_machine() -> None:
    """A core would hold the QR's secret; 3 GiB is the most that a picture may take."""
    program = (
        "import resource\n"
        "from nearproof.qr.sandbox import MEMORY, limit\n"
        "limit()\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)\n"
        "try: bytearray(MEMORY)\n"
        "except MemoryError: print('refused')\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "refused\n"
