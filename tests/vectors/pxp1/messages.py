"""SPEC section 7.1: the plaintexts of the five messages."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vectors.pxp1 import cbor
from vectors.pxp1.refused import Refused

VERSION = 1
MAX_M1 = 256
MAX_ROUNDS = 16
RSSI = range(-127, 21)
FILLERS = "\u115f\u1160\u3164\uffa0"


@dataclass(frozen=True)
class M1:
    com: bytes


@dataclass(frozen=True)
class M2:
    rounds: int
    old_kid: bytes


@dataclass(frozen=True)
class T1:
    device: bytes
    r: bytes
    label: str
    pop: bytes
    rssi: int | None


@dataclass(frozen=True)
class T2:
    proof: bytes
    grant: bytes


def shape(found: Any, required: set[int], optional: frozenset[int] = frozenset()) -> bool:
    """Whether this is a map with all the required keys and no key that is in neither set."""
    return isinstance(found, Mapping) and required <= set(found) <= required | optional


def is_bytes(value: Any, size: int) -> bool:
    return isinstance(value, bytes) and len(value) == size


def is_unsigned(value: Any, limit: int) -> bool:
    return isinstance(value, int) and 0 <= value <= limit


def is_rssi(value: Any) -> bool:
    return isinstance(value, int) and value in RSSI


def read_m1(plaintext: bytes) -> M1:
    found = _versioned(plaintext)
    _require(shape(found, {1, 2}) and is_bytes(found[2], 32))
    return M1(found[2])


def read_m2(plaintext: bytes) -> M2:
    found = _versioned(plaintext)
    _require(shape(found, {1, 2, 3}))
    _require(is_unsigned(found[2], MAX_ROUNDS) and is_bytes(found[3], 16))
    return M2(found[2], found[3])


def read_t1(plaintext: bytes) -> T1:
    found = _decode(plaintext)
    _require(shape(found, {1, 2, 3, 4}, frozenset({5})))
    _require(is_bytes(found[1], 32) and is_bytes(found[2], 32) and isinstance(found[4], bytes))
    _require(5 not in found or is_rssi(found[5]))
    _require(is_label(found[3]))
    return T1(found[1], found[2], found[3], found[4], found.get(5))


def read_t2(plaintext: bytes) -> T2:
    found = _decode(plaintext)
    _require(shape(found, {1, 2}) and all(isinstance(token, bytes) for token in found.values()))
    return T2(found[1], found[2])


def read_ack(plaintext: bytes) -> None:
    _require(_decode(plaintext) == {1: 1})


def is_label(text: Any) -> bool:
    return (
        isinstance(text, str)
        and 1 <= len(text) <= 32
        and unicodedata.is_normalized("NFC", text)
        and text == text.strip(" ")
        and all(
            one in " -_."
            or (unicodedata.category(one)[0] == "L" and one not in FILLERS)
            or unicodedata.category(one) == "Nd"
            for one in text
        )
    )


def _versioned(plaintext: bytes) -> Mapping[int, Any]:
    found = _decode(plaintext)
    _require(isinstance(found, Mapping) and isinstance(found.get(1), int) and found[1] >= 0)
    if found[1] != VERSION:
        raise Refused("messages", "version")
    return dict(found)


def _decode(plaintext: bytes) -> Any:
    try:
        return cbor.decode(plaintext)
    except Refused:
        raise Refused("messages") from None


def _require(holds: bool) -> None:
    if not holds:
        raise Refused("messages")
