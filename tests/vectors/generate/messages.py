"""The plaintexts of the five messages, and frames (SPEC sections 7.1 and 11)."""

from __future__ import annotations

from typing import Any

from nearproof.ble.framing import split
from nearproof.crypto import cbor
from nearproof.crypto.messages import ACK, M1, M2, T1, T2
from vectors.generate.case import Case, accepted, refused
from vectors.generate.cast import NEW, OLD, drawn, grant, pop, proof

COM, R = drawn("com"), drawn("r")
LABELS = {
    "plain": "Ane laptop",
    "one": "x",
    "signs": "a-b_c.d 1",
    "unicode": "Mü\u00df \u7d19 \u0669",
    "32": "x" * 32,
}
BAD_LABELS = {
    "empty": "",
    "33": "x" * 33,
    "leading-space": " x",
    "trailing-space": "x ",
    "nfd": "u\u0308ber",
    "angstrom-sign": "\u212b",  # a letter, which NFC writes as another
    "tab": "a\tb",
    "newline": "a\nb",
    "escape": "a\x1b[2J",
    "right-to-left": "a\u202eb",
    "zero-width": "a\u200bb",
    "no-break-space": "a\u00a0b",
    "emoji": "a\U0001f600",
    "slash": "a/b",
    "roman-numeral": "a\u2163",
    "superscript": "a\u00b2",
    "choseong-filler": "\u115f",
    "jungseong-filler": "a\u1160",
    "hangul-filler": "\u3164",
    "halfwidth-filler": "a\uffa0",
    "unassigned": "a\U000e0fff",
}


def message_cases() -> list[Case]:
    return [*_m1(), *_m2(), *_t1(), *_t2_and_ack()]


def _ok(name: str, id: str, description: str, plaintext: bytes) -> Case:
    inputs = {"name": name, "plaintext": plaintext}
    return accepted("messages", "read", f"{name}-{id}", description, **inputs)


def _bad(name: str, id: str, description: str, plaintext: bytes, code: str = "") -> Case:
    inputs: dict[str, Any] = {"name": name, "plaintext": plaintext}
    return refused("messages", "read", f"{name}-{id}", description, code=code, **inputs)


def _m1() -> list[Case]:
    newer = cbor.encode({1: 2, 2: b"", 9: "a later version's business"})
    return [
        _ok("m1", "honest", "m1", M1(COM).encode()),
        _bad("m1", "version-2", "Version 2, whatever else it holds", newer, "version"),
        _bad("m1", "version-0", "Version 0", cbor.encode({1: 0, 2: COM}), "version"),
        _bad("m1", "version-large", "Version 2^32 - 1", cbor.encode({1: 2**32 - 1}), "version"),
        _bad("m1", "version-longer", "Version 2^64 - 1", cbor.encode({1: 2**64 - 1}), "version"),
        _bad("m1", "version-negative", "Version -1 is no version", cbor.encode({1: -1, 2: COM})),
        _bad("m1", "version-text", "A version as text", cbor.encode({1: "1", 2: COM})),
        _bad("m1", "version-true", "true is not 1", b"\xa2\x01\xf5\x02" + cbor.encode(COM)),
        _bad("m1", "version-tag", "Version 2, but a tag behind it", b"\xa2\x01\x02\x02\xc1\x01"),
        _bad("m1", "no-version", "No version", cbor.encode({2: COM})),
        _bad("m1", "no-com", "No com", cbor.encode({1: 1})),
        _bad("m1", "com-31", "com of 31 bytes", cbor.encode({1: 1, 2: COM[:31]})),
        _bad("m1", "com-text", "com as text", cbor.encode({1: 1, 2: COM.hex()})),
        _bad("m1", "more", "A third key", cbor.encode({1: 1, 2: COM, 3: 0})),
        _bad("m1", "array", "An array", cbor.encode([1, COM])),
        _bad("m1", "trailing", "A byte after the map", M1(COM).encode() + b"\0"),
        _bad("m1", "unsorted", "Keys 2, 1", b"\xa2\x02" + cbor.encode(COM) + b"\x01\x01"),
        _bad("m1", "empty", "No bytes", b""),
    ]


def _m2() -> list[Case]:
    kid = OLD.kid
    return [
        _ok("m2", "honest", "m2", M2(4, kid).encode()),
        _ok("m2", "no-rounds", "No rounds", M2(0, kid).encode()),
        _ok("m2", "16-rounds", "As many rounds as there can be", M2(16, kid).encode()),
        _bad("m2", "version-2", "Version 2", cbor.encode({1: 2, 2: 4, 3: kid}), "version"),
        _bad("m2", "17-rounds", "17 rounds", cbor.encode({1: 1, 2: 17, 3: kid})),
        _bad("m2", "negative-rounds", "-1 rounds", cbor.encode({1: 1, 2: -1, 3: kid})),
        _bad("m2", "kid-32", "A whole thumbprint as kid", cbor.encode({1: 1, 2: 4, 3: kid + kid})),
        _bad("m2", "more", "A fourth key", cbor.encode({1: 1, 2: 4, 3: kid, 4: 0})),
    ]


