"""One session at a time for each radio of a machine."""

from __future__ import annotations

import errno
import socket

from nearproof.ble.errors import BluetoothError, BluetoothReason


class SessionLock:
    """Held from construction to `release`, or until the process dies, however it dies.

    A name in the kernel's abstract socket namespace (unix(7)): it holds across users, needs
    no directory, and leaves no stale file after a kill -9.  It is keyed by the radio's
    address and not by "hci0", a name that moves when adapters are plugged in.

    Raises `BluetoothError` (SESSION_BUSY) if another session has the radio.
    """

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(f"\0nearproof.session.{address}")
        except OSError as error:
            self._socket.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise BluetoothError(
                BluetoothReason.SESSION_BUSY, f"another session is using it: {address}"
            ) from None

    def release(self) -> None:
        """Let the next session have the radio.  Idempotent."""
        self._socket.close()
