"""Memory that a process at rest does not need."""

from __future__ import annotations

import contextlib


def give_back() -> None:
    """Return to the kernel what imports and roles have freed: about 3 MiB of an idle laptop."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # glibc has it, others need it less
        ctypes.CDLL(None).malloc_trim(0)
