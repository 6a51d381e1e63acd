"""Who may do what, and when: the pure part of the backend.

Facts and a reading of the database's clock go in; what shall be written comes out, or a
refusal is raised (`Problem`, or `VerificationError` for step 8 of the verifier).  A raised
refusal writes nothing.  `now` and every stored time are milliseconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from nearproof.crypto.errors import RefusalCode, VerificationError
from nearproof.crypto.verifier import VerifiedBundle
from nearproof.daemon.backend.wire import CeremonyState, DeviceState, ReportReason, ServiceCode

Millis = int

STEP: Final = 8  # the backend's own step of the verifier (SPEC, Verifier)

_AFTER_THE_PROOF: Final = {ReportReason.UNCONFIRMED, ReportReason.OTHER_DEVICE_SEEN}


class Problem(Exception):
    """A request that is refused: `seconds` is how long to wait before asking again."""

    def __init__(self, code: ServiceCode, detail: str = "", *, seconds: int | None = None) -> None:
        self.code = code
        self.detail = detail
        self.seconds = seconds
        super().__init__(f"{code}: {detail}" if detail else str(code))


class GrantState(StrEnum):
    """Where a grant stands; at most one of a ceremony is ISSUED, and at most one SPENT."""

    ISSUED = "issued"
    VOIDED = "voided"
    SPENT = "spent"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendPolicy:
    """The limits that an operator may choose; times in seconds."""

    wait: int = 3600  # from the start of a copy to its first grant
    lifetime: int = 86_400  # from the end of the wait to the ceremony's deadline
    grants: int = 3  # grants a ceremony, however each ended
    wrong_names: int = 3  # user IDs that may be wrong in one ceremony
    rounds: int = 4  # round-trip rounds a grant allows
    invite_lifetime: int = 86_400

    def __post_init__(self) -> None:
        if min(self.wait, self.rounds) < 0:
            raise ValueError("wait and rounds cannot be negative")
        if min(self.lifetime, self.grants, self.wrong_names, self.invite_lifetime) < 1:
            raise ValueError("lifetimes and counts are at least 1")


@dataclass(frozen=True, slots=True)
class Invite:
    """An activation code, by its hash."""

    account: str
    expires: Millis
    used: bool


@dataclass(frozen=True, slots=True)
class Device:
    """An enrolled laptop; `public` is its Ed25519 key, 32 bytes."""

    kid: bytes
    public: bytes
    account: str
    label: str
    state: DeviceState


@dataclass(frozen=True, slots=True)
class Ceremony:
    """One copy, started by the laptop `old` (kid) of `account`."""

    id: bytes
    account: str
    old: bytes
    state: CeremonyState
    started: Millis
    ready: Millis
    deadline: Millis
    wrong_names: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant of a ceremony."""

    cti: bytes
    ceremony: bytes
    state: GrantState


@dataclass(frozen=True, slots=True)
class Redeeming:
    """What the database knows about a bundle: None where it knows nothing.

    `signer` is the public key under which the request's signature verified, None if none did.
    """

    named: str
    signer: bytes | None
    grant: Grant | None
    ceremony: Ceremony | None
    old: Device | None
    new_known: bool


@dataclass(frozen=True, slots=True)
class WrongName:
    """The user ID named is not the account of OLD: the try is counted, nothing else happens.

    `ends`: it was the last one, so the grant is void and the ceremony over.
    """

    ceremony: Ceremony
    counted: bool
    ends: bool


@dataclass(frozen=True, slots=True)
class Spend:
    """Spend the grant, enrol D, and the ceremony is done."""

    ceremony: Ceremony


def require_active(device: Device | None) -> Device:
    """The asking laptop; raises `Problem` unless it is enrolled and not revoked."""
    if device is None:
        raise Problem(ServiceCode.UNKNOWN_DEVICE, "this laptop is not enrolled here")
    if device.state is not DeviceState.ACTIVE:
        raise Problem(ServiceCode.DEVICE_REVOKED, "this laptop has been revoked")
    return device


def activate(invite: Invite | None, active_devices: int, key_known: bool, now: Millis) -> str:
    """The account that this activation code enrols a first laptop in.

    One answer for a code that is wrong, used or too old: it tells a guesser nothing.
    """
    if invite is None or invite.used or now > invite.expires:
        raise Problem(ServiceCode.INVITE, "this activation code is wrong, used, or too old")
    if active_devices:
        raise Problem(
            ServiceCode.ACCOUNT_ACTIVE, "the account has an active laptop: copy from that one"
        )
    if key_known:
        raise Problem(ServiceCode.KEY_KNOWN, "this device key has been enrolled before")
    return invite.account


def settled(ceremony: Ceremony, now: Millis) -> Ceremony:
    """The ceremony as it stands now: past its deadline it is EXPIRED."""
    if ceremony.state is CeremonyState.LIVE and now > ceremony.deadline:
        return replace(ceremony, state=CeremonyState.EXPIRED)
    return ceremony


