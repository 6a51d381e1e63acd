"""The two roles against a real backend, on one emulated air: what happens when things go wrong."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from backend.world import start_backend
from daemon.desk import Desk, Out, honest, to_the_code
from nearproof.config.home import HomeBusy
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.session.actions import EndReason
from nearproof.crypto.verifier import verify_bundle
from nearproof.daemon import account, new, old
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.wire import CeremonyState
from nearproof.daemon.console import InputNeeded
from nearproof.daemon.laptop import AlreadyEnrolled
from nearproof.daemon.outcomes import SessionEnded
from nearproof.daemon.provider import Provider, ProviderError, ProviderReason


async def test_the_story(desk: Desk) -> None:
    """OLD copies, NEW is enrolled; a second copy to it is refused, and it can copy onwards."""
    old_side, new_side = await desk.old(), desk.side("new")
    await honest(desk, old_side, new_side)
    with pytest.raises(AlreadyEnrolled):
        await new.copy(new_side.laptop, user="anna")
    await honest(desk, desk.side("new"), desk.side("third"))


async def test_a_malformed_code_is_asked_for_again(desk: Desk) -> None:
    """Letters are no try."""
    old_side, new_side = await desk.old(), desk.side("new")
    showing, scanning, code = await to_the_code(desk, old_side, new_side)
    old_side.type("hello")
    await old_side.out.until("code_malformed")
    old_side.type(code)
    await asyncio.gather(showing, scanning)


async def test_a_wrong_code_costs_one_qr_and_no_new_waiting(desk: Desk) -> None:
    """It ends the QR and is reported; the next attempt completes in the same ceremony."""
    old_side = await desk.old()
    showing, _, code = await to_the_code(desk, old_side, desk.side("new"))
    old_side.type(f"{(int(code) + 1) % 10**6:06}")
    with pytest.raises(SessionEnded) as ended:
        await showing
    assert ended.value.reason is EndReason.WRONG_CODE
    assert not desk.screen.exists()
    again = await desk.old()
    await honest(desk, again, desk.side("new-again"))
    ordered = await again.out.until("copy_ordered")
    assert (ordered["event"], ordered["grants_left"]) == ("copy_ordered", 2)


async def test_a_dead_backend_does_not_hide_the_wrong_code(desk: Desk) -> None:
    """The report fails and says so; the ending is still the wrong code."""
    old_side = await desk.old()
    showing, _, code = await to_the_code(desk, old_side, desk.side("new"))
    desk.backend.kill()
    old_side.type(f"{(int(code) + 1) % 10**6:06}")
    with pytest.raises(SessionEnded) as ended:
        await showing
    assert ended.value.reason is EndReason.WRONG_CODE
    assert old_side.out.told("report_failed")


async def test_the_proof_survives_a_dead_backend(desk: Desk) -> None:
    """Killed before the hand-off: the proof stays on disk, and is taken when it is back."""
    old_side, new_side = await desk.old(), desk.side("new")
    showing, scanning, code = await to_the_code(desk, old_side, new_side)
    desk.backend.kill()
    old_side.type(code)
    with pytest.raises(ProviderError) as failed:
        await scanning
    assert failed.value.reason is ProviderReason.UNREACHABLE
    assert new_side.out.told("proof_kept")
    await showing
    kept = new_side.laptop.home.enrolment()
    assert kept is not None and kept.bundle
    desk.backend = start_backend(desk.folder / "backend", port=desk.backend.port)
    again = desk.side("new")
    await new.copy(again.laptop, user="anna")
    told = [event["event"] for event in again.out.events if event["event"] != "asked"]
    assert told[:4] == ["proof_found", "accepted", "user_named", "sms_sent"]
    assert told[-1] == "activated"


async def test_waiting_rides_out_a_backend_that_is_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour's wait does not end because the backend was restarted in it."""
    old_side = await desk.old()
    desk.backend.kill()
    port, policy = desk.backend.port, BackendPolicy(wait=8, newcomer=0)
    desk.backend = start_backend(desk.folder / "backend", policy, port)
    monkeypatch.setattr(old, "POLL", 1)
    showing = desk.shows(old_side)
    await old_side.out.until("waiting")
    desk.backend.kill()
    await old_side.out.until("backend_away")
    desk.backend = start_backend(desk.folder / "backend", policy, port)
    await old_side.out.until("qr_shown")
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)


