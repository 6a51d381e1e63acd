"""The ceremony between the two laptops of `--hil`: the rig's, or real ones."""

from __future__ import annotations

import signal

import pytest

from hil.ceremony import ROUNDS, Ceremony
from hil.laptops import Pair

pytestmark = [
    pytest.mark.timeout(400),  # on a busy machine; half a minute on a quiet one
    pytest.mark.asyncio(loop_scope="module"),
]

WRONG_CODE = 13  # the exit code


async def test_a_copy_is_made(pair: Pair) -> None:
    """NEW reads OLD's QR code, finds its advert, and is enrolled once the code is typed."""
    async with pair.ceremony() as ceremony:
        assert await ceremony.ended() == (0, 0), ceremony.story()
    old, new = ceremony.roles["old"], ceremony.roles["new"]
    assert old.find("delivered")
    assert new.find("activated")
    rounds = [event["rtt_us"] for event in old.told if event.get("event") == "round"]
    assert len(rounds) == ROUNDS
    assert all(rounds)


async def test_the_next_copy_is_made_at_once(pair: Pair) -> None:
    """A second ceremony between the same laptops works at once; rounds are not waited for."""
    async with pair.ceremony(typed=True, typing=0, watched=True) as ceremony:
        assert await ceremony.ended() == (0, 0), ceremony.story()


async def test_a_wrong_code_ends_it(pair: Pair) -> None:
    """A wrong check code ends OLD with its exit code, and the next ceremony goes well."""

    async def mistype(ceremony: Ceremony) -> None:
        ceremony.roles["old"].process.write(b"000000\n")

    async with pair.ceremony({"old:code_wanted": mistype}) as ceremony:
        assert await ceremony.roles["old"].exit() == WRONG_CODE, ceremony.story()
        ceremony.roles["new"].process.signal(signal.SIGINT)  # it would wait for a proof
        await ceremony.roles["new"].exit()
    async with pair.ceremony() as ceremony:
        assert await ceremony.ended() == (0, 0), ceremony.story()
