"""The QR's text: what is accepted, and the reason each other text is refused for."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearproof.crypto.errors import QrError, QrReason
from nearproof.crypto.messages import QrPayload
from nearproof.qr.payload import TEXT_SIZE, from_text, to_text
from nearproof.qr.prefix import is_ours
from qr.samples import PAYLOAD, TEXT

payloads = st.builds(
    QrPayload,
    secret=st.binary(min_size=16, max_size=16),
    q_public=st.just(PAYLOAD.q_public),
    txn=st.binary(min_size=16, max_size=16),
    iat=st.integers(0, 2**32 - 1),
)


def refusal(text: str) -> QrReason:
    with pytest.raises(QrError) as refused:
        from_text(text)
    return refused.value.reason


@given(payloads)
def test_every_payload_survives_its_text(payload: QrPayload) -> None:
    """The text is 117 upper-case characters, and reading it gives the payload again."""
    text = to_text(payload)
    assert len(text) == TEXT_SIZE == 117
    assert text == text.upper()
    assert from_text(text) == payload
    assert is_ours(text)


@given(st.data())
def test_typed_text_may_have_spaces_hyphens_and_small_letters(data: st.DataObject) -> None:
    """Somebody types in groups and without shift; the payload is the same."""
    typed = "".join(
        data.draw(st.sampled_from(["", " ", "-", "\n", " - "]))
        + (letter.lower() if data.draw(st.booleans()) else letter)
        for letter in TEXT
    )
    assert from_text(typed) == PAYLOAD


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    """No text raises anything but QrError."""
    with pytest.raises(QrError):
        from_text(text)


@given(st.integers(len("PXP1:"), TEXT_SIZE - 1), st.sampled_from("0189=!ıſé$ABZ27"))
def test_a_changed_symbol_is_never_read_as_the_same_payload(at: int, symbol: str) -> None:
    """base32 of 560 bits has no spare bits: two texts never stand for one payload."""
    changed = TEXT[:at] + symbol + TEXT[at + 1 :]
    try:
        payload = from_text(changed)
    except QrError as error:
        assert error.reason in (QrReason.DAMAGED, QrReason.UNKNOWN_VERSION)
    else:
        assert (payload == PAYLOAD) == (changed == TEXT)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", QrReason.FOREIGN),
        ("https://example.org/PXP1:", QrReason.FOREIGN),
        ("WIFI:T:WPA;S:home;P:secret;;", QrReason.FOREIGN),
        ("PXP1" + TEXT[5:], QrReason.FOREIGN),
        ("A" * 5000, QrReason.FOREIGN),
        (TEXT + " " * 1000, QrReason.FOREIGN),
        (TEXT[:-1], QrReason.DAMAGED),
        (TEXT + "A", QrReason.DAMAGED),
        (TEXT + "=", QrReason.DAMAGED),
        ("PXP1:", QrReason.DAMAGED),
        ("PXP1:" + "0" * 112, QrReason.DAMAGED),
        ("PXP2:" + TEXT[5:], QrReason.UNKNOWN_VERSION),
        ("pxp 2:" + TEXT[5:], QrReason.UNKNOWN_VERSION),
        ("PXP17:X", QrReason.UNKNOWN_VERSION),
        ("NEARPROOF-JOIN https://id.example 00ff", QrReason.OTHER_ROLE),
        ("nearproof-join", QrReason.OTHER_ROLE),
        ("PXA1:ABCDEFGH", QrReason.OTHER_ROLE),
    ],
)
def test_each_other_text_is_refused_for_its_own_reason(text: str, reason: QrReason) -> None:
    """Foreign, damaged, of another version or another role: the user is told which."""
    assert refusal(text) is reason


@pytest.mark.parametrize("text", ["PXP\uff12:" + "A" * 112, "\u00a0PXP2:" + "A" * 112])
def test_look_alikes_of_our_prefix_are_not_ours(text: str) -> None:
    """Only ASCII digits and spaces count (SPEC, section 2)."""
    with pytest.raises(QrError) as refused:
        from_text(text)
    assert refused.value.reason is QrReason.FOREIGN


def test_payloads_with_flags_another_version_or_a_useless_key_are_refused() -> None:
    """The 70 bytes are judged too: any flag is a version we do not know."""

    def text(data: bytes) -> str:
        return "PXP1:" + base64.b32encode(data).decode()

    good = PAYLOAD.encode()
    assert refusal(text(b"\2" + good[1:])) is QrReason.UNKNOWN_VERSION
    assert refusal(text(good[:1] + b"\1" + good[2:])) is QrReason.UNKNOWN_VERSION
    assert refusal(text(good[:18] + bytes(32) + good[50:])) is QrReason.DAMAGED


@given(st.text(max_size=60))
def test_no_refusal_repeats_the_text(text: str) -> None:
    """A QR's text is a secret even when it is damaged: errors end up in logs."""
    with pytest.raises(QrError) as refused:
        from_text("PXP1:CANARYCANARY" + text)
    assert "CANARY" not in str(refused.value)
