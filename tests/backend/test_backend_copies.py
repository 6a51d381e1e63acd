"""Invites, activation, and a copy until its grants: who may, and when."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from backend.bundles import bundle_of
from backend.world import PHONE, World, backend, code_of, pin_of
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.admin import invite
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.wire import (
    CeremonyState,
    DeviceState,
    EventKind,
    ReportReason,
    ServiceCode,
)
from nearproof.daemon.provider import ProviderError, ProviderReason


async def refused(call: object) -> ProviderError:
    """The error of an awaitable that must be refused."""
    with pytest.raises(ProviderError) as caught:
        await call  # type: ignore[misc]
    return caught.value


async def test_an_invite_activates_one_laptop_once(here: World) -> None:
    """The code works once, in any case and spacing; for another laptop it is worth nothing."""
    code = here.invite("alice")
    async with here.laptop(here.key()) as first, here.laptop(here.key()) as second:
        begun = await first.activate(f" {code.lower().replace('-', ' ')} ", "first")
        assert (begun.state, begun.label, begun.waits) == (CeremonyState.LIVE, "first", 0)
        assert (await refused(second.activate(code, "second"))).code == ServiceCode.INVITE


@pytest.mark.parametrize("code", ["", "AAAA", "A" * 26, "!" * 26, "A" * 300])
async def test_a_wrong_invite_gets_the_one_answer(here: World, code: str) -> None:
    """Malformed or unknown: a guesser learns nothing."""
    async with here.laptop(here.key()) as laptop:
        error = await refused(laptop.activate(code, "x"))
    assert (error.reason, error.code) == (ProviderReason.REFUSED, ServiceCode.INVITE)


def test_the_code_is_stored_as_a_hash_alone(tmp_path: Path) -> None:
    """Neither the code's text nor its bytes are anywhere in the data folder."""
    code = invite(tmp_path, "alice", BackendPolicy(), phone=PHONE, randomness=lambda n: b"\xc3" * n)
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"\xc3" * 16 not in stored
    assert code.replace("-", "").encode() not in stored
    assert code.encode() not in stored


async def test_a_known_key_is_not_enrolled_again(here: World) -> None:
    """A key belongs to one enrolment for good."""
    key = await here.activated("alice")
    async with here.laptop(key) as laptop:
        error = await refused(laptop.activate(here.invite("bob"), "again"))
    assert error.code == ServiceCode.KEY_KNOWN


@pytest.mark.parametrize("label", ["", " x", "x" * 33, "a\nb", "e\u0301", "<b>"])
async def test_a_label_that_cannot_be_shown_is_refused(here: World, label: str) -> None:
    """The label rules of the protocol hold here too."""
    async with here.laptop(here.key()) as laptop:
        error = await refused(laptop.activate(here.invite("alice"), label))
    assert error.code == ServiceCode.MALFORMED


async def test_the_wait_is_kept_by_the_server(tmp_path: Path) -> None:
    """WAITING with the seconds left until the policy's time is over."""
    with backend(tmp_path, BackendPolicy(wait=3600)) as running:
        here = World(tmp_path, running)
        key = await here.activated("alice")
        async with here.laptop(key) as laptop:
            copy = await laptop.start_copy(pin_of(key))
            error = await refused(laptop.grant(copy.id, pin_of(key)))
    assert copy.live
    assert (copy.ready_at - copy.started_at, copy.waits) == (3600, 3600)
    assert copy.deadline - copy.ready_at == 86_400
    assert error.reason is ProviderReason.WAITING
    assert 3590 <= error.seconds <= 3600


async def test_start_goes_on_with_the_copy_that_runs(here: World) -> None:
    """Asked twice, a laptop has one copy; another laptop of the account has to wait."""
    first = await here.activated("alice")
    second = await here.copied(first)
    async with here.laptop(first) as one, here.laptop(second) as two:
        copy = await one.start_copy(pin_of(first))
        assert (await one.start_copy(pin_of(first))).id == copy.id
        again = two.start_copy(pin_of(second))
        assert (await refused(again)).code == ServiceCode.CEREMONY_RUNNING
        assert (await refused(two.grant(copy.id))).code == ServiceCode.NOT_ITS_OLD
        assert (await two.ceremony(copy.id)).id == copy.id
        assert (await two.cancel(copy.id)).state is CeremonyState.CANCELLED
        assert (await refused(one.grant(copy.id))).code == ServiceCode.CEREMONY_OVER
        assert (await two.start_copy(pin_of(second))).id != copy.id


