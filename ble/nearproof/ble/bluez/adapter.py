"""Is the machine's Bluetooth fit for a session, and if not, why.

The checks run in the order in which a person would fix what they find; each later one only
makes sense once those before it hold.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from dbus_fast import Variant

from nearproof.ble.bluez import systembus
from nearproof.ble.bluez.names import (
    ADAPTER,
    ADVERT_MANAGER,
    BLUEZ,
    GATT_MANAGER,
    OBJECT_MANAGER,
    PROPERTIES,
    adapter_path,
)
from nearproof.ble.bluez.signals import plain
from nearproof.ble.errors import BluetoothError, BluetoothReason

RFKILL: Final = Path("/sys/class/rfkill")


class Role(StrEnum):
    """What the adapter is wanted for; the values are those of `Adapter1.Roles`."""

    CENTRAL = "central"
    PERIPHERAL = "peripheral"


@dataclass(frozen=True, slots=True)
class AdapterFacts:
    """The adapter as found: its D-Bus object, the radio's address, and what is set."""

    path: str
    address: str
    discoverable: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `ok`, or else `reason` is what stands in the way.  `detail` is for people."""

    reason: BluetoothReason
    ok: bool
    detail: str


async def preflight(adapter: str, role: Role, *, rfkill: Path = RFKILL) -> AdapterFacts:
    """Check everything that a session needs of `adapter` ("hci0") and return what it is.

    Changes nothing; in particular it does not power the adapter on (see `power_on`).
    Raises `BluetoothError` for the first check that fails: NO_DBUS, NO_PERMISSION, NO_BLUEZ,
    NO_ADAPTER, BLOCKED, POWERED_OFF or NO_PERIPHERAL_ROLE.
    """
    return await _check(adapter, role, rfkill, passed=[])


async def examine(adapter: str, role: Role, *, rfkill: Path = RFKILL) -> list[Finding]:
    """The same checks as a list to print: those that passed and the first that did not."""
    findings: list[Finding] = []
    try:
        await _check(adapter, role, rfkill, passed=findings)
    except BluetoothError as error:
        findings.append(Finding(error.reason, ok=False, detail=error.detail))
    return findings


async def power_on(adapter: str) -> None:
    """Switch the adapter on, as the person asked; returns when it is.

    Raises `BluetoothError`: BLOCKED by rfkill, NO_PERMISSION, or as `preflight`.
    """
    async with systembus.connected() as bus:
        await systembus.call(
            bus,
            adapter_path(adapter),
            PROPERTIES,
            "Set",
            "ssv",
            ADAPTER,
            "Powered",
            Variant("b", True),
        )


async def bluez_version() -> str | None:
    """The version of BlueZ ("5.66"), or None if bluetoothctl is missing.

    D-Bus does not tell; bluetoothctl comes from the same package as bluetoothd.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            "bluetoothctl",
            "--version",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    output, _ = await process.communicate()
    found = re.search(rb"\d+\.\d+", output)
    return found.group().decode() if found else None


async def _check(adapter: str, role: Role, rfkill: Path, passed: list[Finding]) -> AdapterFacts:
    def ok(reason: BluetoothReason, detail: str) -> None:
        passed.append(Finding(reason, ok=True, detail=detail))

    async with systembus.connected() as bus:
        ok(BluetoothReason.NO_DBUS, "the system bus is there")
        try:
            (objects,) = await systembus.call(bus, "/", OBJECT_MANAGER, "GetManagedObjects")
        except BluetoothError as error:
            if error.reason is BluetoothReason.NO_PERMISSION:
                raise
            raise BluetoothError(BluetoothReason.NO_BLUEZ, f"{BLUEZ}: no answer") from error
    ok(BluetoothReason.NO_BLUEZ, "bluetoothd answers")
    ok(BluetoothReason.NO_PERMISSION, "and lets us ask")

    interfaces = _adapter(objects, adapter, rfkill)
    properties = plain(interfaces[ADAPTER])
    facts = AdapterFacts(
        path=adapter_path(adapter),
        address=properties["Address"],
        discoverable=properties.get("Discoverable", False),
    )
    ok(BluetoothReason.NO_ADAPTER, f"{adapter} is {facts.address}")
    _require_power(adapter, properties, rfkill)
    ok(BluetoothReason.BLOCKED, f"{adapter} is not blocked")
    ok(BluetoothReason.POWERED_OFF, f"{adapter} is on")
    _require_role(adapter, role, interfaces)
    ok(BluetoothReason.NO_PERIPHERAL_ROLE, f"{adapter} can be a {role}")
    return facts


def _adapter(objects: Mapping[str, Any], adapter: str, rfkill: Path) -> Mapping[str, Any]:
    """The interfaces of the adapter's object, found by its exact name: hci1 is not hci10."""
    interfaces: Mapping[str, Any] = objects.get(adapter_path(adapter), {})
    if ADAPTER in interfaces:
        return interfaces
    # On many laptops the switch cuts the radio off the USB bus, so that no adapter is left.
    _require_unblocked(rfkill)
    present = sorted(path.rpartition("/")[2] for path, has in objects.items() if ADAPTER in has)
    raise BluetoothError(
        BluetoothReason.NO_ADAPTER,
        f"{adapter}: there is only: {', '.join(present)}" if present else "no Bluetooth adapter",
    )


def _require_power(adapter: str, properties: Mapping[str, Any], rfkill: Path) -> None:
    if properties["Powered"]:
        return
    _require_unblocked(rfkill, adapter)
    if properties.get("PowerState") == "off-blocked":  # newer versions of BlueZ say it themselves
        raise BluetoothError(BluetoothReason.BLOCKED, f"{adapter}: off by rfkill")
    raise BluetoothError(BluetoothReason.POWERED_OFF, f"{adapter}: switched off")


def _require_role(adapter: str, role: Role, interfaces: Mapping[str, Any]) -> None:
    can = role in plain(interfaces[ADAPTER]).get("Roles", ())
    if role is Role.CENTRAL:
        if not can:
            raise BluetoothError(BluetoothReason.NO_ADAPTER, f"{adapter}: no Bluetooth LE")
    elif not (can and GATT_MANAGER in interfaces and ADVERT_MANAGER in interfaces):
        raise BluetoothError(
            BluetoothReason.NO_PERIPHERAL_ROLE, f"{adapter}: cannot advertise and serve"
        )


def _require_unblocked(switches: Path, adapter: str | None = None) -> None:
    """Raise `BluetoothError` (BLOCKED) if a switch holds Bluetooth down.

    Reads the kernel's rfkill class (Documentation/ABI/stable/sysfs-class-rfkill).  Other
    adapters' own switches do not count; a platform's switch (named by its driver) does.
    """
    for switch in sorted(switches.glob("rfkill*")):
        try:
            kind, name, soft, hard = (
                (switch / entry).read_text().strip() for entry in ("type", "name", "soft", "hard")
            )
        except OSError:  # unplugged while we looked
            continue
        if kind != "bluetooth" or (adapter and name.startswith("hci") and name != adapter):
            continue
        if hard == "1":
            raise BluetoothError(
                BluetoothReason.BLOCKED, f"{name}: off by a hardware switch or key"
            )
        if soft == "1":
            raise BluetoothError(BluetoothReason.BLOCKED, f"{name}: off by rfkill")
