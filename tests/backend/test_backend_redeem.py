"""Redeeming a bundle over real HTTP and TLS: every refusal of step 8, and what each costs."""

from __future__ import annotations

import pytest

from backend.bundles import bundle_of
from backend.world import NO_WAIT, World, code_of
from nearproof.crypto.grant import LIFETIME, Policy, issue_grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.admin import revoke
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.wire import CeremonyState, DeviceState, ReportReason
from nearproof.daemon.provider import ProviderError, ProviderReason


async def test_a_good_bundle_enrols_the_new_laptop_and_completes_the_copy(here: World) -> None:
    """The new laptop is active in the account named, the old one stays, the copy says who."""
    old, new = await here.activated("alice"), here.key()
    async with here.laptop(old) as provider:
        copy = await provider.start_copy()
    bundle = await here.bundled(old, new)
    async with here.laptop(new) as provider:
        device = await provider.redeem(bundle, here.name(" Alice") + " ", "Æbleø 2")
        assert (device.account, device.label, device.state) == (
            here.name("alice"),
            "Æbleø 2",
            DeviceState.ACTIVE,
        )
        assert await provider.device() == device
    async with here.laptop(old) as provider:
        after = await provider.ceremony(copy.id)
        assert (after.state, after.new_label) == (CeremonyState.DONE, "Æbleø 2")
        assert (await provider.device()).state is DeviceState.ACTIVE


async def test_the_new_laptop_can_copy_on_in_its_turn(here: World) -> None:
    """An enrolled copy is a full device of the account."""
    first, second, third = await here.activated("alice"), here.key(), here.key()
    for old, new in ((first, second), (second, third)):
        bundle = await here.bundled(old, new)
        async with here.laptop(new) as provider:
            await provider.redeem(bundle, here.name("alice"), "next")
    async with here.laptop(third) as provider:
        assert (await provider.device()).account == here.name("alice")


async def test_late(here: World) -> None:
    """LATE: the grant has expired on the database's clock."""
    old, new = await here.activated("alice"), here.key()
    async with here.laptop(old) as provider:
        copy = await provider.start_copy()
    cti = here.random.randbytes(16)
    with open_data_dir(here.data_dir) as data:
        with data.store.write() as records:
            records.add_grant(cti, bytes.fromhex(copy.id))
            nbf = records.now // 1000 - LIFETIME - 1
        raw = issue_grant(
            data.issuer, iss="x", cti=cti, nbf=nbf, old_public=old.public, policy=Policy()
        )
    bundle = bundle_of(verify_grant(raw, data.issuer.public), old, new)
    assert code_of(await here.redeem(new, bundle)) == (409, "late", 8)


@pytest.mark.parametrize("signer", ["old", "stranger", "nobody"])
async def test_request_key(here: World, signer: str) -> None:
    """REQUEST_KEY: whoever found a bundle cannot hand it in; only D can."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    keys = {"old": old, "stranger": here.key(), "nobody": None}
    assert code_of(await here.redeem(keys[signer], bundle)) == (403, "request_key", 8)
    assert (await here.redeem(new, bundle)).status_code == 201


async def test_wrong_account_costs_a_try_and_nothing_else(here: World) -> None:
    """WRONG_ACCOUNT twice, then the right name: enrolled."""
    old, new = await here.activated("alice"), here.key()
    await here.activated("mallory")
    bundle = await here.bundled(old, new)
    for name in ("mallory", "nobody-at-all"):
        assert code_of(await here.redeem(new, bundle, name)) == (403, "wrong_account", 8)
    assert (await here.redeem(new, bundle, "alice")).status_code == 201


async def test_three_wrong_accounts_end_the_copy(here: World) -> None:
    """The third wrong name voids the grant and ends the copy; nobody else is locked out."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    for name in ("bob", "carol", "dave"):
        assert code_of(await here.redeem(new, bundle, name)) == (403, "wrong_account", 8)
    assert code_of(await here.redeem(new, bundle, "alice")) == (409, "ceremony_not_live", 8)
    again = await here.bundled(old, new)
    assert (await here.redeem(new, again, "alice")).status_code == 201


async def test_the_same_wrong_account_sent_twice_is_one_try(here: World) -> None:
    """A retry that lost its answer is the same request: it is answered, not counted."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    async with here.laptop(new) as provider:
        for _ in range(5):
            with pytest.raises(ProviderError) as refused:
                await provider.redeem(bundle, "bob", "new")
            assert (refused.value.code, refused.value.step) == ("wrong_account", 8)
        device = await provider.redeem(bundle, here.name("alice"), "new")
    assert device.account == here.name("alice")


async def test_a_void_grant_costs_no_tries(here: World) -> None:
    """A bundle that could not be redeemed anyway cannot use up the tries of a running copy."""
    old, thief, new = await here.activated("alice"), here.key(), here.key()
    stolen = await here.bundled(old, thief)
    current = await here.bundled(old, new)
    for _ in range(4):
        assert code_of(await here.redeem(thief, stolen, "bob")) == (403, "wrong_account", 8)
    assert (await here.redeem(new, current)).status_code == 201


async def test_old_not_active(here: World) -> None:
    """OLD_NOT_ACTIVE: the old laptop was revoked after it had made the proof."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    revoke(here.data_dir, old.kid)
    assert code_of(await here.redeem(new, bundle)) == (409, "old_not_active", 8)


