"""What the tests of scans have in common."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from nearproof.qr.advice import AdviceReason
from nearproof.qr.scanner import ScanAdvice, ScanItem, Scanner, Sighting


async def scan(source: str, **settings: Any) -> list[ScanItem]:
    """All items of a scan that ends by itself."""
    async with Scanner(source, **settings) as scanner:
        return [item async for item in scanner]


def texts(items: list[ScanItem]) -> list[str]:
    """What was sighted."""
    return [item.text for item in items if isinstance(item, Sighting)]


def advice(items: list[ScanItem]) -> list[AdviceReason]:
    """What was advised."""
    return [item.reason for item in items if isinstance(item, ScanAdvice)]


async def has_ended(pid: int | None) -> None:
    """Returns when the process has ended; the test's own timeout says if it does not."""
    assert pid is not None
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
