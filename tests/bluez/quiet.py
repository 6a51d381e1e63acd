"""Imports bless past the one warning that it gives.

On Python 3.13 and later dbus-next, its D-Bus library, uses `typing.no_type_check_decorator`,
which is deprecated, for every property that bless declares.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'typing.no_type_check_decorator'", DeprecationWarning)
    from nearproof.ble.bluez.peripheral import BluezPeripheral

__all__ = ["BluezPeripheral"]
