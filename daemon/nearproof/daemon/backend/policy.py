"""The limits that an operator may choose, with safe defaults; times in seconds."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from nearproof.crypto.messages import MAX_ROUNDS
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.errors import PolicyRefused

SLOTS: Final = 3  # active or reserved laptops an account; the schema holds it too
FILE: Final = "policy.toml"  # in the data folder

_COUNTS: Final = {"grants", "names", "codes", "code_tries", "starts_a_day", "rounds"}
_MAY_BE_NONE: Final = {"wait", "rounds", "resend_after", "newcomer", "phone_settles", "pin_fresh"}
_YEAR: Final = 366 * 86_400
_MANY: Final = 1000


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
        for name, value in asdict(self).items():
            if not _fits(name, value):
                least, most = bounds(name)
                raise ValueError(f"{name} is a whole number from {least} to {most}")

    def public(self) -> wire.Policy:
        """What laptops may know of it."""
        inside = {"challenge_lifetime", "invite_lifetime"}
        shown = {name: value for name, value in asdict(self).items() if name not in inside}
        return wire.Policy(devices=SLOTS, **shown)


def bounds(name: str) -> tuple[int, int]:
    """The least and the most that the limit of this name may be."""
    most = MAX_ROUNDS if name == "rounds" else _MANY if name in _COUNTS else _YEAR
    return (0 if name in _MAY_BE_NONE else 1), most


def _fits(name: str, value: object) -> bool:
    least, most = bounds(name)
    return type(value) is int and least <= value <= most  # exactly: True is no number


def load_policy(path: Path) -> BackendPolicy:
    """Read a policy file: TOML, any of the limits by name; the defaults for the others.

    Raises `PolicyRefused` for one that says anything else, `OSError` where it cannot be read.
    """
    try:
        given = msgspec.toml.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PolicyRefused("{file}: {error}", file=path, error=error) from None
    known = asdict(BackendPolicy())
    for name, value in given.items():
        if near := difflib.get_close_matches(name, known, 1) if name not in known else None:
            raise PolicyRefused(
                "{file}: there is no limit “{name}”, perhaps you mean “{near}”",
                file=path,
                name=name,
                near=near[0],
            )
        if name not in known:
            raise PolicyRefused("{file}: there is no limit “{name}”", file=path, name=name)
        if not _fits(name, value):
            least, most = bounds(name)
            raise PolicyRefused(
                "{file}: {name} is a whole number from {least} to {most}",
                file=path,
                name=name,
                least=least,
                most=most,
            )
    return BackendPolicy(**given)


def policy_in(data_dir: Path, path: Path | None) -> BackendPolicy:
    """The policy of the file named, else of `policy.toml` in the data folder, else the defaults."""
    if path is None and not (data_dir / FILE).exists():
        return BackendPolicy()
    return load_policy(path or data_dir / FILE)
