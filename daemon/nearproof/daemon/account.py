"""What a laptop asks about itself and its account: who am I, what is being copied, who else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from nearproof.config.home import Device, Enrolment
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.wire import Ceremony, CeremonyState, DeviceState
from nearproof.daemon.laptop import ENDED, EnrolmentEnded, Laptop
from nearproof.daemon.outcomes import failure_of
from nearproof.daemon.outcomes.kinds import Failure
from nearproof.daemon.provider import Provider, ProviderError


class Copy(msgspec.Struct, frozen=True):
    """A copy or an activation that is under way; `here`: this laptop has ordered it.

    `waits` is in seconds, `started_at` in UNIX seconds.
    """

    id: str
    state: str
    here: bool
    started_at: int
    waits: int
    grants_left: int
    new_label: str = ""


class Status(msgspec.Struct, frozen=True):
    """Who this laptop is.

    `state` is unjoined, new, enrolling, unknown (`failure` says why), or a `DeviceState`;
    `next` names what to do next (`next_...` in the texts).  `waits` is what is left, in seconds,
    before an activation or the copy goes on.
    """

    state: str
    backend: str = ""
    account: str = ""
    label: str = ""
    kid: str = ""
    next: str = ""
    waits: int = 0
    copy: Copy | None = None
    failure: Failure | None = None
    daemon: bool = False


Sentences = Iterator[tuple[str, dict[str, Any]]]
"""Keys of the texts, each with its fields."""


def sentences(standing: Status) -> Sentences:
    """What a person is told of it."""
    yield (
        f"status_{standing.state}",
        {"account": standing.account, "label": standing.label, "backend": standing.backend},
    )
    if standing.copy is not None:
        yield of_copy(standing.copy)
    yield f"next_{standing.next}", {"seconds": standing.waits}
    if standing.state == DeviceState.ACTIVE:
        yield "daemon_runs" if standing.daemon else "daemon_off", {}


def of_copy(copy: Copy) -> tuple[str, dict[str, Any]]:
    """What a person is told of what is being copied."""
    if copy.new_label:
        return "copy_proved", {"new_label": copy.new_label}
    return "copy_here" if copy.here else "copy_elsewhere", {"grants_left": copy.grants_left}


class Listed(msgspec.Struct, frozen=True):
    """An active laptop of the account; `here`: it is this one."""

    kid: str
    label: str
    enrolled_at: int
    here: bool


async def status(laptop: Laptop) -> Status:
    """Who this laptop is and what comes next.  Raises `FileDamaged`, `JoinError`."""
    backend = laptop.home.backend()
    if backend is None:
        return Status("unjoined", next="join")
    kept = laptop.home.device()
    if kept is not None:
        return await _enrolled(laptop, backend.url, kept)
    enrolment = laptop.home.enrolment()
    if enrolment is None or not (enrolment.id or enrolment.bundle):
        return Status("new", backend.url, label=laptop.label(), next="start")
    if enrolment.bundle:
        return Status("enrolling", backend.url, label=enrolment.label, next="go_on_copy")
    return await _activating(laptop, backend.url, enrolment)


async def _activating(laptop: Laptop, url: str, kept: Enrolment) -> Status:
    known = Status("enrolling", url, label=kept.label, next="go_on_activate")
    try:
        async with Provider(laptop.backend(), DeviceKey.from_seed(kept.seed)) as provider:
            stands = await provider.enrolment(kept.id)
    except ProviderError as error:
        return msgspec.structs.replace(known, failure=failure_of(error))
    if stands.state in ENDED:
        return msgspec.structs.replace(known, failure=failure_of(EnrolmentEnded(stands.state)))
    if not stands.waits:
        return known
    return msgspec.structs.replace(known, waits=stands.waits, next="wait_activate")


async def _enrolled(laptop: Laptop, url: str, kept: Device) -> Status:
    key = DeviceKey.from_seed(kept.seed)
    known = Status("unknown", url, kept.account, kept.label, key.kid.hex(), next="backend")
    try:
        async with Provider(laptop.backend(), key) as provider:
            device = await provider.device()
            ceremony = await provider.ceremony(device.ceremony) if device.ceremony else None
    except ProviderError as error:
        return msgspec.structs.replace(known, failure=failure_of(error))
    copying = _copy(ceremony, device.kid) if ceremony is not None and ceremony.live else None
    return msgspec.structs.replace(
        known,
        state=str(device.state),
        account=device.account,
        copy=copying,
        waits=copying.waits if copying is not None else 0,
        next=_next(device.state, copying),
    )


def _copy(ceremony: Ceremony, kid: str) -> Copy:
    return Copy(
        ceremony.id,
        str(ceremony.state),
        ceremony.old == kid,
        ceremony.started_at,
        ceremony.waits,
        ceremony.grants_left,
        ceremony.new_label,
    )


def _next(state: DeviceState, copy: Copy | None) -> str:
    if state is not DeviceState.ACTIVE:
        return "other_laptop"
    if copy is None:
        return "nothing"
    if copy.state != CeremonyState.LIVE:
        return "on_new"
    if not copy.here:
        return "watch"
    return "wait" if copy.waits else "show"


async def devices(laptop: Laptop) -> tuple[Listed, ...]:
    """The account's active laptops, oldest first.  Raises `NotEnrolled`, `ProviderError`."""
    key = DeviceKey.from_seed(laptop.device().seed)
    async with Provider(laptop.backend(), key) as provider:
        return tuple(
            Listed(each.kid, each.label, each.enrolled_at, each.kid == key.kid.hex())
            for each in await provider.devices()
        )


async def revoke(laptop: Laptop, kid: str) -> None:
    """Revoke a laptop of the account, at once.  Raises `NotEnrolled`, `ProviderError`."""
    key = DeviceKey.from_seed(laptop.device().seed)
    async with Provider(laptop.backend(), key) as provider:
        await provider.revoke(kid)


async def cancel(laptop: Laptop) -> bool:
    """Cancel the copy under way, whichever laptop has ordered it; False if there is none.

    Raises `NotEnrolled`, `ProviderError`.
    """
    key = DeviceKey.from_seed(laptop.device().seed)
    async with Provider(laptop.backend(), key) as provider:
        device = await provider.device()
        if not device.ceremony:
            return False
        await provider.cancel(device.ceremony)
        return True
