"""A list that one can wait on, for tests that must not sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE = 20.0  # seconds; far more than anything here takes


class Record(Generic[T]):
    """What happened, in order."""

    def __init__(self) -> None:
        self.entries: list[T] = []
        self._waiting: list[asyncio.Future[None]] = []

    def note(self, entry: T) -> None:
        self.entries.append(entry)
        self.stir()

    def stir(self) -> None:
        """Something changed: whoever waits looks again."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(future)
                await future

    async def has(self, entry: T, times: int = 1) -> None:
        await self.until(lambda: self.entries.count(entry) >= times)
