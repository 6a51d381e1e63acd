"""The bytes of an advert: advertising data structures (Core Spec Vol 3 Part C 11)."""

from __future__ import annotations

from typing import Final

MAX_ADVERT: Final = 31  # bytes in a legacy advert
_UUID: Final = 16  # bytes
_FLAGS: Final = 0x01
_INCOMPLETE_UUIDS_128: Final = 0x06
_COMPLETE_UUIDS_128: Final = 0x07
_GENERAL_DISCOVERABLE_NO_BR_EDR: Final = 0x06


def advert_data(eid: bytes) -> bytes:
    """The advert for one EID: flags, and the EID as the complete list of 128-bit services.

    `eid` is 16 bytes, big-endian as in the UUID's string; on the air a UUID is little-endian
    (Supplement Part A 1.1).  Raises `ValueError` for another length.
    """
    if len(eid) != _UUID:
        raise ValueError(f"EID of {len(eid)} bytes, not {_UUID}")
    return bytes(
        [2, _FLAGS, _GENERAL_DISCOVERABLE_NO_BR_EDR, 1 + _UUID, _COMPLETE_UUIDS_128, *eid[::-1]]
    )


def service_uuids(data: bytes) -> tuple[bytes, ...]:
    """The 128-bit service UUIDs in an advert's data, 16 bytes big-endian each.

    Adverts come from anybody: what is cut short or malformed holds no UUID, and does not raise.
    """
    found: list[bytes] = []
    at = 0
    while at < len(data) and data[at]:
        structure = data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
        if structure and structure[0] in (_INCOMPLETE_UUIDS_128, _COMPLETE_UUIDS_128):
            uuids = structure[1:]
            whole = len(uuids) - len(uuids) % _UUID
            found += [uuids[i : i + _UUID][::-1] for i in range(0, whole, _UUID)]
    return tuple(found)
