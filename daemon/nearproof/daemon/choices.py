"""What the owner of a laptop allows on it: steps 24 and 25, and whenever they think again."""

from __future__ import annotations

from msgspec import structs

from nearproof.config.home import Device
from nearproof.daemon.console import InputNeeded
from nearproof.daemon.laptop import Laptop
from nearproof.daemon.person import YES, finger_known, has_reader


async def ask(laptop: Laptop, device: Device) -> Device:
    """Steps 24-25: fingerprint and notifications, each as the person wants it.

    Where nobody can be asked, or the answer is an empty line, it stays as it is in `device`.
    """
    fingerprint = device.fingerprint
    if not await has_reader():
        laptop.console.tell("no_reader", "24")
    elif not await _wants(laptop, "fingerprint", "24", device.fingerprint):
        fingerprint = False
    elif not fingerprint:
        fingerprint = await finger_known(laptop, "24")
    laptop.console.tell("fingerprint_chosen", "24", chosen=fingerprint)
    notifications = await _wants(laptop, "notifications", "25", device.notifications)
    laptop.console.tell("notifications_chosen", "25", chosen=notifications)
    return structs.replace(device, fingerprint=fingerprint, notifications=notifications)


async def choose(
    laptop: Laptop, *, fingerprint: bool | None = None, notifications: bool | None = None
) -> None:
    """Choose anew what is given; where nothing is, say what holds, and ask.

    Raises `NotEnrolled`, `HomeBusy`, and `FingerprintError` for a fingerprint that the reader
    does not confirm.
    """
    with laptop.home.locked():
        device = laptop.device()
        if fingerprint is None and notifications is None:
            _tell(laptop, device)
            chosen = await ask(laptop, device)
            if chosen == device:
                return
        else:
            if fingerprint and not device.fingerprint:
                await _confirm(laptop)
            given = {"fingerprint": fingerprint, "notifications": notifications}
            chosen = structs.replace(
                device, **{name: yes for name, yes in given.items() if yes is not None}
            )
        laptop.home.save_device(chosen)
    _tell(laptop, chosen)


def _tell(laptop: Laptop, device: Device) -> None:
    tell = laptop.console.tell
    tell("fingerprint_on" if device.fingerprint else "fingerprint_off")
    tell("notifications_on" if device.notifications else "notifications_off")


async def _wants(laptop: Laptop, what: str, step: str, otherwise: bool) -> bool:
    try:
        answer = await laptop.console.ask(what, step)
    except InputNeeded:
        return otherwise
    return answer.casefold() in YES if answer else otherwise


async def _confirm(laptop: Laptop) -> None:
    from nearproof.daemon.desktop.errors import FingerprintError, FingerprintReason
    from nearproof.daemon.desktop.fingerprint import verify

    if not await verify(lambda hint: laptop.console.tell(f"finger_{hint}", "24")):
        raise FingerprintError(FingerprintReason.NO_MATCH)
    laptop.console.tell("finger_known", "24")
