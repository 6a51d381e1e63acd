"""The backend as this laptop reaches it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from nearproof.config.files import FileDamaged
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.doctor.checks import (
    LAPTOPS,
    NOT_YET,
    Area,
    Check,
    Result,
    Target,
    fail,
    ok,
    warn,
)
from nearproof.daemon.doctor.clock import SYNCHRONIZE
from nearproof.daemon.join import Joined, JoinError
from nearproof.daemon.locale import marked
from nearproof.daemon.outcomes.kinds import Exit
from nearproof.daemon.provider import Provider, ProviderError, ProviderReason

TIMEOUT: Final = 3.0  # seconds a try: a person is looking on
TOLERANCE: Final = 60  # seconds between two clocks that nobody minds

_JOIN: Final = "nearproof join LINE"


@dataclass(frozen=True, slots=True)
class BackendFacts:
    """What the joined backend answered.

    `url` is None where none is joined, `damaged` says why what is stored cannot be used;
    `reason` and `detail` why there was no good answer, and `ahead` by how many seconds this
    laptop's wall clock is ahead of the backend's.
    """

    url: str | None
    damaged: str = ""
    reason: ProviderReason | None = None
    detail: str = ""
    ahead: float | None = None


async def gather(target: Target) -> BackendFacts:
    """Ask the backend for its info, which needs no enrolled key."""
    try:
        stored = target.home.backend()
        joined = Joined(stored.url, stored.certificate, stored.issuer) if stored else None
    except (FileDamaged, JoinError) as error:
        return BackendFacts(None, damaged=str(error))
    except OSError as error:
        return BackendFacts(None, damaged=error.strerror or str(error))
    if joined is None:
        return BackendFacts(None)
    facts = BackendFacts(joined.url)
    nobody = DeviceKey.generate(os.urandom)  # the info is asked for unsigned
    try:
        async with Provider(joined, nobody, timeout=TIMEOUT) as provider:
            info = await provider.info()
    except ProviderError as error:
        return replace(facts, reason=error.reason, detail=error.detail)
    return replace(facts, ahead=time.time() - info.now)


def joined(facts: BackendFacts) -> Result:
    """This laptop has joined a backend."""
    if facts.damaged:
        return fail(
            "what is stored of the backend cannot be used ({damaged})", _JOIN, damaged=facts.damaged
        )
    if facts.url is None:
        return fail("no backend joined yet; LINE is what `nearproof backend serve` printed", _JOIN)
    return ok("joined {url}", url=facts.url)


def reachable(facts: BackendFacts) -> Result:
    """The backend answers, and can work."""
    match facts.reason:
        case _ if facts.url is None:
            return NOT_YET
        case None | ProviderReason.WRONG_CERTIFICATE:
            return ok("the backend answers")
        case ProviderReason.UNREACHABLE:
            return fail(
                "no answer ({detail}): check the network, or start it on its machine",
                f"nearproof backend serve --listen 0.0.0.0:{urlsplit(facts.url).port}",
                detail=facts.detail,
            )
        case _:
            return fail(
                "the backend cannot be used now ({detail}); ask who runs it",
                "nearproof doctor backend",
                detail=facts.detail or facts.reason,
            )


def tls(facts: BackendFacts) -> Result:
    """What answers has the certificate that was joined."""
    match facts.reason:
        case _ if facts.url is None:
            return NOT_YET
        case ProviderReason.UNREACHABLE:
            return NOT_YET
        case ProviderReason.WRONG_CERTIFICATE:
            return fail(
                "another server answers there, or the backend was set up anew: ask who "
                "runs it for its line",
                _JOIN,
            )
        case _:
            return ok("the certificate is the joined one")


def wall(facts: BackendFacts) -> Result:
    """The laptop's wall clock is about the backend's."""
    if facts.ahead is None:
        return NOT_YET
    seconds = round(abs(facts.ahead))
    if seconds > TOLERANCE:
        said = (
            marked("this clock is {seconds} s ahead of the backend's, which counts")
            if facts.ahead > 0
            else marked("this clock is {seconds} s behind the backend's, which counts")
        )
        return warn(said, SYNCHRONIZE, seconds=seconds)
    return ok("the clock agrees with the backend's")


BACKEND: Final = Area(
    gather,
    (
        Check("backend.joined", LAPTOPS, Exit.BACKEND, joined),
        Check("backend.reachable", LAPTOPS, Exit.BACKEND, reachable),
        Check("backend.tls", LAPTOPS, Exit.BACKEND, tls),
        Check("clock.wall", LAPTOPS, Exit.BACKEND, wall),
    ),
)