def start(
    device: Device, live: Ceremony | None, ceremony_id: bytes, now: Millis, policy: BackendPolicy
) -> Ceremony:
    """The ceremony of this laptop: the one that runs, or a new one of this id.

    Raises `Problem` while another laptop of the account copies.
    """
    if live is not None:
        if live.old != device.kid:
            raise Problem(ServiceCode.CEREMONY_RUNNING, "another laptop of this account is copying")
        return live
    ready = now + policy.wait * 1000
    return Ceremony(
        id=ceremony_id,
        account=device.account,
        old=device.kid,
        state=CeremonyState.LIVE,
        started=now,
        ready=ready,
        deadline=ready + policy.lifetime * 1000,
    )


def waits(ceremony: Ceremony, now: Millis) -> int:
    """What is left of the wait, in whole seconds, rounded up; 0 for a copy that is over."""
    if ceremony.state is not CeremonyState.LIVE:
        return 0
    return max(0, -((now - ceremony.ready) // 1000))


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
    if ceremony.state is CeremonyState.DONE:
        raise Problem(ServiceCode.ALREADY_USED, new_label)
    if ceremony.state is not CeremonyState.LIVE:
        raise Problem(ServiceCode.CEREMONY_OVER, f"this copy is {ceremony.state}")
    if seconds := waits(ceremony, now):
        raise Problem(ServiceCode.WAITING, f"{seconds} seconds left", seconds=seconds)
    if grants >= policy.grants:
        raise Problem(
            ServiceCode.GRANTS_USED_UP, f"{policy.grants} QR codes a copy: cancel and start again"
        )
    return now // 1000


def cancel(ceremony: Ceremony) -> Ceremony:
    """The ceremony, cancelled; one that is over without an enrolment stays as it is.

    Raises `Problem` once a laptop has been enrolled by it.
    """
    if ceremony.state is CeremonyState.DONE:
        raise Problem(ServiceCode.CEREMONY_OVER, "the copy is complete: revoke the laptop instead")
    if ceremony.state is CeremonyState.LIVE:
        return replace(ceremony, state=CeremonyState.CANCELLED)
    return ceremony


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
) -> Spend | WrongName:
    """Step 8 of the verifier, in its order (SPEC, Verifier); steps 1 to 7 have passed.

    Raises `VerificationError` with step 8 and the code of the first check that fails.
    """
    if now > bundle.grant.exp * 1000:
        raise _refusal(RefusalCode.LATE, "the grant has expired")
    if facts.signer != bundle.new_public:
        raise _refusal(RefusalCode.REQUEST_KEY, "the request is not signed by the new laptop")
    grant, ceremony, old = facts.grant, facts.ceremony, facts.old
    if grant is None or ceremony is None or old is None:
        raise _refusal(RefusalCode.GRANT_NOT_CURRENT, "this backend has not issued the grant")
    if facts.named != ceremony.account:
        return _wrong_name(ceremony, grant, policy)
    if old.state is not DeviceState.ACTIVE:
        raise _refusal(RefusalCode.OLD_NOT_ACTIVE, "the old laptop has been revoked")
    # A DONE ceremony goes on, so that its refusals name what was used up.
    if ceremony.state not in (CeremonyState.LIVE, CeremonyState.DONE):
        raise _refusal(RefusalCode.CEREMONY_NOT_LIVE, f"the copy is {ceremony.state}")
    if grant.state is GrantState.VOIDED:
        raise _refusal(RefusalCode.GRANT_NOT_CURRENT, "a later QR code has replaced this one")
    if facts.new_known:
        raise _refusal(RefusalCode.KEY_REDEEMED, "this device key has been enrolled before")
    if grant.state is GrantState.SPENT:
        raise _refusal(RefusalCode.ALREADY_USED, "the QR code has enrolled another laptop")
    return Spend(replace(ceremony, state=CeremonyState.DONE))


def _wrong_name(ceremony: Ceremony, grant: Grant, policy: BackendPolicy) -> WrongName:
    # Only the current grant can cost tries: an old bundle must not end a copy it is no part of.
    if ceremony.state is not CeremonyState.LIVE or grant.state is not GrantState.ISSUED:
        return WrongName(ceremony, counted=False, ends=False)
    tries = ceremony.wrong_names + 1
    ends = tries >= policy.wrong_names
    state = CeremonyState.REFUSED if ends else CeremonyState.LIVE
    return WrongName(replace(ceremony, wrong_names=tries, state=state), counted=True, ends=ends)


def _require_its_old(ceremony: Ceremony, device: Device) -> None:
    if ceremony.old != device.kid:
        raise Problem(ServiceCode.NOT_ITS_OLD, "another laptop has started this copy")


def _refusal(code: RefusalCode, detail: str) -> VerificationError:
    return VerificationError(STEP, code, detail)
