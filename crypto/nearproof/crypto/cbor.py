"""Deterministic CBOR, the part of it that PXP1 uses (RFC 8949 4.2.1).

Integers of 64 bits, byte strings, text, arrays, maps with integer keys, and tags.  There are no
floats, booleans, nulls or indefinite lengths, so that every value has exactly one encoding and
the decoder can refuse all others while it reads: long integers, unsorted or repeated keys,
trailing bytes.  Nothing is interpreted (no dates, references or bignums), nesting is bounded, and
no length is believed before the bytes are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeAlias

from nearproof.crypto.errors import EncodingError

MAX_DEPTH: Final = 8

_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(7)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged value (RFC 8949 3.4), for `encode`."""

    number: int
    value: Encodable


Value: TypeAlias = "int | bytes | str | list[Value] | dict[int, Value]"
"""What `decode` returns."""

Encodable: TypeAlias = "int | bytes | str | Sequence[Encodable] | Mapping[int, Encodable] | Tag"
"""What `encode` takes; type(True) is bool, not int, and is refused."""


def encode(value: Encodable) -> bytes:
    """Encode deterministically: shortest heads, keys in the byte order of their encodings.

    Raises `EncodingError` for a value outside the subset.
    """
    if type(value) is int:
        return _head(_UINT, value) if value >= 0 else _head(_NINT, -1 - value)
    if isinstance(value, bytes):
        return _head(_BYTES, len(value)) + value
    if isinstance(value, str):
        return _encode_text(value)
    if isinstance(value, Tag):
        return _head(_TAG, value.number) + encode(value.value)
    if isinstance(value, Mapping):
        items = sorted((encode(key), encode(item)) for key, item in value.items())
        return _head(_MAP, len(items)) + b"".join(key + item for key, item in items)
    if isinstance(value, (list, tuple)):
        return _head(_ARRAY, len(value)) + b"".join(map(encode, value))
    raise EncodingError(f"{type(value).__name__} has no place in PXP1's CBOR")


def _encode_text(value: str) -> bytes:
    try:
        text = value.encode()
    except UnicodeEncodeError:
        raise EncodingError("text with a lone surrogate") from None
    return _head(_TEXT, len(text)) + text


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise EncodingError("an integer of more than 64 bits")


def decode(data: bytes, *, max_size: int, tag: int | None = None) -> Value:
    """Decode exactly one item that is encoded as `encode` would.

    With `tag` that number must stand in front of the item; no tag may stand anywhere else.

    Raises `EncodingError` for anything else, and for more than `max_size` bytes before looking
    at them.
    """
    if len(data) > max_size:
        raise EncodingError(f"{len(data)} bytes of CBOR where at most {max_size} are allowed")
    decoder = _Decoder(data)
    if tag is not None:
        decoder.tag(tag)
    value = decoder.item(MAX_DEPTH)
    if decoder.position != len(data):
        raise EncodingError("bytes after the CBOR item")
    return value


class _Decoder:
    """A cursor over one encoded item."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def item(self, depth: int) -> Value:
        if depth == 0:
            raise EncodingError(f"CBOR nested deeper than {MAX_DEPTH}")
        major, argument = self._head()
        if major == _UINT:
            return argument
        if major == _NINT:
            return -1 - argument
        if major == _BYTES:
            return self._take(argument)
        if major == _TEXT:
            return self._text(argument)
        if major == _ARRAY:
            return [self.item(depth - 1) for _ in range(argument)]
        if major == _MAP:
            return self._map(argument, depth)
        raise EncodingError("a CBOR tag, float or simple value")

    def tag(self, number: int) -> None:
        if self._head() != (_TAG, number):
            raise EncodingError(f"not CBOR tag {number}")

    def _head(self) -> tuple[int, int]:
        initial = self._take(1)[0]
        major, info = initial >> 5, initial & 0x1F
        if info < 24:
            return major, info
        if info > 27:
            raise EncodingError("an indefinite length or a reserved CBOR head")
        size = 1 << info - 24
        argument = int.from_bytes(self._take(size), "big")
        if argument < (24 if size == 1 else 1 << 4 * size):
            raise EncodingError("a CBOR head that is longer than needed")
        return major, argument

    def _take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self._data):
            raise EncodingError("CBOR that ends too early")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode()
        except UnicodeDecodeError:
            raise EncodingError("CBOR text that is not UTF-8") from None

    def _map(self, size: int, depth: int) -> dict[int, Value]:
        result: dict[int, Value] = {}
        previous = b""
        for _ in range(size):
            start = self.position
            key = self.item(depth - 1)
            encoded = self._data[start : self.position]
            if not isinstance(key, int):
                raise EncodingError("a CBOR map key that is not an integer")
            if encoded <= previous:
                raise EncodingError("CBOR map keys out of order or repeated")
            previous = encoded
            result[key] = self.item(depth - 1)
        return result


class MapReader:
    """Takes a map apart, key by key, and refuses what was not asked for.

    Used as a context manager: leaving it without an error checks that no key is left.  Every
    method raises `EncodingError` for a missing key, another type or a value out of bounds.
    """

    def __init__(self, value: Value) -> None:
        if not isinstance(value, dict):
            raise EncodingError("not a CBOR map")
        self._left = dict(value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None and self._left:
            raise EncodingError(f"unknown keys {sorted(self._left)}")

    def __contains__(self, key: int) -> bool:
        return key in self._left

    def item(self, key: int) -> Value:
        """Whatever stands under `key`."""
        if key not in self._left:
            raise EncodingError(f"key {key} is missing")
        return self._left.pop(key)

    def integer(self, key: int, low: int, high: int) -> int:
        """An integer in low..high, both included."""
        value = self.item(key)
        if not isinstance(value, int) or not low <= value <= high:
            raise EncodingError(f"key {key} is not an integer in {low}..{high}")
        return value

    def uint32(self, key: int) -> int:
        """An unsigned integer of at most 32 bits."""
        return self.integer(key, 0, 2**32 - 1)

    def constant(self, key: int, expected: int | str) -> None:
        """Exactly this value."""
        value = self.item(key)
        if type(value) is not type(expected) or value != expected:
            raise EncodingError(f"key {key} is not {expected!r}")

    def octets(self, key: int, size: int) -> bytes:
        """A byte string of exactly `size` bytes."""
        value = self.item(key)
        if not isinstance(value, bytes) or len(value) != size:
            raise EncodingError(f"key {key} is not a string of {size} bytes")
        return value

    def blob(self, key: int) -> bytes:
        """A byte string of any length (the whole item's size is bounded already)."""
        value = self.item(key)
        if not isinstance(value, bytes):
            raise EncodingError(f"key {key} is not a byte string")
        return value

    def text(self, key: int) -> str:
        """A text string."""
        value = self.item(key)
        if not isinstance(value, str):
            raise EncodingError(f"key {key} is not text")
        return value

    def array(self, key: int) -> list[Value]:
        """An array."""
        value = self.item(key)
        if not isinstance(value, list):
            raise EncodingError(f"key {key} is not an array")
        return value
