"""Redeeming a bundle over real HTTP and TLS: every refusal of step 8."""

from __future__ import annotations

import pytest

from backend.bundles import bundle_of
from backend.world import NO_WAIT, World, code_of, pin_of
from nearproof.crypto.grant import LIFETIME, Policy, issue_grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.wire import CeremonyState, DeviceState, ReportReason
from nearproof.daemon.provider import ProviderError, ProviderReason


async def test_a_good_bundle_begins_an_enrolment(here: World) -> None:
    """The user ID is asked for next; the old laptop stays, and its copy says who came."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    async with here.laptop(new) as provider:
        begun = await provider.redeem(bundle, "Æbleø 2")
        assert (begun.state, begun.label, begun.account) == (CeremonyState.PROVED, "Æbleø 2", "")
        device = await provider.device()
        assert (device.state, device.account) == (DeviceState.ENROLLING, "")
    async with here.laptop(old) as provider:
        after = await provider.ceremony(begun.id)
        assert (after.state, after.new_label) == (CeremonyState.PROVED, "Æbleø 2")
        assert (await provider.device()).state is DeviceState.ACTIVE


async def test_the_new_laptop_can_copy_on_in_its_turn(here: World) -> None:
    """An enrolled copy is a full device of the account."""
    second = await here.copied(await here.activated("alice"))
    third = await here.copied(second)
    async with here.laptop(third) as provider:
        assert (await provider.device()).account == here.name("alice")


async def test_late(here: World) -> None:
    """LATE: the grant has expired on the database's clock."""
    old, new = await here.activated("alice"), here.key()
    async with here.laptop(old) as provider:
        copy = await provider.start_copy(pin_of(old))
    cti = here.random.randbytes(16)
    with here.open() as data:
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


async def test_old_not_active(here: World) -> None:
    """OLD_NOT_ACTIVE: the old laptop was revoked after it had made the proof."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    here.revoke(old)
    assert code_of(await here.redeem(new, bundle)) == (409, "old_not_active", 8)


async def test_ceremony_not_live(here: World) -> None:
    """CEREMONY_NOT_LIVE: the copy was cancelled after the proof was made."""
    old, new = await here.activated("alice"), here.key()
    bundle = await here.bundled(old, new)
    async with here.laptop(old) as provider:
        await provider.cancel((await provider.device()).ceremony)
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
    with here.open() as data:
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
        copy = await provider.start_copy(pin_of(old))
        grant = await provider.grant(copy.id, pin_of(old))
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
        copy = await provider.start_copy(pin_of(old))
        grant = await provider.grant(copy.id, pin_of(old))
        await here.redeem(new, bundle_of(grant, old, new), label="kitchen")
        with pytest.raises(ProviderError) as refused:
            await provider.grant(copy.id, pin_of(old))
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
