"""Ed25519 public keys, and the CBOR subset (SPEC sections 4 and 1)."""

from __future__ import annotations

from nearproof.crypto import cbor
from vectors.generate.case import Case, accepted, refused
from vectors.generate.cast import IDENTITY, NEW, OFF_CURVE, OLD

P = 2**255 - 19
SIGN = 1 << 255
# y of the points of order 8, read as little-endian numbers
ORDER_8 = [
    int.from_bytes(bytes.fromhex(y), "little")
    for y in (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
]


def key_cases() -> list[Case]:
    def bad(id: str, description: str, public: bytes) -> Case:
        return refused("keys", "check", id, description, public=public)

    def y(value: int) -> bytes:
        return value.to_bytes(32, "little")

    small = {"0": 0, "1": 1, "p-1": P - 1, "order-8-a": ORDER_8[0], "order-8-b": ORDER_8[1]}
    return [
        accepted("keys", "derive", "spec", "The value of section 4", seed=bytes(range(32))),
        accepted("keys", "derive", "zero-seed", "A seed of zeros", seed=bytes(32)),
        accepted("keys", "check", "old", "O", public=OLD.public),
        accepted("keys", "check", "new", "D", public=NEW.public),
        accepted(
            "keys", "check", "off-curve", "y = 2 of no point: not judged here", public=OFF_CURVE
        ),
        bad("identity", "The neutral element", IDENTITY),
        *(
            bad(f"small-{name}{'-sign' if sign else ''}", f"Small order: y = {name}", y(v | sign))
            for name, v in small.items()
            for sign in (0, SIGN)
            if (v, sign) != (1, 0)
        ),
        bad("non-canonical-p", "y = p, the other spelling of 0", y(P)),
        bad("non-canonical-1", "y = p + 1, the other spelling of the identity", y(P + 1)),
        bad("non-canonical-4", "y = p + 4, a point of large order otherwise", y(P + 4)),
        bad("non-canonical-max", "y = 2^255 - 1", y(2**255 - 1)),
        bad("short", "31 bytes", OLD.public[:-1]),
        bad("long", "33 bytes", OLD.public + b"\0"),
        bad("empty", "No bytes", b""),
    ]


def cbor_cases() -> list[Case]:
    def ok(id: str, description: str, data: str) -> Case:
        return accepted("cbor", "decode", id, description, data=data)

    def bad(id: str, description: str, data: str) -> Case:
        return refused("cbor", "decode", id, description, data=data)

    nested = "81" * 7
    return [
        ok("edges", "The integers at every change of length", cbor.encode(_edges()).hex()),
        ok("strings", "Empty strings and containers", "84406080a0"),
        ok("text", "UTF-8 of two, three and four bytes", "69c3bce6b0b4f0908591"),
        ok("map", "Keys in the order of their bytes: 10, 100, -1", "a30a011864022003"),
        ok("depth-8", "An item inside seven arrays", nested + "00"),
        bad("depth-9", "An item inside eight arrays", nested + "8100"),
        bad("deep", "A thousand arrays", "81" * 1000 + "00"),
        bad("empty", "No item", ""),
        bad("trailing", "A byte after the item", "a1010100"),
        bad("truncated-head", "A head without its argument", "19"),
        bad("truncated-bytes", "A byte string of 4 with 3", "44010203"),
        bad("truncated-map", "A map without its last value", "a2010102"),
        bad("huge-bytes", "A byte string of 2^64 - 1 bytes", "5b" + "ff" * 8),
        bad("huge-array", "An array of 2^32 items", "9b0000000100000000"),
        bad("long-23", "23 with an argument of one byte", "1817"),
        bad("long-255", "255 with an argument of two bytes", "1900ff"),
        bad("long-65535", "65,535 with an argument of four bytes", "1a0000ffff"),
        bad("long-32", "2^32 - 1 with an argument of eight bytes", "1b00000000ffffffff"),
        bad("long-negative", "-1 with an argument of one byte", "3800"),
        bad("long-length", "A length of two bytes where one would do", "59000101"),
        bad("long-key", "A map key that is longer than needed", "a1180101"),
        bad("indefinite-bytes", "A byte string of indefinite length", "5f4101ff"),
        bad("indefinite-text", "A text of indefinite length", "7f6161ff"),
        bad("indefinite-array", "An array of indefinite length", "9f01ff"),
        bad("indefinite-map", "A map of indefinite length", "bf0101ff"),
        bad("break", "A break by itself", "ff"),
        bad("reserved", "A head with reserved information 28", "1c"),
        bad("duplicate", "A key twice, with the same value", "a201010101"),
        bad("duplicate-other", "A key twice, with different values", "a201010102"),
        bad("unsorted", "Keys 2, 1", "a202020101"),
        bad("length-first", "Keys -1, 100: sorted by length first", "a22001186401"),
        bad("text-key", "A key that is text", "a1616101"),
        bad("bytes-key", "A key that is a byte string", "a1410101"),
        bad("true", "true is not 1", "a101f5"),
        bad("false", "false", "f4"),
        bad("null", "null", "f6"),
        bad("undefined", "undefined", "f7"),
        bad("simple", "The simple value 32", "f820"),
        bad("half-float", "1.0 in two bytes", "f93c00"),
        bad("float", "1.0 in four bytes", "fa3f800000"),
        bad("double", "1.0 in eight bytes", "fb3ff0000000000000"),
        bad("utf8-surrogate", "Text with a surrogate", "63eda080"),
        bad("utf8-overlong", "Text with an overlong zero", "62c080"),
        bad("utf8-cut", "Text that ends within a character", "61c3"),
        bad("tag-0", "A date", "c074" + b"2026-01-01T00:00:00Z".hex()),
        bad("tag-2", "A bignum", "c24101"),
        bad("tag-18", "Tag 18 where no token is due", "d200"),
        bad("tag-self", "The self-described tag 55799", "d9d9f700"),
        bad("tag-inside", "A tag inside a map", "a101c101"),
    ]


def _edges() -> list[int]:
    above = [23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1]
    return [0, *above, *(-1 - value for value in (0, *above))]