async def test_one_command_at_a_time_holds_a_home(desk: Desk) -> None:
    """A second `old copy` would void the first one's QR: it is told to wait."""
    first = await desk.old()
    showing = desk.shows(first)
    await first.out.until("qr_shown")
    with pytest.raises(HomeBusy):
        await desk.shows(await desk.old())
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
    await honest(desk, await desk.old(), desk.side("new"))


async def test_a_proof_file_is_there_even_if_the_proof_is_not_taken(desk: Desk) -> None:
    """Just then somebody wants to judge it; a place that cannot be written fails first."""
    old_side, new_side = await desk.old(), desk.side("new")
    with pytest.raises(OSError):
        await new.copy(new_side.laptop, user="anna", proof=Path("/proc/nowhere/proof"))
    assert new_side.out.events == []
    kept = desk.folder / "proof.cbor"
    showing = desk.shows(old_side)
    scanning = asyncio.create_task(new.copy(new_side.laptop, user="anna", proof=kept))
    code = (await new_side.out.until("code"))["code"]
    await old_side.out.until("code_wanted")
    desk.backend.kill()
    old_side.type(code)
    with pytest.raises(ProviderError):
        await scanning
    await showing
    verify_bundle(kept.read_bytes(), desk.backend.joined.issuer)


async def test_another_users_name_gets_no_sms(desk: Desk) -> None:
    """The QR of an account that is not the one named on NEW enrols nothing there."""
    old_side, new_side = await desk.old(), desk.side("new")
    showing, scanning = desk.shows(old_side), desk.scans(new_side, user="mallory")
    code = (await new_side.out.until("code"))["code"]
    await old_side.out.until("code_wanted")
    old_side.type(code)
    await showing
    await new_side.out.until("sms_sent")
    scanning.cancel()
    await asyncio.gather(scanning, return_exceptions=True)
    assert new_side.laptop.home.device() is None
    kept = new_side.laptop.home.enrolment()
    assert kept is not None and kept.id
    async with Provider(desk.backend.joined, DeviceKey.from_seed(kept.seed)) as provider:
        assert (await provider.enrolment(kept.id)).state is CeremonyState.NAMED
        await provider.name(kept.id, "anna")
    await new.copy(desk.side("new").laptop)
    device = desk.side("new").laptop.home.device()
    assert device is not None and device.account == "anna"


async def test_a_proof_refused_for_good_makes_room_for_a_new_scan(desk: Desk) -> None:
    """OLD showed another QR since: the stored proof is dropped, and NEW scans again."""
    old_side, new_side = await desk.old(), desk.side("new")
    showing, scanning, code = await to_the_code(desk, old_side, new_side)
    desk.backend.kill()
    old_side.type(code)
    with pytest.raises(ProviderError):
        await scanning
    await showing
    desk.backend = start_backend(desk.folder / "backend", port=desk.backend.port)
    other = await desk.old()
    showing = desk.shows(other)
    await other.out.until("qr_shown")
    with pytest.raises(ProviderError) as refused:
        await new.copy(desk.side("new").laptop, user="anna")
    assert refused.value.code == "grant_not_current"
    assert new_side.laptop.home.enrolment() is None
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
    await honest(desk, await desk.old(), desk.side("new"))


async def test_cancelling_ends_the_copy_that_runs_and_starts_none(desk: Desk) -> None:
    """Cancelling asks for nothing; without a copy there is nothing to cancel."""
    old_side = await desk.old()
    assert not await account.cancel(old_side.laptop)
    showing = desk.shows(old_side)
    await old_side.out.until("qr_shown")
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
    device = old_side.laptop.device()
    async with Provider(desk.backend.joined, DeviceKey.from_seed(device.seed)) as provider:
        assert (await provider.device()).ceremony
        assert await account.cancel(old_side.laptop)
        assert not (await provider.device()).ceremony


