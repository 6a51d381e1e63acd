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
            f"the screen is shared ({takers}): stop that before the QR code is shown",
            f"skærmen deles ({takers}): stop det, før QR-koden vises",
            "wpctl status",
        )
    if Blind.NO_PIPEWIRE in sight.blind:
        return warn(
            "whether the screen is shared cannot be told: pw-dump is missing, or PipeWire is off",
            "om skærmen deles, kan ikke ses: pw-dump mangler, eller PipeWire kører ikke",
            "sudo apt-get install pipewire-bin",
        )
    if Blind.X11 in sight.blind:
        return skipped(
            "on X11 nobody can tell whether the screen is shared: see to it yourself",
            "på X11 kan ingen se, om skærmen deles: sørg selv for, at den ikke gør",
        )
    return ok("no share of the screen was found", "der er ikke fundet nogen deling af skærmen")


def ssh(sight: Sight) -> Result:
    """The terminal is on this laptop's own screen."""
    if carrier := _exposed(sight, ScreenReason.SCREEN_REMOTE):
        return fail(
            f"this terminal shows on another machine ({carrier}): use one on the laptop itself",
            f"terminalen vises på en anden maskine ({carrier}): brug en på den bærbare selv",
            "nearproof old copy",
        )
    return ok("this terminal is the laptop's own", "terminalen er den bærbares egen")


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
            return ok(f"{facts.name} shows notices", f"{facts.name} viser beskeder")
        case None:
            return ok(
                f"{facts.name} shows notices, without buttons: they say what to type",
                f"{facts.name} viser beskeder, uden knapper: de siger, hvad der skal skrives",
            )
        case NotifierReason.NO_SESSION_BUS:
            return warn(
                f"notices cannot be shown: this session has no D-Bus ({facts.detail})",
                f"beskeder kan ikke vises: sessionen har ingen D-Bus ({facts.detail})",
                "sudo apt-get install dbus-user-session",
            )
        case _:
            return warn(
                f"nobody shows notices on this desktop ({facts.detail})",
                f"ingen viser beskeder på dette skrivebord ({facts.detail})",
                "sudo apt-get install dunst",
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
            return ok(f"{facts.name} knows a finger", f"{facts.name} kender en finger")
        case FingerprintReason.NO_FPRINTD | FingerprintReason.NO_READER:
            return skipped(
                "no fingerprint reader; the PIN is enough",
                "ingen fingeraftrykslæser; PIN-koden er nok",
            )
        case FingerprintReason.NOT_AT_SEAT:
            return skipped(
                "the fingerprint reader serves only who sits at this laptop",
                "fingeraftrykslæseren er kun for den, der sidder ved denne bærbare",
            )
        case FingerprintReason.NO_FINGER:
            return warn(
                "the fingerprint reader knows no finger of this user",
                "fingeraftrykslæseren kender ingen finger fra denne bruger",
                "fprintd-enroll",
            )
        case _:
            return warn(
                f"the fingerprint reader does not answer ({facts.reason}: {facts.detail})",
                f"fingeraftrykslæseren svarer ikke ({facts.reason}: {facts.detail})",
                "sudo systemctl restart fprintd",
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
