"""From the bundle (or an invite) to an active laptop: user ID, SMS code, PIN.  Pure.

    PROVED -name-> NAMED -right code-> CONFIRMED -PIN-> DONE

A ceremony by invite goes from LIVE to NAMED when it asks for its first code.  Nothing here but
`judge_code` depends on whether the user ID was right: answers, limits and states are the same.
"""

from __future__ import annotations

from dataclasses import replace

from nearproof.crypto.primitives import equal, hmac_sha256
from nearproof.daemon.backend.facts import Ceremony, Device, Millis, Problem
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.rules import require_ready, seconds_until
from nearproof.daemon.backend.wire import CeremonyKind, CeremonyState, DeviceState, ServiceCode

DIGITS = 6


def sms_code(key: bytes, ceremony: Ceremony) -> str:
    """The ceremony's SMS code in force: derived, so that it is the same on a resend, on every
    worker, and stored nowhere.  `key`: 32 bytes that the backend keeps."""
    drawn = hmac_sha256(key, ceremony.id + bytes([ceremony.code]))
    return f"{int.from_bytes(drawn[:8], 'big') % 10**DIGITS:0{DIGITS}}"


def require_its_new(ceremony: Ceremony | None, device: Device) -> Ceremony:
    """The open ceremony that enrols this laptop; raises `Problem` (also once it is over)."""
    if ceremony is None or ceremony.new != device.kid:
        raise Problem(ServiceCode.NOT_ITS_NEW, "this laptop is not enrolled by that ceremony")
    if not ceremony.open:
        raise Problem(ServiceCode.CEREMONY_OVER, f"the enrolment is {ceremony.state}")
    return ceremony


def name(ceremony: Ceremony, named: str, now: Millis, policy: BackendPolicy) -> Ceremony:
    """The ceremony after the person has named a user ID; another one costs a try and a code.

    The same name again changes nothing.  Raises `Problem`: out of turn, no tries or codes left.
    """
    if ceremony.kind is CeremonyKind.INVITE or ceremony.state not in (
        CeremonyState.PROVED,
        CeremonyState.NAMED,
    ):
        raise _out_of_turn(ceremony)
    if ceremony.named == named:
        return ceremony
    if ceremony.names >= policy.names:
        raise Problem(ServiceCode.NAMES_USED_UP, f"{policy.names} user IDs a copy")
    chosen = replace(ceremony, named=named, names=ceremony.names + 1)
    return _new_code(chosen, now, policy)


def ask_for_code(ceremony: Ceremony, now: Millis, policy: BackendPolicy) -> Ceremony:
    """The ceremony after a code was asked for: the same one again, or the next if it is void.

    Raises `Problem`: out of turn, asked again too soon (WAITING), or no code left.
    """
    if ceremony.kind is CeremonyKind.INVITE and ceremony.state is CeremonyState.LIVE:
        require_ready(ceremony, now)
        begun = replace(ceremony, deadline=now + policy.enrolment * 1000, named=ceremony.account)
        return _new_code(begun, now, policy)
    if ceremony.state is not CeremonyState.NAMED:
        raise _out_of_turn(ceremony)
    if not code_in_force(ceremony, now, policy):
        return _new_code(ceremony, now, policy)
    if seconds := seconds_until(resend_at(ceremony, policy), now):
        raise Problem(ServiceCode.WAITING, f"{seconds} seconds left", seconds=seconds)
    return replace(ceremony, code_sent=now)


def judge_code(
    ceremony: Ceremony, typed: str, key: bytes, now: Millis, policy: BackendPolicy
) -> Ceremony:
    """The ceremony after a code was typed: CONFIRMED, or one try poorer, or REFUSED by the last.

    Behind a wrong user ID every code is wrong.  Raises `Problem` (CODE_VOID) where none is in
    force: that is no try.
    """
    if ceremony.state is not CeremonyState.NAMED:
        raise _out_of_turn(ceremony)
    if not code_in_force(ceremony, now, policy):
        raise Problem(ServiceCode.CODE_VOID, "the code is too old or void: ask for another")
    fits = equal(sms_code(key, ceremony).encode(), typed.encode())
    if fits & equal(ceremony.named.encode(), ceremony.account.encode()):
        return replace(ceremony, state=CeremonyState.CONFIRMED)
    poorer = replace(
        ceremony, code_wrong=ceremony.code_wrong + 1, wrong_codes=ceremony.wrong_codes + 1
    )
    if poorer.wrong_codes >= policy.codes * policy.code_tries:
        return replace(poorer, state=CeremonyState.REFUSED)
    return poorer


def finish(
    ceremony: Ceremony,
    device: Device,
    user_public: bytes,
    others: int,
    now: Millis,
    policy: BackendPolicy,
) -> tuple[Ceremony, Device]:
    """Both, done: the laptop is active in the reserved slot.

    Where there are `others`, it may act on them in a day.  Raises `Problem` out of turn.
    """
    if ceremony.state is not CeremonyState.CONFIRMED:
        raise _out_of_turn(ceremony)
    active = replace(
        device,
        state=DeviceState.ACTIVE,
        slot=ceremony.slot,
        enrolled=now,
        user_public=user_public,
        newcomer_until=now + policy.newcomer * 1000 if others else 0,
    )
    return replace(ceremony, state=CeremonyState.DONE), active


def code_in_force(ceremony: Ceremony, now: Millis, policy: BackendPolicy) -> bool:
    """Whether a code can be tried: not too old, and not tried too often."""
    fresh = now <= ceremony.code_made + policy.code_lifetime * 1000
    return ceremony.code > 0 and fresh and ceremony.code_wrong < policy.code_tries


def resend_at(ceremony: Ceremony, policy: BackendPolicy) -> Millis:
    """When the code may be sent again."""
    return ceremony.code_sent + policy.resend_after * 1000


def _new_code(ceremony: Ceremony, now: Millis, policy: BackendPolicy) -> Ceremony:
    if ceremony.code >= policy.codes:
        raise Problem(ServiceCode.CODES_USED_UP, f"{policy.codes} SMS codes a ceremony")
    return replace(
        ceremony,
        state=CeremonyState.NAMED,
        code=ceremony.code + 1,
        code_made=now,
        code_sent=now,
        code_wrong=0,
    )


def _out_of_turn(ceremony: Ceremony) -> Problem:
    return Problem(ServiceCode.OUT_OF_TURN, f"the enrolment is {ceremony.state}")
