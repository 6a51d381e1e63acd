"""HCI traffic as a btsnoop file, for Wireshark and for whoever sniffs an emulated air.

The format is BlueZ's monitor flavour (data link 2001), which holds several controllers in one
file: 24 bytes of big-endian header a packet, then the packet without its H4 type.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_MAGIC: Final = b"btsnoop\0" + struct.pack(">II", 1, 2001)
_RECORD: Final = struct.Struct(">IIIIq")  # length twice, index << 16 | opcode, drops, time
_EPOCH: Final = 0x00DCDDB30F2F8000  # microseconds from the year 0 to 1970
_NEW_INDEX: Final = 0
_COMMAND, _EVENT, ACL_SENT, _ACL_RECEIVED = 2, 3, 4, 5
_FROM_HOST: Final = {0x01: _COMMAND, 0x02: ACL_SENT}
_TO_HOST: Final = {0x02: _ACL_RECEIVED, 0x04: _EVENT}


class Btsnoop:
    """Writes one file; every packet is there when the call returns."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb", buffering=0)
        self._file.write(_MAGIC)

    def host(self, index: int, address: bytes) -> None:
        """A controller with this 6-byte public address (little-endian) came onto the air."""
        self._write(index, _NEW_INDEX, struct.pack("<BB6s8s", 0, 0, address, b"hci%d" % index))

    def from_host(self, index: int, packet: bytes) -> None:
        """One H4 packet from host to controller."""
        self._write(index, _FROM_HOST[packet[0]], packet[1:])

    def to_host(self, index: int, packet: bytes) -> None:
        """One H4 packet from controller to host."""
        self._write(index, _TO_HOST[packet[0]], packet[1:])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, index: int, opcode: int, data: bytes) -> None:
        now = time.time_ns() // 1000 + _EPOCH
        size = len(data)
        self._file.write(_RECORD.pack(size, size, index << 16 | opcode, 0, now) + data)


def att_values_written(path: Path) -> Iterator[bytes]:
    """The values of all ATT Write Requests in a btsnoop file, in order (what a sniffer hears)."""
    partial: dict[tuple[int, int], bytes] = {}
    for index, opcode, data in _records(path.read_bytes()):
        if opcode != ACL_SENT or len(data) < 4:
            continue
        handle, continued = data[0] | (data[1] & 0x0F) << 8, data[1] & 0x30 == 0x10
        link = (index, handle)
        partial[link] = (partial.get(link, b"") if continued else b"") + data[4:]
        pdu = partial[link]
        complete = len(pdu) >= 4 and len(pdu) == 4 + int.from_bytes(pdu[:2], "little")
        if complete and pdu[2:5] == b"\x04\x00\x12":  # CID 4 is ATT, 0x12 a Write Request
            yield pdu[7:]


def _records(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = len(_MAGIC)
    while at + _RECORD.size <= len(content):
        size, _, flags, _, _ = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        yield flags >> 16, flags & 0xFFFF, content[at : at + size]
        at += size
