"""The advertising interval that /etc/bluetooth/main.conf asks for.

A GKeyFile: groups of one name are merged, the last of two equal keys counts, keys are
case-sensitive, a comment has a line of its own (glib/gkeyfile.c).
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Final

PATH: Final = Path("/etc/bluetooth/main.conf")

_UNIT: Final = 0.625  # milliseconds (Core Spec Vol 4 Part E 7.8.5)
_KERNEL_DEFAULT: Final = 0x0800  # units: le_adv_min_interval, le_adv_max_interval (hci_core.c)
_SMALLEST, _LARGEST = 0x0020, 0x4000  # units; bluetoothd clamps to them (bluez/src/main.c)
_KEYS: Final = ("MinAdvertisementInterval", "MaxAdvertisementInterval")


def advertising_interval(text: str) -> float:
    """The longest time between two adverts that bring no interval of their own, milliseconds.

    What bluetoothd does not understand it leaves at the kernel's default; so does this.
    """
    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#", strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        # An indented line goes on with the one before for configparser, but not for GKeyFile.
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except configparser.Error:
        return _KERNEL_DEFAULT * _UNIT
    return max(_units(parser.get("LE", key, fallback="")) for key in _KEYS) * _UNIT


def _units(value: str) -> int:
    if not re.fullmatch(r"0[xX][0-9a-fA-F]+|[0-9]|[1-9][0-9]+", value, re.ASCII):
        return _KERNEL_DEFAULT
    return min(max(int(value, 0), _SMALLEST), _LARGEST)