def _t1() -> list[Case]:
    def t1(**changes: Any) -> bytes:
        fields = {"new_public": NEW.public, "r": R, "label": "Ane laptop", "pop": pop()}
        return T1(**(fields | {"rssi": -61} | changes)).encode()

    def bad(id: str, description: str, changed: dict[int, Any]) -> Case:
        fields: dict[int, Any] = {1: NEW.public, 2: R, 3: "Ane laptop", 4: pop(), 5: -61}
        kept = {k: v for k, v in (fields | changed).items() if v is not None}
        return _bad("t1", id, description, cbor.encode(kept))

    return [
        *(
            _ok("t1", f"label-{name}", f"A label: {name}", t1(label=label))
            for name, label in LABELS.items()
        ),
        _ok("t1", "no-rssi", "An unknown rssi is an absent key", t1(rssi=None)),
        _ok("t1", "rssi-low", "rssi -127", t1(rssi=-127)),
        _ok("t1", "rssi-high", "rssi 20", t1(rssi=20)),
        *(
            bad(f"label-{name}", f"A label: {name}", {3: label})
            for name, label in BAD_LABELS.items()
        ),
        bad("label-bytes", "A label as a byte string", {3: b"x"}),
        bad("rssi-128", "rssi -128", {5: -128}),
        bad("rssi-21", "rssi 21", {5: 21}),
        _bad(
            "t1", "rssi-null", "An unknown rssi as null", b"\xa5" + t1(rssi=None)[1:] + b"\x05\xf6"
        ),
        bad("new-31", "D of 31 bytes", {1: NEW.public[:31]}),
        bad("r-33", "r of 33 bytes", {2: R + b"\0"}),
        bad("no-pop", "No PoP", {4: None}),
        bad("pop-array", "A PoP that is not in a byte string", {4: [1]}),
        bad("more", "A sixth key", {6: 0}),
    ]


def _t2_and_ack() -> list[Case]:
    return [
        _ok("t2", "honest", "t2", T2(proof(), grant()).encode()),
        _ok("t2", "empty-tokens", "Tokens are judged later", T2(b"", b"").encode()),
        _bad("t2", "no-grant", "No grant", cbor.encode({1: proof()})),
        _bad("t2", "more", "A third key", cbor.encode({1: proof(), 2: grant(), 3: pop()})),
        _bad("t2", "text", "The proof as text", cbor.encode({1: "proof", 2: grant()})),
        _ok("ack", "honest", "ack", ACK),
        _bad("ack", "two", "2", cbor.encode({1: 2})),
        _bad("ack", "true", "true is not 1", b"\xa1\x01\xf5"),
        _bad("ack", "long", "1, longer than needed", b"\xa1\x01\x18\x01"),
        _bad("ack", "more", "A second key", cbor.encode({1: 1, 2: 0})),
        _bad("ack", "empty", "An empty map", b"\xa0"),
        _bad("ack", "no-bytes", "No bytes", b""),
    ]


def frame_cases() -> list[Case]:
    message = b"".join(drawn(f"message {at}") for at in range(20))
    longest = (message * 4)[:2048]

    def cut(id: str, description: str, mtu: int, data: bytes = message) -> Case:
        return accepted("frames", "cut", f"cut-{id}", description, message=data, mtu=mtu)

    def ok(id: str, description: str, frames: list[bytes], do: str = "join") -> Case:
        return accepted("frames", do, id, description, limit=2048, frames=_hex(frames))

    def bad(id: str, description: str, frames: list[bytes], limit: int = 2048) -> Case:
        inputs: dict[str, Any] = {"limit": limit, "frames": _hex(frames)}
        return refused("frames", "join", id, description, code="0x81", **inputs)

    four = split(message[:75], 23)
    return [
        *(cut(str(mtu), f"640 bytes at an MTU of {mtu}", mtu) for mtu in (23, 24, 185, 247, 517)),
        cut("exact", "19 bytes fill one frame at an MTU of 23", 23, message[:19]),
        cut("exact-and-one", "20 bytes take two", 23, message[:20]),
        cut("one-byte", "One byte", 23, b"\x01"),
        cut("longest", "2,048 bytes at an MTU of 23: 108 frames", 23, longest),
        ok("join", "Four frames", four),
        ok("restart", "Sequence 0 drops the two frames before it", four[:2] + four),
        ok("two", "A message after another", four + split(b"next", 23)),
        ok("empty-pieces", "Frames may hold no piece", [b"\x00", b"\x01", b"\x82\xaa"]),
        ok("uneven", "Pieces of any length", [b"\x00abc", b"\x01", b"\x82d"]),
        ok("longest", "2,048 bytes", split(longest, 23)),
        ok(
            "after-a-gap",
            "A gap drops the message; the next begins with 0",
            [four[0], four[2], four[3], *four],
            "recover",
        ),
        ok("after-empty", "So does an empty frame", [four[0], b"", four[1], *four], "recover"),
        bad("gap", "Frame 1 is missing", [four[0], four[2], four[3]]),
        bad("first-is-1", "A message that begins with 1", four[1:]),
        bad("repeated", "Frame 1 twice", [four[0], four[1], four[1]]),
        bad("back", "Frame 1 after frame 2", [*four[:3], four[1]]),
        bad("after-last", "Frame 4 after the last frame", [*four, b"\x84"]),
        bad("no-header", "A frame of no bytes", [b""]),
        bad("2049", "2,049 bytes", [*split(longest, 23)[:-1], b"\x6b" + bytes(15), b"\xec\0"]),
        bad("m1-257", "An m1 of 257 bytes", split(message[:257], 185), limit=256),
        bad(
            "endless",
            "128 frames without an end, then a 129th",
            [bytes([at]) for at in range(128)] + [b"\x81"],
        ),
    ]


def _hex(frames: list[bytes]) -> list[str]:
    return [frame.hex() for frame in frames]
