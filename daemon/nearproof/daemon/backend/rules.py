"""Who may start, copy, cancel and revoke, and when: pure.

Facts and a reading of the database's clock go in; what shall be written comes out, or a
refusal is raised (`Problem`, or `VerificationError` for step 8 of the verifier).  A raised
refusal writes nothing.  What comes after the bundle is in `enrolling`, the PIN in `pins`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from nearproof.crypto.errors import RefusalCode, VerificationError
from nearproof.crypto.verifier import VerifiedBundle
from nearproof.daemon.backend.facts import (
    Account,
    Ceremony,
    Device,
    Grant,
    GrantState,
    Invite,
    Millis,
    Problem,
)
from nearproof.daemon.backend.policy import SLOTS, BackendPolicy
from nearproof.daemon.backend.wire import (
    CeremonyKind,
    CeremonyState,
    DeviceState,
    Listed,
    ReportReason,
    ServiceCode,
)

STEP: Final = 8  # the backend's own step of the verifier (SPEC, Verifier)
DAY: Final = 86_400_000  # ms

_AFTER_THE_PROOF: Final = {ReportReason.UNCONFIRMED, ReportReason.OTHER_DEVICE_SEEN}


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands when a ceremony is to start: its open one, and its active laptops."""

    account: Account
    open: Ceremony | None
    active: list[Device]

    def free_slot(self) -> int:
        """The slot that a new ceremony reserves; raises `Problem` with the laptops that hold them.

        The reservation of an open ceremony needs no look: there is one a time.
        """
        taken = {device.slot for device in self.active}
        for slot in range(1, SLOTS + 1):
            if slot not in taken:
                return slot
        raise Problem(
            ServiceCode.NO_SLOT,
            f"the account has {SLOTS} active laptops: revoke one first",
            devices=tuple(map(listed, self.active)),
        )


@dataclass(frozen=True, slots=True)
class Redeeming:
    """What the database knows about a bundle: None where it knows nothing.

    `signer` is the public key under which the request's signature verified, None if none did.
    """

    signer: bytes | None
    grant: Grant | None
    ceremony: Ceremony | None
    old: Device | None
    new_known: bool


