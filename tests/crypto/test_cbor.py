"""Deterministic CBOR: one encoding for each value, and nothing else is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nearproof.crypto import cbor
from nearproof.crypto.errors import EncodingError

INTEGERS = st.integers(-(2**64), 2**64 - 1)
VALUES: st.SearchStrategy[Any] = st.recursive(
    INTEGERS | st.binary(max_size=40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(INTEGERS, inner, max_size=5),
    max_leaves=12,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=1)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 1


def plain(value: Any) -> Any:
    """What cbor2 returns, in our types."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    return value


@given(VALUES.filter(lambda value: depth(value) <= cbor.MAX_DEPTH))
def test_decode_undoes_encode(value: Any) -> None:
    """Every value of the subset survives, with its type."""
    data = cbor.encode(value)
    assert cbor.decode(data, max_size=len(data)) == value


@given(VALUES.filter(lambda value: depth(value) <= cbor.MAX_DEPTH))
def test_an_independent_decoder_reads_what_we_encode(value: Any) -> None:
    """cbor2 agrees about every value."""
    assert plain(cbor2.loads(cbor.encode(value))) == value


@given(st.binary(max_size=60))
@example(bytes.fromhex("a10101"))
@example(bytes.fromhex("d28440a04040"))
def test_whatever_is_accepted_encodes_to_the_same_bytes(data: bytes) -> None:
    """There is no second spelling."""
    try:
        value = cbor.decode(data, max_size=60)
    except EncodingError:
        return
    assert cbor.encode(value) == data


@given(VALUES, st.sampled_from([0, 18, 24, 2**32]))
def test_a_tag_stands_where_it_is_expected_and_nowhere_else(value: Any, number: int) -> None:
    """In front of the whole, when asked for by its number; any other place is refused."""
    assume(depth(value) < cbor.MAX_DEPTH)
    tagged = cbor.encode(cbor.Tag(number, value))
    size = len(tagged) + 8
    assert cbor.decode(tagged, max_size=size, tag=number) == value
    for data, tag in (
        (tagged, None),
        (tagged, number + 1),
        (cbor.encode(value), number),
        (cbor.encode([cbor.Tag(number, value)]), None),
        (cbor.encode(cbor.Tag(number, cbor.Tag(number, value))), number),
    ):
        with pytest.raises(EncodingError):
            cbor.decode(data, max_size=size, tag=tag)


@given(VALUES, st.data())
def test_no_other_spelling_of_a_value_is_accepted(value: Any, data: st.DataObject) -> None:
    """Any change of any byte is refused or means something else."""
    encoded = cbor.encode(value)
    index = data.draw(st.integers(0, len(encoded) - 1))
    flipped = bytearray(encoded)
    flipped[index] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = cbor.decode(bytes(flipped), max_size=len(flipped))
    except EncodingError:
        return
    assert repr(other) != repr(value)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (1000000, "1a000f4240"),
        (18446744073709551615, "1bffffffffffffffff"),
        (-1, "20"),
        (-18446744073709551616, "3bffffffffffffffff"),
        (-1000, "3903e7"),
        (b"\x01\x02\x03\x04", "4401020304"),
        ("\u6c34", "63e6b0b4"),
        ([1, [2, 3], [4, 5]], "8301820203820405"),
        ({1: 2, 3: 4}, "a201020304"),
    ],
)
def test_rfc8949_appendix_a(value: Any, encoded: str) -> None:
    """The appendix's examples that fall into the subset."""
    assert cbor.encode(value).hex() == encoded
    assert cbor.decode(bytes.fromhex(encoded), max_size=64) == value


def test_map_keys_are_in_bytewise_order() -> None:
    """RFC 8949 4.2.1, not the length-first order of RFC 7049: 24 before -1."""
    encoded = cbor.encode({-1: 0, 10: 0, 100: 0, -70001: 0, 265: 0})
    assert encoded.hex() == "a50a001864001901090020003a0001117000"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nothing", ""),
        ("long integer", "1801"),
        ("long integer of 2 bytes", "190018"),
        ("long integer of 8 bytes", "1b00000000ffffffff"),
        ("long text length", "780161"),
        ("long map length", "b801 0101"),
        ("repeated key", "a201010101"),
        ("unsorted keys", "a203040102"),
        ("length-first order", "a2 20 00 1864 00"),
        ("trailing byte", "0000"),
        ("too short", "4401"),
        ("huge length", "5bffffffffffffffff"),
        ("huge array", "9bffffffffffffffff"),
        ("huge map", "bbffffffffffffffff"),
        ("indefinite array", "9f01ff"),
        ("indefinite bytes", "5f4101ff"),
        ("reserved head", "1c"),
        ("false", "f4"),
        ("true for 1", "a101f5"),
        ("null", "f6"),
        ("simple value", "f820"),
        ("half float 1.0", "f93c00"),
        ("double", "fb3ff0000000000000"),
        ("text key", "a1616100"),
        ("bytes key", "a1410000"),
        ("not UTF-8", "61ff"),
        ("surrogate", "63eda080"),
        ("nested too deep", "81" * 8 + "00"),
        ("nested without end", "81" * 60),
        ("tags without end", "d2" * 60),
    ],
)
def test_refused(name: str, data: str) -> None:
    """Every spelling that RFC 8949 allows and 4.2.1 does not, and everything outside the subset."""
    with pytest.raises(EncodingError):
        cbor.decode(bytes.fromhex(data), max_size=64)


def test_oversize_is_refused_unread() -> None:
    """The limit comes before the first byte."""
    with pytest.raises(EncodingError, match="at most 2"):
        cbor.decode(b"\xff\xff\xff", max_size=2)


@pytest.mark.parametrize("value", [True, None, 1.0, 2**64, -(2**64) - 1, {"a": 1}, "\ud800", {1}])
def test_encode_refuses_what_decode_would(value: Any) -> None:
    """True is not 1; a text key is no key."""
    with pytest.raises(EncodingError):
        data = cbor.encode(value)
        cbor.decode(data, max_size=64)


def test_map_reader_refuses_missing_unknown_and_mistyped_keys() -> None:
    """A shape is exact."""
    with cbor.MapReader({1: 5, 2: b"ab"}) as fields:
        assert (fields.integer(1, 0, 9), fields.octets(2, 2)) == (5, b"ab")
    reads: list[Callable[[cbor.MapReader], object]] = [
        lambda fields: fields.integer(3, 0, 9),
        lambda fields: fields.integer(1, 0, 4),
        lambda fields: fields.integer(2, 0, 9),
        lambda fields: fields.octets(2, 3),
        lambda fields: fields.octets(1, 1),
        lambda fields: fields.text(2),
        lambda fields: fields.array(2),
        lambda fields: fields.blob(1),
        lambda fields: fields.constant(1, "5"),
        lambda fields: fields.integer(1, 0, 9),
    ]
    for read in reads:
        with pytest.raises(EncodingError), cbor.MapReader({1: 5, 2: b"ab"}) as fields:
            read(fields)
    with pytest.raises(EncodingError):
        cbor.MapReader([1])
