"""The limits that an operator may choose, with safe defaults; times in seconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from nearproof.daemon.backend import wire

SLOTS = 3  # active or reserved laptops an account; the schema holds it too


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendPolicy:
    """Every limit of the ceremony.  Raises ValueError for one that makes no sense."""

    wait: int = 3600  # from the start of a ceremony to its first QR or SMS code
    lifetime: int = 86_400  # from the end of the wait to the ceremony's deadline
    enrolment: int = 1800  # from the bundle, or an invite's first code, to active
    grants: int = 3  # QR codes a ceremony, however each ended
    names: int = 3  # user IDs a ceremony
    codes: int = 3  # SMS codes a ceremony
    code_tries: int = 3  # wrong tries that void a code
    code_lifetime: int = 600
    resend_after: int = 30
    starts_a_day: int = 5  # by one laptop
    newcomer: int = 86_400  # a new laptop may not yet copy, revoke or cancel others
    phone_settles: int = 432_000  # 120 h: a changed number does not count before
    pin_fresh: int = 1800  # a grant needs no new PIN within this time of the last
    challenge_lifetime: int = 300
    rounds: int = 4  # round-trip rounds a grant allows
    invite_lifetime: int = 86_400

    def __post_init__(self) -> None:
        may_be_none = {"wait", "rounds", "resend_after", "newcomer", "phone_settles", "pin_fresh"}
        for name, value in asdict(self).items():
            if value < (0 if name in may_be_none else 1):
                raise ValueError(f"{name} cannot be negative, and most are at least 1")

    def public(self) -> wire.Policy:
        """What laptops may know of it."""
        inside = {"challenge_lifetime", "invite_lifetime"}
        shown = {name: value for name, value in asdict(self).items() if name not in inside}
        return wire.Policy(devices=SLOTS, **shown)
