"""Limits of the attribute protocol (Core Spec Vol 3 Part F)."""

from __future__ import annotations

from typing import Final

# What an application may answer a write with (3.4.1.1); BlueZ passes on no other code
# (bluez/src/gatt-database.c, dbus_error_to_att_ecode).
APPLICATION_ERRORS: Final = range(0x80, 0xA0)


def longest_value(mtu: int) -> int:
    """How many bytes one write or notification holds on a link of this ATT_MTU.

    An attribute value has at most 512 (3.2.9), and BlueZ cuts it there without a word
    (bluez/src/gatt-database.c, property_changed_cb).
    """
    return min(mtu - 3, 512)
