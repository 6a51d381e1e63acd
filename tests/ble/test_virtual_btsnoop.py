"""The traffic of an air as a file for Wireshark, and for a sniffer."""

from __future__ import annotations

from pathlib import Path

from ble.virtual_helpers import EID, NewEvents, OldEvents, find
from nearproof.ble.ports import Channel
from nearproof.ble.virtual.air import open_air
from nearproof.ble.virtual.btsnoop import att_values_written
from nearproof.ble.virtual.central import VirtualCentral
from nearproof.ble.virtual.peripheral import VirtualPeripheral


async def test_what_is_written_over_the_air_is_in_the_file(tmp_path: Path) -> None:
    """Short values and long ones that HCI carries in pieces, in order."""
    trace = tmp_path / "air.btsnoop"
    values = [b"short", bytes(range(250)) * 2, b""]
    async with open_air(btsnoop=trace) as (_, address):
        peripheral, central = VirtualPeripheral(address), VirtualCentral(address)
        await peripheral.open(OldEvents())
        await peripheral.advertise(EID)
        await central.open()
        link = await central.connect(await find(central), NewEvents())
        for value in values:
            await link.write(Channel.MESSAGES, value)
        await central.close()
        await peripheral.close()
    content = trace.read_bytes()
    assert content[:16] == b"btsnoop\0\0\0\0\1\0\0\x07\xd1"
    written = list(att_values_written(trace))
    assert [value for value in written if value in values] == values
