"""A bare bless server that answers as many values as PXP1: `python -m hil.bare_server`.

Nothing of the product.  Prints `ready`, and ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any, cast

from bless.backends.attribute import GATTAttributePermissions
from bless.backends.bluezdbus.characteristic import BlessGATTCharacteristicBlueZDBus
from bless.backends.bluezdbus.server import BlessServerBlueZDBus
from bless.backends.characteristic import GATTCharacteristicProperties

from hil.bare import MESSAGES, PAIRS, ROUNDS, SERVICE


async def main() -> None:
    """Serve until standard input ends; the adapter keeps its name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", default="hci0")
    server = BlessServerBlueZDBus(name="bare", adapter=parser.parse_args().adapter)

    def written(_: Any, value: Any) -> None:
        characteristic = cast(BlessGATTCharacteristicBlueZDBus, server.get_characteristic(MESSAGES))
        for size in PAIRS[len(value)]:
            characteristic.value = bytearray(os.urandom(size))
            server.update_value(SERVICE, MESSAGES)

    server.write_request_func = written
    await server.add_new_service(SERVICE)
    for uuid in (MESSAGES, ROUNDS):
        await server.add_new_characteristic(
            SERVICE,
            uuid,
            GATTCharacteristicProperties.write | GATTCharacteristicProperties.notify,
            None,
            GATTAttributePermissions.writeable,
        )
    adapter: Any = server.adapter.get_interface("org.bluez.Adapter1")
    alias = await adapter.get_alias()  # which bless changes
    await server.start()
    try:
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, os.read, sys.stdin.fileno(), 1)
    finally:
        await server.stop()
        await adapter.set_alias(alias)


if __name__ == "__main__":
    asyncio.run(main())
