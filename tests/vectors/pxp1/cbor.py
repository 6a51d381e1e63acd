"""SPEC section 1: the CBOR subset.  Strict in, deterministic out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from vectors.pxp1.refused import Refused

MAX_DEPTH = 8
COSE_SIGN1_TAG = 18


@dataclass(frozen=True)
class Tagged:
    """Tag 18 and what it stands before; no other tag is accepted anywhere."""

    value: Any


def head(major: int, argument: int) -> bytes:
    """Major type and argument in the fewest bytes."""
    if argument < 24:
        return bytes([major << 5 | argument])
    for extra, size in enumerate((1, 2, 4, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | 24 + extra]) + argument.to_bytes(size, "big")
    raise ValueError("more than 64 bits")


def encode(value: Any) -> bytes:
    match value:
        case bool() | None:
            raise TypeError("no simple values in this subset")
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            text = value.encode()
            return head(3, len(text)) + text
        case list():
            return head(4, len(value)) + b"".join(map(encode, value))
        case dict():
            pairs = sorted((encode(key), encode(item)) for key, item in value.items())
            return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
        case Tagged():
            return head(6, COSE_SIGN1_TAG) + encode(value.value)
        case _:
            raise TypeError(type(value).__name__)


def decode(data: bytes, *, tag_allowed: bool = False) -> Any:
    """The one item that is all of `data`; `tag_allowed`: it may be tag 18, as a token is."""
    reader = _Reader(data)
    if tag_allowed and data[:1] == head(6, COSE_SIGN1_TAG):
        reader.at = 1
        value: Any = Tagged(reader.item(0))
    else:
        value = reader.item(0)
    if reader.at != len(data):
        raise Refused("cbor")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise Refused("cbor")
        self.at += size
        return self.data[self.at - size : self.at]

    def head(self) -> tuple[int, int]:
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info
        if info > 27:  # reserved, or of indefinite length
            raise Refused("cbor")
        size = 1 << info - 24
        argument = int.from_bytes(self.take(size), "big")
        if head(major, argument) != self.data[self.at - size - 1 : self.at]:
            raise Refused("cbor")
        return major, argument

    def item(self, depth: int) -> Any:
        """One item that stands inside `depth` arrays and maps."""
        if depth >= MAX_DEPTH:
            raise Refused("cbor")
        major, argument = self.head()
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self.take(argument)
            case 3:
                try:
                    return self.take(argument).decode("utf-8")
                except UnicodeDecodeError:
                    raise Refused("cbor") from None
            case 4:
                return [self.item(depth + 1) for _ in range(argument)]
            case 5:
                return self.map(argument, depth)
            case _:  # tags and simple values have no place inside an item
                raise Refused("cbor")

    def map(self, size: int, depth: int) -> dict[int, Any]:
        found: dict[int, Any] = {}
        spellings = []
        for _ in range(size):
            start = self.at
            key = self.item(depth + 1)
            if not isinstance(key, int):
                raise Refused("cbor")
            spellings.append(self.data[start : self.at])
            found[key] = self.item(depth + 1)
        if any(one >= other for one, other in pairwise(spellings)):
            raise Refused("cbor")
        return found
