"""Which radio: `bluez[:ADAPTER]`, `air:ADDRESS` (emulated), or `hci:TRANSPORT` (Bumble's names).

Each driver is imported only when it is asked for.
"""

from __future__ import annotations

from nearproof.ble.ports import Central, Peripheral


class UnknownRadio(ValueError):
    """A `--radio` that names none of the kinds above."""


def open_peripheral(spec: str) -> Peripheral:
    """OLD's radio.  Raises `UnknownRadio`."""
    kind, _, rest = spec.partition(":")
    match kind:
        case "bluez":
            from nearproof.ble.bluez.peripheral import BluezPeripheral

            return BluezPeripheral(rest or "hci0")
        case "air" | "hci" if rest:
            from nearproof.ble.virtual.peripheral import VirtualPeripheral

            return VirtualPeripheral(spec if kind == "air" else rest)
    raise UnknownRadio(spec)


def open_central(spec: str) -> Central:
    """NEW's radio.  Raises `UnknownRadio`."""
    kind, _, rest = spec.partition(":")
    match kind:
        case "bluez":
            from nearproof.ble.bluez.central import BluezCentral

            return BluezCentral(rest or "hci0")
        case "air" | "hci" if rest:
            from nearproof.ble.virtual.central import VirtualCentral

            return VirtualCentral(spec if kind == "air" else rest)
    raise UnknownRadio(spec)


def is_bluez(spec: str) -> bool:
    """Whether the radio is this machine's own, by BlueZ.  Raises `UnknownRadio`."""
    kind, _, rest = spec.partition(":")
    if kind == "bluez" or (kind in ("air", "hci") and rest):
        return kind == "bluez"
    raise UnknownRadio(spec)
