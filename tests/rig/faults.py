"""What can be done to the air while laptops use it.

Loss, intervals and signal strength are `Air.settings`; these are the events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from bumble import hci

from nearproof.ble.virtual.connection import AirConnection
from nearproof.ble.virtual.medium import Air


def drop_links(air: Air) -> None:
    """End every link at once, as walking out of range does, without the wait for a timeout."""
    for controller in air.controllers:
        for end in list(controller.le_connections.values()):
            assert isinstance(end, AirConnection)
            end.channel.close()
            end.ended(hci.HCI_CONNECTION_TIMEOUT_ERROR)


@contextmanager
def jam(air: Air) -> Iterator[None]:
    """Let nothing through; links die of their supervision timeout."""
    before = air.settings
    air.settings = dataclasses.replace(before, loss=1.0)
    try:
        yield
    finally:
        air.settings = before