async def test_ceremony_not_live(here: World) -> None:
    """CEREMONY_NOT_LIVE: the copy was cancelled after the proof was made."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    async with here.laptop(old) as provider:
        await provider.cancel((await provider.start_copy()).id)
    assert code_of(await here.redeem(new, bundle)) == (409, "ceremony_not_live", 8)


async def test_grant_not_current(here: World) -> None:
    """GRANT_NOT_CURRENT: a later QR has replaced this one."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    await here.granted(old)
    assert code_of(await here.redeem(new, bundle)) == (409, "grant_not_current", 8)


async def test_a_grant_that_the_database_does_not_know_is_not_current(here: World) -> None:
    """GRANT_NOT_CURRENT: signed by the issuer, but not issued here (a restored backup)."""
    old, new = await here.activated("alice"), here.key()
    known = await here.granted(old)
    with open_data_dir(here.data_dir) as data:
        raw = issue_grant(
            data.issuer,
            iss="x",
            cti=here.random.randbytes(16),
            nbf=known.nbf,
            old_public=old.public,
            policy=Policy(),
        )
    bundle = bundle_of(verify_grant(raw, data.issuer.public), old, new)
    assert code_of(await here.redeem(new, bundle)) == (409, "grant_not_current", 8)


async def test_a_reported_wrong_code_voids_the_grant(here: World) -> None:
    """GRANT_NOT_CURRENT: OLD has reported that the QR ended, so no proof of it is taken."""
    old, new = await here.activated("alice"), here.key()
    async with here.laptop(old) as provider:
        copy = await provider.start_copy()
        grant = await provider.grant(copy.id)
        await provider.report(copy.id, grant.cti, ReportReason.WRONG_CODE)
    bundle = bundle_of(grant, old, new)
    assert code_of(await here.redeem(new, bundle)) == (409, "grant_not_current", 8)


async def test_key_redeemed(here: World) -> None:
    """KEY_REDEEMED: D is in use, here or in another account."""
    old, taken = await here.activated("alice"), await here.activated("bob")
    bundle = await here.bundled(old, taken)
    assert code_of(await here.redeem(taken, bundle)) == (409, "key_redeemed", 8)


async def test_already_used(here: World) -> None:
    """ALREADY_USED: one grant enrols one laptop, whatever else was signed under it."""
    old, one, other = await here.activated("alice"), here.key(), here.key()
    grant = await here.granted(old)
    assert (await here.redeem(one, bundle_of(grant, old, one))).status_code == 201
    refused = await here.redeem(other, bundle_of(grant, old, other))
    assert code_of(refused) == (409, "already_used", 8)
    assert code_of(await here.send(other, "GET", "/v1/device")) == (403, "unknown_device", None)


async def test_old_hears_who_used_it(here: World) -> None:
    """A grant asked for after the copy was used names the laptop that did."""
    old, new = await here.activated("alice"), here.key()
    async with here.laptop(old) as provider:
        copy = await provider.start_copy()
        grant = await provider.grant(copy.id)
        await here.redeem(new, bundle_of(grant, old, new), label="kitchen")
        with pytest.raises(ProviderError) as refused:
            await provider.grant(copy.id)
    assert refused.value.reason is ProviderReason.REFUSED
    assert (refused.value.code, refused.value.detail) == ("already_used", "kitchen")


async def test_the_verifier_judges_before_the_database(here: World) -> None:
    """Steps 1 to 7 answer with the verifier's own codes, as 422."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    foreign = DeviceKey.generate(here.random.randbytes)
    raw = issue_grant(
        foreign,
        iss="x",
        cti=bytes(16),
        nbf=1_700_000_000,
        old_public=old.public,
        policy=Policy(),
    )
    forged = bundle_of(verify_grant(raw, foreign.public), old, new)
    same = bundle_of(await here.granted(old), old, old)
    assert code_of(await here.redeem(new, forged)) == (422, "grant_signature", 2)
    assert code_of(await here.redeem(old, same)) == (422, "same_key", 4)
    assert code_of(await here.redeem(new, bundle + b"\x00")) == (422, "encoding", 1)
    assert code_of(await here.redeem(new, b"")) == (413, "size", 1)


@pytest.mark.parametrize("size", [1, 100, 4096])
async def test_random_bytes_are_no_bundle(here: World, size: int) -> None:
    """Whatever the bytes are, step 1 refuses them."""
    for _ in range(10):
        response = await here.redeem(here.key(), here.random.randbytes(size))
        assert code_of(response)[0] == 422
        assert code_of(response)[2] == 1


async def test_a_grant_allows_what_the_policy_says(here: World) -> None:
    """The grant carries the policy's rounds and names no user."""
    old = await here.activated("alice")
    grant = await here.granted(old)
    assert grant.policy.rounds == NO_WAIT.rounds
    assert b"alice" not in grant.raw
