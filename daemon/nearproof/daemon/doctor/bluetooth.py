"""Bluetooth by BlueZ: from the bus up to the pace of the adverts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nearproof.ble.bluez import adapter as bluez
from nearproof.ble.bluez import systembus
from nearproof.ble.bluez.names import ADVERT_MANAGER, OBJECT_MANAGER, adapter_path
from nearproof.ble.errors import BluetoothError, BluetoothReason
from nearproof.daemon.doctor import main_conf, versions
from nearproof.daemon.doctor.checks import (
    LAPTOPS,
    NOT_YET,
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
from nearproof.daemon.doctor.versions import Version, dotted
from nearproof.daemon.outcomes.kinds import Exit
from nearproof.daemon.radio import UnknownRadio

OLDEST_TRIED: Final = (5, 66)
"""The oldest BlueZ that nearproof was ever run with."""

REFUSING_KERNELS: Final = frozenset({(6, 12, 93), (6, 18, 34)})
"""Kernels seen to refuse every advert of bluetoothd: with "MGMT: validate Add Extended
Advertising Data length", and still without "MGMT: Fix backward compatibility with userspace".
Other stable kernels of those weeks may do it too (bluez/bluez#2268, #2269)."""

UNREFUSED: Final = (5, 87)
"""The first BlueZ that they do not refuse: "advertising: Fix sending extra bytes"."""

WANTED_INTERVAL: Final = 100.0  # milliseconds
INTERVALS_TO_A_LINK: Final = 2.5  # mean number of adverts until a connection stands

_FASTER: Final = (
    r"printf '\n[LE]\nMinAdvertisementInterval=160\nMaxAdvertisementInterval=160\n' "
    f"| sudo tee -a {main_conf.PATH} && sudo systemctl restart bluetooth"
)
_UPDATE: Final = "sudo apt-get update && sudo apt-get full-upgrade"


@dataclass(frozen=True, slots=True)
class BluetoothFacts:
    """What was found out about the radio.

    `findings` are those of the adapter's preflight, up to the first failure; empty where the
    radio is not BlueZ's.  `own_interval` tells whether bluetoothd lets an advert choose its
    interval, `default_interval` (milliseconds) is that of an advert that may not; None where
    there is no adapter to ask, or no file to read.
    """

    radio: str
    findings: Sequence[bluez.Finding] = ()
    own_interval: bool | None = None
    default_interval: float | None = None
    bluez: Version | None = None
    kernel: Version | None = None


async def gather(target: Target) -> BluetoothFacts:
    """Ask the bus, BlueZ, the kernel and main.conf.  Raises `UnknownRadio`."""
    radio = target.settings.radio
    kind, _, rest = radio.partition(":")
    if kind in ("air", "hci"):
        return BluetoothFacts(radio)
    if kind != "bluez":
        raise UnknownRadio(radio)
    adapter = rest or "hci0"
    wanted = bluez.Role.PERIPHERAL if target.role is Role.OLD else bluez.Role.CENTRAL
    findings, own_interval, version = await asyncio.gather(
        bluez.examine(adapter, wanted), _own_interval(adapter), bluez.bluez_version()
    )
    system = os.uname()
    return BluetoothFacts(
        radio=radio,
        findings=findings,
        own_interval=own_interval,
        default_interval=_default_interval(),
        bluez=versions.parse(version or ""),
        kernel=versions.kernel(system.release, system.version),
    )


async def _own_interval(adapter: str) -> bool | None:
    """Whether bluetoothd heeds an advert's MinInterval and MaxInterval.

    One commit of BlueZ 5.77 ("advertising: Promote experimental properties to stable") freed
    these and SupportedFeatures; before it all three came with `Experimental = true` alone.
    """
    try:
        async with systembus.connected() as bus:
            (objects,) = await systembus.call(bus, "/", OBJECT_MANAGER, "GetManagedObjects")
    except BluetoothError:
        return None  # the findings say why
    manager = objects.get(adapter_path(adapter), {}).get(ADVERT_MANAGER)
    return None if manager is None else "SupportedFeatures" in manager


def _default_interval() -> float | None:
    try:
        return main_conf.advertising_interval(main_conf.PATH.read_text(errors="replace"))
    except FileNotFoundError:
        return main_conf.advertising_interval("")
    except OSError:
        return None


def _judged(
    facts: BluetoothFacts, reason: BluetoothReason, good: Result, bad: Callable[[str], Result]
) -> Result:
    """What the preflight says about `reason`, whose last word counts; `bad` gets the detail."""
    finding = next((each for each in reversed(facts.findings) if each.reason is reason), None)
    if finding is None:
        return NOT_YET if facts.findings else _not_bluez(facts)
    return good if finding.ok else bad(finding.detail)


def _not_bluez(facts: BluetoothFacts) -> Result:
    return skipped("the radio is {radio}, not BlueZ's", radio=facts.radio)


def dbus(facts: BluetoothFacts) -> Result:
    """The system bus is there."""
    return _judged(
        facts,
        BluetoothReason.NO_DBUS,
        ok("the system bus answers"),
        lambda detail: fail(
            "the system bus does not answer ({detail})", "sudo systemctl start dbus", detail=detail
        ),
    )


def service(facts: BluetoothFacts) -> Result:
    """Bluetoothd runs."""
    return _judged(
        facts,
        BluetoothReason.NO_BLUEZ,
        ok("bluetoothd is running"),
        lambda _: (
            fail("bluetoothd is not running", "sudo systemctl enable --now bluetooth")
            if facts.bluez
            else fail("BlueZ is not installed", "sudo apt-get install bluez")
        ),
    )


def dbus_rights(facts: BluetoothFacts) -> Result:
    """This user may talk to BlueZ."""
    return _judged(
        facts,
        BluetoothReason.NO_PERMISSION,
        ok("this user may use Bluetooth"),
        lambda detail: fail(
            "this user may not use Bluetooth ({detail}); log in again after the fix",
            'sudo usermod -aG bluetooth "$USER"',
            detail=detail,
        ),
    )


def adapter(facts: BluetoothFacts) -> Result:
    """The adapter chosen is there and has LE."""
    return _judged(
        facts,
        BluetoothReason.NO_ADAPTER,
        ok("{radio} is there", radio=facts.radio),
        lambda detail: fail(
            "no usable adapter ({detail}); plug one in, or choose another with --radio",
            "bluetoothctl list",
            detail=detail,
        ),
    )


def rfkill(facts: BluetoothFacts) -> Result:
    """Nothing blocks the radio."""
    return _judged(
        facts,
        BluetoothReason.BLOCKED,
        ok("nothing blocks Bluetooth"),
        lambda detail: fail(
            "Bluetooth is blocked ({detail}); a switch or key has to be moved by hand",
            "rfkill unblock bluetooth",
            detail=detail,
        ),
    )


def powered(facts: BluetoothFacts) -> Result:
    """The adapter is on."""
    return _judged(
        facts,
        BluetoothReason.POWERED_OFF,
        ok("Bluetooth is switched on"),
        lambda _: fail("Bluetooth is switched off", "bluetoothctl power on"),
    )


def peripheral_role(facts: BluetoothFacts) -> Result:
    """The adapter can advertise and serve."""
    return _judged(
        facts,
        BluetoothReason.NO_PERIPHERAL_ROLE,
        ok("the adapter can advertise and serve"),
        lambda detail: fail(
            "the adapter cannot be a peripheral ({detail}); try another one",
            "nearproof doctor old --radio bluez:hci1",
            detail=detail,
        ),
    )


def bluez_version(facts: BluetoothFacts) -> Result:
    """BlueZ is one of those that were tried."""
    if not facts.findings:
        return _not_bluez(facts)
    if facts.bluez is None:
        return warn(
            "the version of BlueZ cannot be told: bluetoothctl is missing",
            "sudo apt-get install bluez",
        )
    version = dotted(facts.bluez)
    if facts.bluez < OLDEST_TRIED:
        oldest = dotted(OLDEST_TRIED)
        return warn(
            "BlueZ {version}: nothing older than {oldest} was tried",
            _UPDATE,
            version=version,
            oldest=oldest,
        )
    if facts.bluez == (5, 87):
        return ok("BlueZ 5.87 (it crashes on scans for one UUID; nearproof makes none)")
    return ok("BlueZ {version}", version=version)


def kernel_version(facts: BluetoothFacts) -> Result:
    """The kernel takes BlueZ's adverts."""
    if not facts.findings:
        return _not_bluez(facts)
    if facts.kernel is None:
        return skipped("the kernel's version cannot be told")
    version, unrefused = dotted(facts.kernel), dotted(UNREFUSED)
    if facts.kernel in REFUSING_KERNELS and (facts.bluez or (0,)) < UNREFUSED:
        return warn(
            "kernel {version} was seen to refuse every advert of BlueZ before {unrefused}",
            _UPDATE,
            version=version,
            unrefused=unrefused,
        )
    return ok("kernel {version}", version=version)


def advert_interval(facts: BluetoothFacts) -> Result:
    """Adverts come often enough for a quick link."""
    if not facts.findings:
        return _not_bluez(facts)
    if facts.own_interval is None:
        return NOT_YET
    if facts.own_interval:
        return ok("adverts every 100 ms")
    if facts.default_interval is None:
        return skipped("{file} cannot be read", file=main_conf.PATH)
    interval = facts.default_interval
    if interval <= WANTED_INTERVAL:
        return ok("adverts every {interval} ms, by main.conf", interval=round(interval))
    seconds = INTERVALS_TO_A_LINK * interval / 1000
    wanted = INTERVALS_TO_A_LINK * WANTED_INTERVAL / 1000
    return warn(
        "this bluetoothd advertises every {interval} ms: about {slow} s to a link instead "
        "of {quick} s. BlueZ 5.77 does better, or an older one with 160 (100 ms) in "
        "{file}, or with Experimental = true there",
        _FASTER,
        interval=round(interval),
        slow=round(seconds, 1),
        quick=round(wanted, 2),
        file=main_conf.PATH,
    )


_OLD: Final = frozenset({Role.OLD})

BLUETOOTH: Final = Area(
    gather,
    (
        Check("bt.dbus", LAPTOPS, Exit.BLUETOOTH, dbus),
        Check("bt.service", LAPTOPS, Exit.BLUETOOTH, service),
        Check("bt.dbus_rights", LAPTOPS, Exit.PERMISSION, dbus_rights),
        Check("bt.adapter", LAPTOPS, Exit.BLUETOOTH, adapter),
        Check("bt.rfkill", LAPTOPS, Exit.BLUETOOTH, rfkill),
        Check("bt.powered", LAPTOPS, Exit.BLUETOOTH, powered),
        Check("bt.peripheral_role", _OLD, Exit.BLUETOOTH, peripheral_role),
        Check("bt.bluez_version", LAPTOPS, Exit.BLUETOOTH, bluez_version),
        Check("bt.kernel_version", _OLD, Exit.BLUETOOTH, kernel_version),
        Check("bt.advert_interval", _OLD, Exit.BLUETOOTH, advert_interval),
    ),
)
