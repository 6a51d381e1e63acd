"""One laptop as its roles see it: its home, its person, its radio."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nearproof.config.home import Device, Home
from nearproof.config.settings import Settings
from nearproof.crypto.errors import EncodingError, LocalError
from nearproof.crypto.messages import check_label, tidy_label
from nearproof.daemon.backend.wire import CeremonyState
from nearproof.daemon.console import Front
from nearproof.daemon.join import Joined
from nearproof.daemon.locale import marked

_LABEL: Final = marked(
    "a label has 1 to 32 letters, digits, spaces, or - _ . and no space at either end"
)


ENDED: Final = {
    CeremonyState.CANCELLED: marked("cancelled"),
    CeremonyState.EXPIRED: marked("not finished in time"),
    CeremonyState.REFUSED: marked("too many wrong codes"),
}
"""How an enrolment ends that leads to no active laptop."""


class NotJoined(Exception):
    """This laptop has not joined a backend yet."""


class NotEnrolled(Exception):
    """This laptop has no activated authenticator to copy."""


class AlreadyEnrolled(Exception):
    """This laptop already has an activated authenticator."""


class EnrolmentDone(Exception):
    """This laptop is active at the backend, and has not finished its own side yet."""


class Declined(Exception):
    """The person does not want to copy."""


class Unready(StrEnum):
    """What a laptop lacks for its part."""

    BLUETOOTH = "bluetooth_not_ready"
    CAMERA = "camera_not_ready"
    PERMISSION = "not_permitted"

    @classmethod
    def named(cls, exit_name: str) -> Unready:
        """The one of this exit code, by its name; BLUETOOTH for any other."""
        return cls.__members__.get(exit_name, cls.BLUETOOTH)


class NotReady(Exception):
    """A check of this laptop failed, before anything was ordered or spent; `detail` is its id."""

    def __init__(self, reason: Unready, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class EnrolmentEnded(Exception):
    """The backend has ended this enrolment: `detail` is how, in words."""

    def __init__(self, state: CeremonyState) -> None:
        self.detail = ENDED[state]
        super().__init__(state)


@dataclass(frozen=True)
class Laptop:
    """What a role needs of the laptop that it runs on."""

    home: Home
    settings: Settings
    console: Front

    def backend(self) -> Joined:
        """The backend joined.  Raises `NotJoined`, `FileDamaged`, `JoinError`."""
        backend = self.home.backend()
        if backend is None:
            raise NotJoined
        return Joined(backend.url, backend.certificate, backend.issuer)

    def device(self) -> Device:
        """The enrolled device key.  Raises `NotEnrolled`, `FileDamaged`."""
        device = self.home.device()
        if device is None:
            raise NotEnrolled
        return device

    def label(self) -> str:
        """What this laptop calls itself: the setting, else the host's name made to fit.

        Raises `LocalError` for a setting that the other laptop would refuse.
        """
        label = self.settings.label
        if not label:
            return tidy_label(platform.node())
        try:
            check_label(label)
        except EncodingError:
            raise LocalError(_LABEL) from None
        return label
