"""`nearproof verify`: the verifier of the core, in front of a person."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nearproof.crypto.proof import MAX_BUNDLE
from nearproof.crypto.verifier import VerifiedBundle, verify_bundle
from nearproof.daemon.laptop import Laptop
from nearproof.daemon.locale import Language, filled, marked

NOT_CLAIMED = marked(
    "It does not say how far apart they were, nor that no box or relay stood between them."
)


def verify_file(laptop: Laptop, file: Path, *, issuer: bytes, at: int | None) -> None:
    """Print what the bundle in `file` says, under this issuer key (32 bytes).

    Raises `VerificationError` where it does not hold, `OSError` where it cannot be read.
    """
    with file.open("rb") as opened:
        content = opened.read(MAX_BUNDLE + 1)  # one more than allowed is refused for its size
    verified = verify_bundle(content, issuer, at=at)
    facts = _facts(verified)
    laptop.console.tell("proof_holds", **facts)
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        said = _readable(name, value, laptop.console.language)
        laptop.console.show(f"  {name:<{width}}  {said}")
    laptop.console.show(f"\n{filled(NOT_CLAIMED, laptop.console.language)}")
    if at is None:
        laptop.console.tell("expiry_not_judged")


def _facts(verified: VerifiedBundle) -> dict[str, Any]:
    return {
        "issuer": verified.grant.iss,
        "txn": verified.txn.hex(),
        "old_device": verified.old_kid.hex(),
        "new_device": verified.new_kid.hex(),
        "qr_shown_at": verified.qr_iat,
        "proved_at": verified.iat,
        "grant_valid_from": verified.grant.nbf,
        "grant_valid_to": verified.grant.exp,
        "code_typed": verified.code == 1,
        "method": verified.method,
        "rounds": verified.rtt.n,
        "rtt_median_us": verified.rtt.median_us,
        "rtt_min_us": verified.rtt.min_us,
        "advert_rssi_dbm": verified.rssi,
        "handshake": verified.h.hex(),
        "expiry_judged": verified.expiry_judged,
    }


def _readable(name: str, value: Any, language: Language) -> str:
    match value:
        case None:
            return filled(marked("not measured"), language)
        case bool():
            return filled(marked("yes") if value else marked("no"), language)
        case int() if name.endswith(("_at", "_from", "_to")):
            return f"{value} ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC)"
        case _:
            return str(value)
