"""An advert holds one EID and no more; a stranger's advert holds what it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearproof.ble.virtual.adverts import MAX_ADVERT, advert_data, service_uuids

eids = st.binary(min_size=16, max_size=16)


def test_exact_bytes() -> None:
    """Flags (general discoverable, no BR/EDR), the UUID little-endian, no name."""
    eid = bytes.fromhex("6e702d015058503180006e6561727066")
    assert advert_data(eid).hex() == "020106110766707261656e008031505850012d706e"


@given(eids)
def test_round_trip(eid: bytes) -> None:
    """Byte 0 is the first hex pair of the UUID on both sides; it fits a legacy advert."""
    data = advert_data(eid)
    assert len(data) <= MAX_ADVERT
    assert service_uuids(data) == (eid,)


@given(st.integers(0, 40).filter(lambda size: size != 16))
def test_wrong_length(size: int) -> None:
    """An EID has 16 bytes."""
    with pytest.raises(ValueError, match="EID"):
        advert_data(bytes(size))


@given(st.lists(eids, max_size=3), st.sampled_from([6, 7]))
def test_several_uuids(eids: list[bytes], kind: int) -> None:
    """Complete and incomplete lists are read, with all their UUIDs, after other structures."""
    uuids = b"".join(eid[::-1] for eid in eids)
    data = b"\x02\x0a\x00" + bytes([1 + len(uuids), kind]) + uuids
    assert service_uuids(data) == tuple(eids)


@given(st.binary(max_size=255))
def test_garbage(data: bytes) -> None:
    """Any advert can be read; what is malformed holds no UUID."""
    assert all(len(uuid) == 16 for uuid in service_uuids(data))


def test_cut_short() -> None:
    """A list that ends before its length says is not read beyond its whole UUIDs."""
    assert service_uuids(advert_data(bytes(16))[:-1]) == ()
    assert service_uuids(b"\x00" + advert_data(bytes(16))) == ()
