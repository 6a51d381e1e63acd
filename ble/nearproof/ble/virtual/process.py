"""The air in a child process, for demos and tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Final, cast

from nearproof.ble.errors import BluetoothError, BluetoothReason

_STOP_SECONDS: Final = 5.0


@contextlib.asynccontextmanager
async def air_process(*options: str) -> AsyncIterator[str]:
    """Run an air beside this process; yields its address ("air:...") once it is ready.

    `options` are those of `python -m nearproof.ble.virtual.air`.  The child ends with the
    context, or with this process, whose end of its stdin it watches.  Raises
    `BluetoothError` (TRANSPORT) if it does not start.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nearproof.ble.virtual.air",
        "--control",
        *options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    stdin = cast(asyncio.StreamWriter, child.stdin)
    stdout = cast(asyncio.StreamReader, child.stdout)
    try:
        line = await stdout.readline()
        if not line:
            raise BluetoothError(BluetoothReason.TRANSPORT, "the air did not start")
        yield str(json.loads(line)["ready"])
    finally:
        stdin.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
