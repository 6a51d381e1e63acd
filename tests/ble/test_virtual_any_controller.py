"""The same driver on controllers that are not ours: Bumble's own, reached by a transport name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bumble.controller import Controller
from bumble.link import LocalLink
from bumble.transport.unix import open_unix_server_transport

from ble.virtual_helpers import EID, NewEvents, OldEvents, find
from nearproof.ble.ports import Channel
from nearproof.ble.virtual.central import VirtualCentral
from nearproof.ble.virtual.peripheral import VirtualPeripheral


@pytest.fixture
async def controllers(tmp_path: Path) -> AsyncIterator[list[str]]:
    """Two stock Bumble controllers, which claim extended advertising, on sockets."""
    link = LocalLink()  # type: ignore[no-untyped-call]
    transports = []
    for name in "old", "new":
        transport = await open_unix_server_transport(str(tmp_path / name))
        Controller(name, transport.source, transport.sink, link)
        transports.append(transport)
    yield [f"unix:{tmp_path / name}" for name in ("old", "new")]
    for transport in transports:
        transport.server.close()  # type: ignore[attr-defined]
        await transport.close()


async def test_extended_advertising_controllers(controllers: list[str]) -> None:
    """With extended advertising commands, too: advert, connection, messages, and once more."""
    old, new = OldEvents(), NewEvents()
    peripheral, central = VirtualPeripheral(controllers[0]), VirtualCentral(controllers[1])
    try:
        await peripheral.open(old)
        await central.open()
        await peripheral.advertise(EID)
        for _ in range(2):
            link = await central.connect(await find(central), new)
            await link.subscribe(Channel.MESSAGES)
            _, name, _ = await old.expect("subscribed")
            await link.write(Channel.MESSAGES, b"question")
            await old.expect("written", name, Channel.MESSAGES, b"question")
            await peripheral.notify(str(name), Channel.MESSAGES, bytes(500))
            await new.expect("notified", Channel.MESSAGES, bytes(500))
            await link.disconnect()
            await new.expect("lost")
            await old.expect("disconnected", name)
    finally:
        await central.close()
        await peripheral.close()
