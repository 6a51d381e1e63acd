"""A net.reactivated.Fprint for tests, after the interface files and sources of fprintd 1.94.

One claim at a time, given up when its client leaves the bus; a scan that is on until its last
status, and counts as an action until VerifyStop.
"""

from __future__ import annotations

from typing import Any

from dbus_fast import Variant

from desktop.fake_service import FakeService, Fault, Method

NAME = "net.reactivated.Fprint"
MANAGER = f"{NAME}.Manager"
MANAGER_PATH = "/net/reactivated/Fprint/Manager"
DEVICE = f"{NAME}.Device"
DEVICE_PATH = "/net/reactivated/Fprint/Device"
PROPERTIES = "org.freedesktop.DBus.Properties"


def fault(name: str, text: str = "") -> Fault:
    """One of fprintd's own errors."""
    return Fault(f"{NAME}.Error.{name}", text)


class FakeReader:
    """One reader."""

    def __init__(self, fingers: tuple[str, ...], scan_type: str) -> None:
        self.fingers = list(fingers)
        self.scan_type = scan_type
        self.claimed_by: str | None = None
        self.scanning = False


class FakeFprintd(FakeService):
    """Its readers have the numbers 0, 1, ..."""

    name = NAME

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.readers: dict[str, FakeReader] = {}
        # What a scan says, one list for each VerifyStart.
        self.scans: list[list[tuple[str, bool]]] = []

    def plug_in(self, *fingers: str, scan_type: str = "press") -> FakeReader:
        reader = FakeReader(fingers, scan_type)
        self.readers[f"{DEVICE_PATH}/{len(self.readers)}"] = reader
        return reader

    def unplug(self) -> None:
        """Take away the first reader, which says so if it scans."""
        path = next(iter(self.readers))
        if self.readers[path].scanning:
            self.says("verify-disconnected", True)
        del self.readers[path]

    def says(self, result: str, done: bool, number: int = 0) -> None:
        """A reader has something to say of its scan."""
        path = list(self.readers)[number]
        self.signal(path, DEVICE, "VerifyStatus", "sb", result, done)

    def methods(self, path: str, interface: str) -> dict[str, Method]:
        if (path, interface) == (MANAGER_PATH, MANAGER):
            return {"GetDevices": ("", "ao", self._get_devices)}
        reader = self.readers.get(path)
        if reader is None:
            return {}
        if interface == PROPERTIES:
            return {"Get": ("ss", "v", _Bound(reader).get)}
        bound = _Bound(reader)
        return {
            "ListEnrolledFingers": ("s", "as", bound.list_enrolled_fingers),
            "Claim": ("s", "", bound.claim),
            "Release": ("", "", bound.release),
            "VerifyStart": ("s", "", bound.verify_start),
            "VerifyStop": ("", "", bound.verify_stop),
        }

    def vanished(self, client: str) -> None:
        for reader in self.readers.values():
            if reader.claimed_by == client:
                reader.claimed_by = None
                reader.scanning = False
        self.calls.stir()

    def after(self, member: str) -> None:
        if member != "VerifyStart" or not self.readers:
            return
        path, reader = next(iter(self.readers.items()))
        if reader.scanning:
            self.signal(path, DEVICE, "VerifyFingerSelected", "s", reader.fingers[0])
            for result, done in self.scans.pop(0) if self.scans else ():
                self.says(result, done)

    async def _get_devices(self, _client: str) -> list[Any]:
        return [list(self.readers)]


class _Bound:
    """The methods of one reader."""

    def __init__(self, reader: FakeReader) -> None:
        self._reader = reader

    async def get(self, _client: str, _interface: str, name: str) -> list[Any]:
        return [Variant("s", {"name": "Fake", "scan-type": self._reader.scan_type}[name])]

    async def list_enrolled_fingers(self, _client: str, username: str) -> list[Any]:
        _require_caller(username)
        if not self._reader.fingers:
            raise fault("NoEnrolledPrints", "Failed to discover prints")
        return [self._reader.fingers]

    async def claim(self, client: str, username: str) -> list[Any]:
        _require_caller(username)
        if self._reader.claimed_by is not None:
            raise fault("AlreadyInUse", "Device was already claimed")
        self._reader.claimed_by = client
        return []

    async def release(self, client: str) -> list[Any]:
        self._require_claim(client)
        self._reader.claimed_by = None
        self._reader.scanning = False
        return []

    async def verify_start(self, client: str, finger: str) -> list[Any]:
        self._require_claim(client)
        if self._reader.scanning:
            raise fault("AlreadyInUse", "Verification already in progress")
        if finger != "any":
            raise fault("InvalidFingername", finger)
        if not self._reader.fingers:
            raise fault("NoEnrolledPrints", "No fingerprints enrolled")
        self._reader.scanning = True
        return []

    async def verify_stop(self, client: str) -> list[Any]:
        self._require_claim(client)
        if not self._reader.scanning:
            raise fault("NoActionInProgress", "No verification in progress")
        self._reader.scanning = False
        return []

    def _require_claim(self, client: str) -> None:
        if self._reader.claimed_by is None:
            raise fault("ClaimDevice", "Device was not claimed before use")
        if self._reader.claimed_by != client:
            raise fault("AlreadyInUse", "Device already in use by another user")


def _require_caller(username: str) -> None:
    """Only an administrator may ask about others; "" is whoever asks."""
    if username:
        raise fault("PermissionDenied", "Not Authorized: net.reactivated.fprint.device.setusername")
