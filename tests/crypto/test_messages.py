"""The QR's bytes and the messages' plaintexts: exact in both directions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.pair import NEW_KEY, old_session, stream
from nearproof.crypto import cbor
from nearproof.crypto.errors import (
    EncodingError,
    LocalError,
    QrError,
    QrReason,
    UnknownVersion,
)
from nearproof.crypto.messages import (
    ACK,
    M1,
    M2,
    T1,
    T2,
    QrPayload,
    check_label,
    tidy_label,
)
from nearproof.crypto.primitives import sha256, x25519_public

QR = QrPayload(bytes(16), x25519_public(b"q" * 32), b"t" * 16, 0x01020304)


def test_the_qr_has_70_bytes_in_the_specs_order() -> None:
    """SPEC, section 2."""
    encoded = QR.encode()
    assert encoded == b"\x01\x00" + QR.secret + QR.q_public + QR.txn + b"\x01\x02\x03\x04"
    assert len(encoded) == 70
    assert QrPayload.decode(encoded) == QR
    assert QR.qrh == sha256(encoded)


def test_the_qrs_repr_hides_the_secret() -> None:
    """A QR in a log line is no QR."""
    secret = b"canary canary ca"
    qr = QrPayload(secret, QR.q_public, QR.txn, QR.iat)
    assert "canary" not in repr(qr) and secret.hex() not in repr(qr)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", QrReason.DAMAGED),
        (QR.encode()[:-1], QrReason.DAMAGED),
        (QR.encode() + b"\0", QrReason.DAMAGED),
        (b"\x02" + QR.encode()[1:], QrReason.UNKNOWN_VERSION),
        (b"\x00" + QR.encode()[1:], QrReason.UNKNOWN_VERSION),
        (b"\x01\x01" + QR.encode()[2:], QrReason.UNKNOWN_VERSION),
        (b"\x01\x80" + QR.encode()[2:], QrReason.UNKNOWN_VERSION),
        (QR.encode()[:18] + bytes(32) + QR.encode()[50:], QrReason.DAMAGED),
        (QR.encode()[:18] + b"\x01" + bytes(31) + QR.encode()[50:], QrReason.DAMAGED),
    ],
)
def test_an_unusable_qr_says_why(data: bytes, reason: QrReason) -> None:
    """Another size, version or flag, and a key of low order."""
    with pytest.raises(QrError) as caught:
        QrPayload.decode(data)
    assert caught.value.reason is reason


def test_a_qr_of_wrong_parts_is_a_local_error() -> None:
    """It cannot even be made."""
    for parts in (
        (bytes(15), QR.q_public, QR.txn, 0),
        (bytes(16), bytes(31), QR.txn, 0),
        (bytes(16), QR.q_public, b"", 0),
        (bytes(16), QR.q_public, QR.txn, -1),
        (bytes(16), QR.q_public, QR.txn, 2**32),
    ):
        with pytest.raises(LocalError):
            QrPayload(*parts)


def test_m1_and_m2_sizes_and_round_trips() -> None:
    """SPEC, section 7.1: 38 and 23 bytes of plaintext."""
    m1, m2 = M1(b"c" * 32), M2(4, b"k" * 16)
    assert (len(m1.encode()), len(m2.encode())) == (38, 23)
    assert (M1.decode(m1.encode()), M2.decode(m2.encode())) == (m1, m2)
    assert ACK.hex() == "a10101"


@given(
    label=st.text(alphabet="abcXYZ 019-_.\u00e6\u00f8\u00e5\u6c34", min_size=1, max_size=32),
    pop=st.binary(max_size=400),
    rssi=st.none() | st.integers(-127, 20),
)
def test_t1_round_trips(label: str, pop: bytes, rssi: int | None) -> None:
    """An unknown rssi is an absent key."""
    label = label.strip() or "x"
    t1 = T1(NEW_KEY.public, b"r" * 32, label, pop, rssi)
    assert T1.decode(t1.encode()) == t1
    plain = cbor.decode(t1.encode(), max_size=2048)
    assert isinstance(plain, dict) and (5 in plain) == (rssi is not None)


@pytest.mark.parametrize(
    ("decode", "plain"),
    [
        (M1.decode, {2: b"c" * 32}),
        (M1.decode, {1: 1}),
        (M1.decode, {1: 1, 2: b"c" * 31}),
        (M1.decode, {1: 1, 2: b"c" * 32, 3: 0}),
        (M1.decode, {1: "1", 2: b"c" * 32}),
        (M1.decode, {1: -1, 2: b"c" * 32}),
        (M1.decode, [1]),
        (M2.decode, {1: 1, 2: 4}),
        (M2.decode, {1: 1, 2: 17, 3: b"k" * 16}),
        (M2.decode, {1: 1, 2: 4, 3: b"k" * 15}),
        (T1.decode, {1: b"d" * 32, 2: b"r" * 32, 3: "x"}),
        (T1.decode, {1: b"d" * 31, 2: b"r" * 32, 3: "x", 4: b""}),
        (T1.decode, {1: b"d" * 32, 2: b"r" * 32, 3: b"x", 4: b""}),
        (T1.decode, {1: b"d" * 32, 2: b"r" * 32, 3: "", 4: b""}),
        (T1.decode, {1: b"d" * 32, 2: b"r" * 32, 3: "x", 4: b"", 5: 127}),
        (T1.decode, {1: b"d" * 32, 2: b"r" * 32, 3: "x", 4: b"", 6: 0}),
        (T2.decode, {1: b""}),
        (T2.decode, {1: b"", 2: "grant"}),
        (T2.decode, {1: b"", 2: b"", 3: b""}),
    ],
)
def test_other_shapes_are_refused(decode: Any, plain: Any) -> None:
    """A missing, additional, mistyped or mis-sized field."""
    with pytest.raises(EncodingError):
        decode(cbor.encode(plain))


@pytest.mark.parametrize("decode", [M1.decode, M2.decode])
def test_another_version_is_told_apart_from_garbage(decode: Any) -> None:
    """The version comes first, whatever follows it."""
    plains: list[Any] = [{1: 2}, {1: 0, 2: "new"}, {1: 2, 9: {1: 1}}]
    for plain in plains:
        with pytest.raises(UnknownVersion):
            decode(cbor.encode(plain))


@pytest.mark.parametrize(
    "label", ["a", "x" * 32, "Ane laptop", "lap-top_2.0", "\u00e6\u00f8\u00e5", "\u6c34 7"]
)
def test_good_labels(label: str) -> None:
    """Letters of any script, decimal digits, space and three signs."""
    check_label(label)


@pytest.mark.parametrize(
    "label",
    [
        "",
        " ",
        " a",
        "a ",
        "x" * 33,
        "a\u030a",
        "a\n",
        "\u202eevil",
        "<b>",
        "a\u00a0b",
        "\u2460",
        "\u3164",
        "a\uffa0b",
        "\U0001f600",
        "code: 123,456",
        "\ud800",
    ],
    ids=ascii,
)
def test_bad_labels(label: str) -> None:
    """Nothing that could pose as the program's own words or reorder them."""
    with pytest.raises(EncodingError):
        check_label(label)


@given(st.text())
def test_tidy_label_makes_a_good_one(text: str) -> None:
    """Whatever the host or the user calls the laptop."""
    check_label(tidy_label(text))


def test_tidy_label_leaves_a_good_one_alone() -> None:
    """And names what has no name."""
    assert tidy_label("Ane laptop 2") == "Ane laptop 2"
    assert tidy_label("ane's laptop!") == "ane-s laptop"
    assert tidy_label("...") == "..."
    assert tidy_label("\n\n") == "laptop"


def test_two_sessions_never_share_a_qr() -> None:
    """Secret and key are drawn anew."""
    one, two = old_session(1).qr, old_session(2).qr
    assert one.secret != two.secret and one.q_public != two.q_public
    assert stream(1)(8) != stream(2)(8)