def listed(device: Device) -> Listed:
    """The laptop as a list shows it."""
    return Listed(device.kid.hex(), device.label, device.enrolled // 1000)


def require_active(device: Device | None) -> Device:
    """The asking laptop; raises `Problem` unless it is enrolled and neither revoked nor dead."""
    if device is None or device.state in (DeviceState.ENROLLING, DeviceState.ABANDONED):
        raise Problem(ServiceCode.UNKNOWN_DEVICE, "this laptop is not enrolled here")
    if device.state is DeviceState.DEAD:
        raise Problem(ServiceCode.DEVICE_DEAD, "too many wrong PINs: this laptop is blocked")
    if device.state is not DeviceState.ACTIVE:
        raise Problem(ServiceCode.DEVICE_REVOKED, "this laptop has been revoked")
    return device


def require_settled(account: Account, now: Millis, policy: BackendPolicy) -> None:
    """Raise `Problem` while the account's phone number is too new to count."""
    counts_from = account.phone_since + policy.phone_settles * 1000
    if account.phone_since and now < counts_from:
        raise Problem(
            ServiceCode.PHONE_CHANGED,
            "the account's phone number was changed a short while ago",
            seconds=seconds_until(counts_from, now),
        )


def require_experienced(device: Device, now: Millis) -> None:
    """Raise `Problem` for a laptop that is too new to act on others."""
    if now < device.newcomer_until:
        raise Problem(
            ServiceCode.TOO_NEW,
            "for a day a new laptop may neither copy, nor revoke or cancel others",
            seconds=seconds_until(device.newcomer_until, now),
        )


def seconds_until(then: Millis, now: Millis) -> int:
    """What is left, in whole seconds, rounded up; never negative."""
    return max(0, -((now - then) // 1000))


def settled(ceremony: Ceremony, now: Millis) -> Ceremony:
    """The ceremony as it stands now: past its deadline it is EXPIRED."""
    if ceremony.open and now > ceremony.deadline:
        return replace(ceremony, state=CeremonyState.EXPIRED)
    return ceremony


# -- starting ---------------------------------------------------------------------------------


def start(
    device: Device,
    standing: Standing,
    started: list[Millis],
    ceremony_id: bytes,
    now: Millis,
    policy: BackendPolicy,
) -> Ceremony:
    """A new copy of this id by this laptop, or the one of its own that is open.

    `started` are the times of its copies so far.  Raises `Problem`: too new, another ceremony
    is open, no free slot, a phone number that does not count, or too many starts.
    """
    if standing.open is not None and standing.open.old == device.kid:
        return standing.open
    require_experienced(device, now)
    _require_none_open(standing)
    slot = standing.free_slot()
    require_settled(standing.account, now, policy)
    today = sorted(at for at in started if at > now - DAY)
    if len(today) >= policy.starts_a_day:
        raise Problem(
            ServiceCode.STARTS_USED_UP,
            f"{policy.starts_a_day} copies a day",
            seconds=seconds_until(today[-policy.starts_a_day] + DAY, now),
        )
    return _begin(CeremonyKind.COPY, device.account, device.kid, slot, ceremony_id, now, policy)


def activate(
    invite: Invite | None,
    standing: Standing | None,
    key_known: bool,
    ceremony_id: bytes,
    now: Millis,
    policy: BackendPolicy,
) -> Ceremony:
    """The ceremony of this id that an activation code leads to.

    One answer for a code that is wrong, used or too old: it tells a guesser nothing.  Without
    an active laptop there is nobody to wait for.
    """
    if invite is None or standing is None or invite.used or now > invite.expires:
        raise Problem(ServiceCode.INVITE, "this activation code is wrong, used, or too old")
    if key_known:
        raise Problem(ServiceCode.KEY_KNOWN, "this device key has been enrolled before")
    _require_none_open(standing)
    slot = standing.free_slot()
    require_settled(standing.account, now, policy)
    terms = policy if standing.active else replace(policy, wait=0)
    return _begin(CeremonyKind.INVITE, invite.account, None, slot, ceremony_id, now, terms)


def _begin(
    kind: CeremonyKind,
    account: str,
    old: bytes | None,
    slot: int,
    ceremony_id: bytes,
    now: Millis,
    policy: BackendPolicy,
) -> Ceremony:
    ready = now + policy.wait * 1000
    return Ceremony(
        id=ceremony_id,
        account=account,
        kind=kind,
        old=old,
        state=CeremonyState.LIVE,
        slot=slot,
        started=now,
        ready=ready,
        deadline=ready + policy.lifetime * 1000,
    )


def _require_none_open(standing: Standing) -> None:
    if standing.open is not None:
        raise Problem(
            ServiceCode.CEREMONY_RUNNING, "another laptop of this account is being copied"
        )


# -- the wait, and the grants -----------------------------------------------------------------


def waits(ceremony: Ceremony, now: Millis) -> int:
    """What is left of the wait, in whole seconds, rounded up; 0 once it does not matter."""
    if ceremony.state is not CeremonyState.LIVE:
        return 0
    return seconds_until(ceremony.ready, now)


def require_ready(ceremony: Ceremony, now: Millis) -> None:
    """Raise `Problem` (WAITING) while the wait is not over."""
    if seconds := waits(ceremony, now):
        raise Problem(ServiceCode.WAITING, f"{seconds} seconds left", seconds=seconds)


def issue(
    ceremony: Ceremony,
    device: Device,
    grants: int,
    new_label: str,
    now: Millis,
    policy: BackendPolicy,
) -> int:
    """The nbf (UNIX seconds) of the grant to issue; the one before it is void from then on.

    `grants` is how many the ceremony has had.  Raises `Problem`: not this laptop's ceremony,
    already used (the detail is the label of the laptop that did), over, waiting, or too many.
    """
    _require_its_old(ceremony, device)
    if ceremony.new is not None:
        raise Problem(ServiceCode.ALREADY_USED, new_label)
    if ceremony.state is not CeremonyState.LIVE:
        raise Problem(ServiceCode.CEREMONY_OVER, f"this copy is {ceremony.state}")
    require_ready(ceremony, now)
    if grants >= policy.grants:
        raise Problem(
            ServiceCode.GRANTS_USED_UP, f"{policy.grants} QR codes a copy: cancel and start again"
        )
    return now // 1000


def voids(ceremony: Ceremony, device: Device, grant: Grant | None, reason: ReportReason) -> bool:
    """Whether OLD's report ends the grant: it does, unless the proof had been made by then.

    Raises `Problem` for a grant or a ceremony that is not the reporter's own.
    """
    _require_its_old(ceremony, device)
    if grant is None or grant.ceremony != ceremony.id:
        raise Problem(ServiceCode.NOT_FOUND, "no such grant in this copy")
    return grant.state is GrantState.ISSUED and reason not in _AFTER_THE_PROOF


def redeem(
    bundle: VerifiedBundle, facts: Redeeming, now: Millis, policy: BackendPolicy
) -> Ceremony:
    """Step 8 of the verifier, in its order (SPEC, Verifier); steps 1 to 7 have passed.

    The ceremony, PROVED; the user ID is asked for next, and decides in the end.  Raises
    `VerificationError` with step 8 and the code of the first check that fails.
    """
    if now > bundle.grant.exp * 1000:
        raise _refusal(RefusalCode.LATE, "the grant has expired")
    if facts.signer != bundle.new_public:
        raise _refusal(RefusalCode.REQUEST_KEY, "the request is not signed by the new laptop")
    grant, ceremony, old = facts.grant, facts.ceremony, facts.old
    if grant is None or ceremony is None or old is None:
        raise _refusal(RefusalCode.GRANT_NOT_CURRENT, "this backend has not issued the grant")
    if old.state is not DeviceState.ACTIVE:
        raise _refusal(RefusalCode.OLD_NOT_ACTIVE, "the old laptop has been revoked")
    # One that has a new laptop goes on, so that its refusals name what was used up.
    if ceremony.state is not CeremonyState.LIVE and ceremony.new is None:
        raise _refusal(RefusalCode.CEREMONY_NOT_LIVE, f"the copy is {ceremony.state}")
    if grant.state is GrantState.VOIDED:
        raise _refusal(RefusalCode.GRANT_NOT_CURRENT, "a later QR code has replaced this one")
    if facts.new_known:
        raise _refusal(RefusalCode.KEY_REDEEMED, "this device key has been enrolled before")
    if grant.state is GrantState.SPENT:
        raise _refusal(RefusalCode.ALREADY_USED, "the QR code has been used by another laptop")
    return replace(
        ceremony,
        state=CeremonyState.PROVED,
        new=bundle.new_kid,
        deadline=now + policy.enrolment * 1000,
    )


# -- cancelling and revoking ------------------------------------------------------------------


def cancel(ceremony: Ceremony, device: Device, now: Millis) -> Ceremony:
    """The ceremony, cancelled; one that is over without a new laptop stays as it is.

    Raises `Problem` once a laptop has become active by it, or for a laptop too new to cancel.
    """
    if device.kid != ceremony.new:
        require_experienced(require_active(device), now)
    if ceremony.state is CeremonyState.DONE:
        raise Problem(ServiceCode.CEREMONY_OVER, "the copy is complete: revoke the laptop instead")
    return replace(ceremony, state=CeremonyState.CANCELLED) if ceremony.open else ceremony


def revoke(asking: Device, target: Device, now: Millis) -> Device:
    """The laptop `target`, revoked; one that is not active stays as it is.

    Raises `Problem` for a laptop that is too new to revoke any but itself.
    """
    if asking.kid != target.kid:
        require_experienced(asking, now)
    if target.state is not DeviceState.ACTIVE:
        return target
    return replace(target, state=DeviceState.REVOKED, slot=None)


def _require_its_old(ceremony: Ceremony, device: Device) -> None:
    if ceremony.old != device.kid:
        raise Problem(ServiceCode.NOT_ITS_OLD, "another laptop has started this copy")


def _refusal(code: RefusalCode, detail: str) -> VerificationError:
    return VerificationError(STEP, code, detail)
