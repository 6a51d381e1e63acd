"""What can go wrong with a radio, each with a reason that a person can act on."""

from __future__ import annotations

from enum import StrEnum


class BluetoothReason(StrEnum):
    """Why Bluetooth could not be used or a link failed."""

    NO_DBUS = "no_dbus"
    NO_BLUEZ = "no_bluez"
    NO_ADAPTER = "no_adapter"
    POWERED_OFF = "powered_off"
    BLOCKED = "blocked"
    NO_PERMISSION = "no_permission"
    NO_PERIPHERAL_ROLE = "no_peripheral_role"
    ADVERT_REFUSED = "advert_refused"
    SESSION_BUSY = "session_busy"
    CONNECT_FAILED = "connect_failed"
    NOT_OUR_SERVICE = "not_our_service"
    LINK_LOST = "link_lost"
    STACK_LOST = "stack_lost"
    TRANSPORT = "transport"


class BluetoothError(Exception):
    """A radio, its stack or a link failed.

    `reason` is for programs, the text for people and logs; neither holds a secret.
    """

    def __init__(self, reason: BluetoothReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


class AttError(Exception):
    """An ATT error response to a write (Core Spec Vol 3 Part F 3.4.1.1).

    Raised by the peripheral's application to refuse a write, and by a central's
    `Link.write` when the peer refused one.  0x80-0x9f are the application's own.
    """

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"ATT error 0x{code:02x}")


class FrameError(Exception):
    """A frame that cannot belong to the message being received (PXP1, Frame).

    The receiver drops its partial message.  OLD answers the write with ATT error 0x81,
    NEW reconnects.
    """
