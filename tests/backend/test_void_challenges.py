"""A challenge that was void by the time its PIN proof came: proved again, no try lost."""

from __future__ import annotations

import pytest

from backend.bundles import bundle_of
from backend.world import World, pin_of
from nearproof.daemon import provider as provider_module
from nearproof.daemon.answers import Answer
from nearproof.daemon.backend import wire
from nearproof.daemon.provider import Provider, ProviderError


class Doubled(Provider):
    """Over a network that brings the next `times` requests for a challenge twice."""

    times = 0

    async def _ask(self, question: provider_module._Question) -> Answer:
        answer = await super()._ask(question)
        if question.target == "/v1/challenges" and self.times:
            self.times -= 1
            await super()._ask(question)
        return answer


async def test_a_pin_proof_outlives_a_doubled_challenge(here: World) -> None:
    """Wherever a PIN is proved: its challenge was void, so another is asked for; no try is lost."""
    old, new = await here.activated("alice"), here.key()
    async with Doubled(here.backend.joined, old) as provider:
        provider.times = 1
        copy = await provider.start_copy(pin_of(old))
        provider.times = 2
        bundle = bundle_of(await provider.grant(copy.id, pin_of(old)), old, new)
        provider.times = 1
        changed = await provider.change_pin(pin_of(old), pin_of(old, "602815"))
        assert (provider.times, changed.wrong_pins) == (0, 0)
    async with Doubled(here.backend.joined, new) as provider:
        begun = await provider.redeem(bundle, "new")
        await provider.name(begun.id, here.name("alice"))
        provider.times = 1
        await here.confirm(provider, begun.id, new)
        assert provider.times == 0


async def test_a_challenge_that_is_always_void_is_given_up(here: World) -> None:
    """The last of `PROOFS` challenges is the last: the person hears of it."""
    old = await here.activated("alice")
    async with Doubled(here.backend.joined, old) as provider:
        provider.times = 100
        with pytest.raises(ProviderError) as caught:
            await provider.start_copy(pin_of(old))
        assert caught.value.code == wire.ServiceCode.CHALLENGE
        assert provider.times == 100 - provider_module.PROOFS
