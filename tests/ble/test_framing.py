"""Frames fit the link, come back as the message, and never as another one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearproof.ble.errors import FrameError
from nearproof.ble.framing import MAX_MESSAGE, Reassembler, split

mtus = st.integers(23, 517)
messages = st.binary(max_size=MAX_MESSAGE)


def join(frames: list[bytes], **options: bool) -> list[bytes]:
    """All messages that come out of these frames."""
    reassembler = Reassembler(**options)
    results = [reassembler.feed(frame) for frame in frames]
    return [message for message in results if message is not None]


@given(messages, mtus)
def test_split_and_join(message: bytes, mtu: int) -> None:
    """Whatever the MTU, frames fit a write and a notification and make up the message."""
    frames = split(message, mtu)
    assert all(1 <= len(frame) <= min(mtu - 3, 512) for frame in frames)
    assert join(frames) == [message]


def test_exact_bytes() -> None:
    """High bit = last, low seven bits = sequence from 0."""
    message = bytes(range(40))
    assert split(message, 23) == [
        b"\x00" + message[:19],
        b"\x01" + message[19:38],
        b"\x82" + message[38:],
    ]
    assert split(b"", 23) == [b"\x80"]


def test_longest_message_at_the_smallest_mtu() -> None:
    """2,048 bytes at MTU 23 take 108 frames, which seven bits can count."""
    frames = split(bytes(MAX_MESSAGE), 23)
    assert len(frames) == 108
    assert frames[-1][0] == 0x80 | 107


def test_a_frame_is_no_longer_than_an_attribute() -> None:
    """At MTU 517 the limit is the attribute's 512 bytes, not MTU - 3."""
    assert [len(frame) for frame in split(bytes(600), 517)] == [512, 90]


@pytest.mark.parametrize("mtu", [0, 22, 518])
def test_impossible_mtu(mtu: int) -> None:
    """An MTU outside 23..517 is a mistake of this program."""
    with pytest.raises(ValueError, match="ATT_MTU"):
        split(b"", mtu)


def test_overlong_message_is_not_sent() -> None:
    """Over 2,048 bytes nothing is framed."""
    with pytest.raises(ValueError, match="2049"):
        split(bytes(MAX_MESSAGE + 1), 517)


@given(st.lists(messages, max_size=4), mtus)
def test_messages_follow_one_another(sent: list[bytes], mtu: int) -> None:
    """Each message counts from 0 again."""
    assert join([frame for message in sent for frame in split(message, mtu)]) == sent


@given(st.data(), st.binary(min_size=20, max_size=MAX_MESSAGE))
def test_a_lost_frame_loses_the_message(data: st.DataObject, message: bytes) -> None:
    """Without one of its frames a message is never completed; a gap raises."""
    frames = split(message, 23)
    lost = data.draw(st.integers(0, len(frames) - 1))
    kept = frames[:lost] + frames[lost + 1 :]
    if lost == len(frames) - 1:
        assert join(kept) == []
    else:
        with pytest.raises(FrameError, match="was due"):
            join(kept)


def test_sequence_0_drops_a_partial_message() -> None:
    """A sender that starts anew is followed."""
    assert join([*split(bytes(100), 23)[:3], *split(b"anew", 23)]) == [b"anew"]


def test_after_a_gap_the_next_message_is_taken() -> None:
    """A gap drops the partial message and nothing else."""
    reassembler = Reassembler()
    reassembler.feed(b"\x00a")
    with pytest.raises(FrameError):
        reassembler.feed(b"\x02b")
    with pytest.raises(FrameError):
        reassembler.feed(b"\x81c")
    assert reassembler.feed(b"\x80d") == b"d"


def test_duplicates() -> None:
    """NEW drops a repeated notification; OLD takes a repeated write for a gap."""
    frames = split(bytes(range(60)), 23)
    doubled = [frame for frame in frames for _ in range(2)]
    assert join(doubled, drop_duplicates=True) == [bytes(range(60))]
    with pytest.raises(FrameError):
        join(doubled)


def test_an_overlong_message_is_refused_and_dropped() -> None:
    """The limit counts the message, not the frames, and bounds what is kept."""
    reassembler = Reassembler(limit=256)
    reassembler.feed(b"\x00" + bytes(200))
    with pytest.raises(FrameError, match="256"):
        reassembler.feed(b"\x81" + bytes(57))
    assert reassembler.feed(b"\x80" + bytes(256)) == bytes(256)


def test_endless_empty_frames_end() -> None:
    """Frames without payload run out of sequence numbers instead of running for ever."""
    reassembler = Reassembler()
    for sequence in range(128):
        reassembler.feed(bytes([sequence]))
    with pytest.raises(FrameError):
        reassembler.feed(b"\x7f")


@given(st.lists(st.binary(max_size=40)), st.booleans())
def test_garbage(frames: list[bytes], drop_duplicates: bool) -> None:
    """Any bytes give a message within the limit, nothing, or a FrameError."""
    reassembler = Reassembler(limit=64, drop_duplicates=drop_duplicates)
    for frame in frames:
        try:
            message = reassembler.feed(frame)
        except FrameError:
            continue
        assert message is None or len(message) <= 64
