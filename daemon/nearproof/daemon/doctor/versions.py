"""Version numbers as BlueZ and the kernel print them."""

from __future__ import annotations

import re

Version = tuple[int, ...]


def parse(text: str) -> Version | None:
    """The first dotted number in `text` ("5.66-1+deb12u2" is 5.66), or None without one."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else None


def kernel(release: str, version: str) -> Version | None:
    """The kernel's version from the fields `release` and `version` of uname(2).

    Debian's release names the ABI ("6.1.0-28-amd64"), its version the real one
    ("#1 SMP Debian 6.1.119-1 (2024-11-22)").
    """
    debian = re.search(r"\bDebian (?:\d+:)?([\d.]+)", version)
    return parse(debian[1] if debian else release)


def dotted(version: Version) -> str:
    """As people write it."""
    return ".".join(map(str, version))
