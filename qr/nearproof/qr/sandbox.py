"""What the processes that touch hostile pixels may still do.

`limit` bounds memory and what is written to files, and forbids core dumps (one would hold the
QR's secret); `confine` leaves a process nothing but its memory and the descriptors it holds.
"""

from __future__ import annotations

import mmap
import resource
from typing import Final

MEMORY: Final = 3 * 1024**3  # address space, bytes: the libraries alone map about one third
OUTPUT: Final = 64 * 1024  # bytes of complaints on standard error

_ALLOWED: Final = (
    # talk through what is open already
    *("read", "write", "recvfrom", "sendto", "close", "fstat", "newfstatat", "lseek"),
    # memory
    *("munmap", "mremap", "madvise", "brk"),
    # locks, clocks, chance, signals
    *("futex", "sched_yield", "clock_gettime", "gettimeofday", "getrandom", "sched_getaffinity"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("getpid", "gettid", "tgkill", "rseq", "exit", "exit_group"),
)


def limit() -> None:
    """Bound this process's address space and its output, and forbid it to dump core."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))


def confine() -> bool:
    """Deny this process every system call but those on open descriptors and memory.

    A denied call fails with EPERM: no open, socket, exec, fork or new executable page.  Cannot
    be undone.  False where libseccomp or the kernel cannot do it; the caller must say so.
    """
    try:
        import pyseccomp
    except (ImportError, RuntimeError):  # pyseccomp raises RuntimeError without libseccomp2
        return False
    import errno

    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
        for call in _ALLOWED:
            rules.add_rule(pyseccomp.ALLOW, call)
        for call in ("mmap", "mprotect"):
            not_executable = pyseccomp.Arg(2, pyseccomp.MASKED_EQ, mmap.PROT_EXEC, 0)
            rules.add_rule(pyseccomp.ALLOW, call, not_executable)
        rules.load()
    except OSError:
        return False
    return True
