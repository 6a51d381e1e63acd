"""Bumble as the radio: over an emulated air, or over any HCI controller without BlueZ.

`peripheral.VirtualPeripheral` and `central.VirtualCentral` are the two ports;
`process.air_process` starts the air they meet in.  Only modules in here import bumble, which
takes a third of a second: import them when a virtual radio is really wanted.
"""

from __future__ import annotations

import logging

# Bumble warns here, often with a traceback, of whatever a stranger sends, so that any peer
# could fill the log.  What matters comes back as an error; to see all, set another level
# after this import.
for _part in "controller", "gatt_client", "gatt_server", "hci", "host":
    logging.getLogger(f"bumble.{_part}").setLevel(logging.CRITICAL)
