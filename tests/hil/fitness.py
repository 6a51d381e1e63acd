"""What this laptop is, and whether it can take part: `python -m hil.fitness RADIO ROLE`.

Prints one JSON object: kernel, BlueZ, Python, and `fault`, which is null if all is well.
"""

from __future__ import annotations

import asyncio
import json
import platform
import sys

from nearproof.ble.bluez.adapter import Role, bluez_version, preflight
from nearproof.ble.errors import BluetoothError


async def main(radio: str, role: str) -> None:
    """Look, and change nothing."""
    facts = {"kernel": platform.release(), "python": platform.python_version(), "radio": radio}
    fault = None
    kind, _, adapter = radio.partition(":")
    if kind == "bluez":
        facts["bluez"] = await bluez_version() or "unknown"
        try:
            await preflight(adapter, Role(role))
        except BluetoothError as error:
            fault = f"{error.reason}: {error.detail}"
    print(json.dumps({**facts, "fault": fault}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