async def test_other_accounts_see_nothing(here: World) -> None:
    """Another account's copy does not exist."""
    alice, mallory = await here.activated("alice"), await here.activated("mallory")
    async with here.laptop(alice) as laptop, here.laptop(mallory) as other:
        copy = await laptop.start_copy(pin_of(alice))
        grant = await laptop.grant(copy.id, pin_of(alice))
        report = other.report(copy.id, grant.cti, ReportReason.WRONG_CODE)
        for call in (other.ceremony(copy.id), other.cancel(copy.id), other.grant(copy.id), report):
            assert (await refused(call)).code == ServiceCode.NOT_FOUND
        assert (await laptop.ceremony(copy.id)).live


async def test_three_grants_a_copy(here: World) -> None:
    """However each ended; a new copy has its own."""
    key = await here.activated("alice")
    async with here.laptop(key) as laptop:
        copy = await laptop.start_copy(pin_of(key))
        ids = {(await laptop.grant(copy.id, pin_of(key))).cti for _ in range(3)}
        assert len(ids) == 3
        assert (await laptop.ceremony(copy.id)).grants_left == 0
        assert (await refused(laptop.grant(copy.id))).code == ServiceCode.GRANTS_USED_UP
        await laptop.cancel(copy.id)
        assert (await laptop.start_copy(pin_of(key))).grants_left == 3


async def test_a_wrong_code_alerts_every_laptop_once(here: World) -> None:
    """Also when the report comes twice; other reports alert nobody."""
    old = await here.activated("alice")
    new = await here.copied(old)
    async with here.laptop(old) as one, here.laptop(new) as two:
        copy = await one.start_copy(pin_of(old))
        grant = await one.grant(copy.id, pin_of(old))
        for _ in range(2):
            await one.report(copy.id, grant.cti, ReportReason.WRONG_CODE)
        grant = await one.grant(copy.id)
        await one.report(copy.id, grant.cti, ReportReason.BAD_T1)
        for laptop in (one, two):
            heard = [(event.kind, event.ceremony) for event in (await laptop.events(0)).events]
            assert heard.count((EventKind.FRAUD_ALERT, copy.id)) == 1


async def test_a_report_after_the_proof_leaves_the_grant(here: World) -> None:
    """OLD saw another device, or heard no ack: the proof may be on its way, and still holds."""
    old, new = await here.activated("alice"), here.key()
    async with here.laptop(old) as laptop:
        copy = await laptop.start_copy(pin_of(old))
        grant = await laptop.grant(copy.id, pin_of(old))
        await laptop.report(copy.id, grant.cti, ReportReason.OTHER_DEVICE_SEEN)
        await laptop.report(copy.id, grant.cti, ReportReason.UNCONFIRMED)
        assert (await refused(laptop.report(copy.id, bytes(16), ReportReason.BAD_T1))).code == (
            ServiceCode.NOT_FOUND
        )
    assert (await here.redeem(new, bundle_of(grant, old, new))).status_code == 201


async def test_a_revoked_laptop_may_only_ask_about_itself(here: World) -> None:
    """Revoking takes hold at once, and cancels the copy that the laptop had started."""
    key = await here.activated("alice")
    async with here.laptop(key) as laptop:
        copy = await laptop.start_copy(pin_of(key))
        here.revoke(key)
        here.revoke(key)
        start = laptop.start_copy(pin_of(key))
        for call in (start, laptop.ceremony(copy.id), laptop.grant(copy.id)):
            assert (await refused(call)).code == ServiceCode.DEVICE_REVOKED
        assert (await laptop.device()).state is DeviceState.REVOKED
        assert (await laptop.events(0)).events[-1].kind is EventKind.REVOKED
    after = await here.activated("alice")
    async with here.laptop(after) as laptop:
        assert (await laptop.start_copy(pin_of(after))).id != copy.id


async def test_an_unknown_laptop_is_named_so(here: World) -> None:
    """A laptop that is not enrolled hears that, and not that its signature is bad."""
    async with here.laptop(here.key()) as laptop:
        assert (await refused(laptop.device())).code == ServiceCode.UNKNOWN_DEVICE
    assert code_of(await here.send(None, "GET", "/v1/device")) == (403, "signature", None)


async def test_racing_starts_make_one_copy(here: World) -> None:
    """Twenty starts at once by one laptop: the same copy."""
    key = await here.activated("alice")
    body = msgspec.json.encode(wire.Start(consent=True, uv=wire.Verification.FINGERPRINT))
    answers = await asyncio.gather(
        *(here.send(key, "POST", "/v1/ceremonies", body) for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
