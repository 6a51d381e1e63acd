"""What surrounds a copy on the desktop: who sees the screen, notices, the fingerprint reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nearproof.daemon.desktop.errors import (
    FingerprintError,
    FingerprintReason,
    NotifierError,
    NotifierReason,
    ScreenReason,
)
from nearproof.daemon.desktop.fingerprint import find_reader
from nearproof.daemon.desktop.notify import find_notifier
from nearproof.daemon.desktop.screen import Blind, Sight, look
from nearproof.daemon.doctor.checks import (
    LAPTOPS,
    Area,
    Check,
    Result,
    Role,
    Target,
    fail,
    ok,
    skipped,
    warn,
)
from nearproof.daemon.outcomes.kinds import Exit


async def gather_screen(_target: Target) -> Sight:
    """Look at PipeWire, and at what carries this terminal."""
    return await look()


def sharing(sight: Sight) -> Result:
    """Nobody takes pictures of the screen that will show the QR code."""
    if takers := _exposed(sight, ScreenReason.SCREEN_SHARED):
        return fail(
            "the screen is shared ({takers}): stop that before the QR code is shown",
            "wpctl status",
            takers=takers,
        )
    if Blind.NO_PIPEWIRE in sight.blind:
        return warn(
            "whether the screen is shared cannot be told: pw-dump is missing, or PipeWire is off",
            "sudo apt-get install pipewire-bin",
        )
    if Blind.X11 in sight.blind:
        return skipped("on X11 nobody can tell whether the screen is shared: see to it yourself")
    return ok("no share of the screen was found")


def ssh(sight: Sight) -> Result:
    """The terminal is on this laptop's own screen."""
    if carrier := _exposed(sight, ScreenReason.SCREEN_REMOTE):
        return fail(
            "this terminal shows on another machine ({carrier}): use one on the laptop itself",
            "nearproof old copy",
            carrier=carrier,
        )
    return ok("this terminal is the laptop's own")


def _exposed(sight: Sight, reason: ScreenReason) -> str:
    return "; ".join(each.detail for each in sight.exposures if each.reason is reason)


@dataclass(frozen=True, slots=True)
class NotifierFacts:
    """Who shows notices, and whether with buttons; or why nobody does."""

    name: str = ""
    buttons: bool = False
    reason: NotifierReason | None = None
    detail: str = ""


async def gather_notifier(_target: Target) -> NotifierFacts:
    """Ask the session bus, which may start the notifier."""
    try:
        server = await find_notifier()
    except NotifierError as error:
        return NotifierFacts(reason=error.reason, detail=error.detail)
    return NotifierFacts(server.name, "actions" in server.capabilities)


def notifier(facts: NotifierFacts) -> Result:
    """Somebody tells when the wait is over, and of a copy that nobody here has ordered."""
    match facts.reason:
        case None if facts.buttons:
            return ok("{name} shows notices", name=facts.name)
        case None:
            return ok(
                "{name} shows notices, without buttons: they say what to type", name=facts.name
            )
        case NotifierReason.NO_SESSION_BUS:
            return warn(
                "notices cannot be shown: this session has no D-Bus ({detail})",
                "sudo apt-get install dbus-user-session",
                detail=facts.detail,
            )
        case _:
            return warn(
                "nobody shows notices on this desktop ({detail})",
                "sudo apt-get install dunst",
                detail=facts.detail,
            )


@dataclass(frozen=True, slots=True)
class FingerprintFacts:
    """The reader that knows this user's finger, or why there is none."""

    name: str = ""
    reason: FingerprintReason | None = None
    detail: str = ""


async def gather_fingerprint(_target: Target) -> FingerprintFacts:
    """Ask fprintd; the reader is neither claimed nor lit."""
    try:
        reader = await find_reader()
    except FingerprintError as error:
        return FingerprintFacts(reason=error.reason, detail=error.detail)
    return FingerprintFacts(reader.name)


def reader(facts: FingerprintFacts) -> Result:
    """A finger may stand for the PIN where the source page lets it; nobody needs one."""
    match facts.reason:
        case None:
            return ok("{name} knows a finger", name=facts.name)
        case FingerprintReason.NO_FPRINTD | FingerprintReason.NO_READER:
            return skipped("no fingerprint reader; the PIN is enough")
        case FingerprintReason.NOT_AT_SEAT:
            return skipped("the fingerprint reader serves only who sits at this laptop")
        case FingerprintReason.NO_FINGER:
            return warn("the fingerprint reader knows no finger of this user", "fprintd-enroll")
        case _:
            return warn(
                "the fingerprint reader does not answer ({detail})",
                "sudo systemctl restart fprintd",
                detail=facts.detail or facts.reason,
            )


_OLD: Final = frozenset({Role.OLD})

SCREEN: Final = Area(
    gather_screen,
    (
        Check("screen.sharing", _OLD, Exit.TRY_AGAIN, sharing),
        Check("screen.ssh", _OLD, Exit.TRY_AGAIN, ssh),
    ),
)

NOTIFIER: Final = Area(
    gather_notifier,
    (Check("desktop.notifier", LAPTOPS, Exit.TRY_AGAIN, notifier),),
)

FINGERPRINT: Final = Area(
    gather_fingerprint,
    (Check("fingerprint.reader", LAPTOPS, Exit.TRY_AGAIN, reader),),
)