async def test_an_ended_input_frees_the_radio(desk: Desk) -> None:
    """Nobody types: OLD ends by name, takes the QR away, and the next attempt works."""
    old_side, new_side = await desk.old(), desk.side("new")
    os.close(old_side.keyboard)
    showing = desk.shows(old_side)
    scanning = desk.scans(new_side)
    with pytest.raises(InputNeeded):
        await showing
    scanning.cancel()
    await asyncio.gather(scanning, return_exceptions=True)
    assert not desk.screen.exists()
    await honest(desk, await desk.old(), desk.side("new"))


async def test_giving_up_after_the_proof_is_not_called_cancelled(desk: Desk) -> None:
    """Ctrl-C between the right code and the ack: the proof is out, and unconfirmed."""
    old_side, new_side = await desk.old(), desk.side("new")
    showing, scanning, code = await to_the_code(desk, old_side, new_side)
    old_side.type(code)
    await old_side.out.until("proof_made")
    showing.cancel()
    with pytest.raises(SessionEnded) as ended:
        await showing
    assert ended.value.reason is EndReason.UNCONFIRMED
    scanning.cancel()
    await asyncio.gather(scanning, return_exceptions=True)


async def test_giving_up_once_bound_is_reported(desk: Desk) -> None:
    """Somebody had the QR and never proved a key: the account hears of it, Ctrl-C or not."""
    old_side, new_side = await desk.old(), desk.side("new")
    reports = []

    async def report(_self: Any, _ceremony: str, _cti: bytes, reason: str) -> None:
        reports.append(reason)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nearproof.daemon.provider.Provider.report", report)
        patch.setattr("nearproof.crypto.session.old.OldSession._receive_t1", lambda *_: None)
        showing, scanning = desk.shows(old_side), desk.scans(new_side)
        await old_side.out.until("bound")
        showing.cancel()
        with pytest.raises(SessionEnded) as ended:
            await showing
    assert ended.value.reason is EndReason.CANCELLED
    assert reports == ["cancelled"]
    scanning.cancel()
    await asyncio.gather(scanning, return_exceptions=True)


async def test_a_cancelled_copy_starts_anew(desk: Desk) -> None:
    """`old cancel` ends the copy with its used-up QR codes; the next one has three again."""
    for _ in range(3):
        side = await desk.old()
        showing = desk.shows(side)
        await side.out.until("qr_shown")
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
    with pytest.raises(ProviderError) as used_up:
        await desk.shows(await desk.old())
    assert used_up.value.code == "grants_used_up"
    assert await account.cancel((await desk.old()).laptop)
    await honest(desk, await desk.old(), desk.side("new"))


async def test_a_reader_that_is_gone_ends_the_run(desk: Desk) -> None:
    """The pipe of `--json` breaks: OLD does not go on without a clock."""
    old_side = await desk.old()

    def broken(text: str) -> int:
        if "bound" in text:
            raise BrokenPipeError
        return Out.write(old_side.out, text)

    old_side.out.write = broken  # type: ignore[method-assign]
    showing, scanning = desk.shows(old_side), desk.scans(desk.side("new"))
    async with asyncio.timeout(20):
        with pytest.raises(BrokenPipeError):
            await showing
    assert not desk.screen.exists()
    scanning.cancel()
    await asyncio.gather(scanning, return_exceptions=True)


@pytest.mark.parametrize("moment", ["qr_shown", "bound", "code_wanted"])
async def test_a_stopped_old_can_start_again(
    desk: Desk, moment: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C at any moment: the QR and the advert go, and `old copy` goes on where it stood."""
    old_side, new_side = await desk.old(), desk.side("new")
    showing, scanning = desk.shows(old_side), desk.scans(new_side)
    await old_side.out.until(moment)
    for task in (showing, scanning):
        task.cancel()
    await asyncio.gather(showing, scanning, return_exceptions=True)
    assert not desk.screen.exists()
    await honest(desk, await desk.old(), desk.side("new"))
