"""Small joints between asyncio tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def alongside(main: Coroutine[Any, Any, T], helper: Coroutine[Any, Any, None]) -> T:
    """Run `helper` while `main` runs; `main`'s result is the result.

    If the helper fails, `main` is cancelled and the helper's error is raised; when `main` ends,
    the helper is cancelled.
    """
    main_task = asyncio.ensure_future(main)
    helper_task = asyncio.ensure_future(helper)
    try:
        await asyncio.wait({main_task, helper_task}, return_when=asyncio.FIRST_COMPLETED)
        if helper_task.done() and not main_task.done():
            helper_task.result()
        return await main_task
    finally:
        for task in (main_task, helper_task):
            task.cancel()
        await asyncio.gather(main_task, helper_task, return_exceptions=True)
