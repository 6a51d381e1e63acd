"""Facts of machines as they come, and what each check makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nearproof.ble.bluez.adapter import Finding
from nearproof.ble.errors import BluetoothReason
from nearproof.daemon.desktop.errors import FingerprintReason, NotifierReason, ScreenReason
from nearproof.daemon.desktop.screen import Blind, Exposure, Sight
from nearproof.daemon.doctor.backend import BackendFacts
from nearproof.daemon.doctor.bluetooth import BluetoothFacts
from nearproof.daemon.doctor.camera import CameraFacts
from nearproof.daemon.doctor.checks import Check, Status
from nearproof.daemon.doctor.clock import ClockFacts
from nearproof.daemon.doctor.decoder import DecoderFacts
from nearproof.daemon.doctor.desktop import FingerprintFacts, NotifierFacts
from nearproof.daemon.doctor.examination import AREAS
from nearproof.daemon.doctor.home import HomeFacts
from nearproof.daemon.doctor.server import ServerFacts
from nearproof.daemon.provider import ProviderReason
from nearproof.qr.errors import CameraReason
from nearproof.qr.wire import Rehearsed

OK, WARN, FAIL, SKIPPED = Status

CHECKS: dict[str, Check[Any]] = {check.id: check for area in AREAS for check in area.checks}

PREFLIGHT = (
    BluetoothReason.NO_DBUS,
    BluetoothReason.NO_BLUEZ,
    BluetoothReason.NO_PERMISSION,
    BluetoothReason.NO_ADAPTER,
    BluetoothReason.BLOCKED,
    BluetoothReason.POWERED_OFF,
    BluetoothReason.NO_PERIPHERAL_ROLE,
)


def preflight(failing: BluetoothReason | None = None) -> tuple[Finding, ...]:
    """What `examine` finds: everything up to the first failure, or everything."""
    passed = PREFLIGHT if failing is None else PREFLIGHT[: PREFLIGHT.index(failing)]
    findings = tuple(Finding(reason, ok=True, detail="fine") for reason in passed)
    return findings if failing is None else (*findings, Finding(failing, ok=False, detail="why"))


RADIO = BluetoothFacts(
    radio="bluez:hci0",
    findings=preflight(),
    own_interval=True,
    default_interval=1280.0,
    bluez=(5, 82),
    kernel=(6, 12, 41),
)
DONGLE = BluetoothFacts("hci:usb:0")


def broken(reason: BluetoothReason) -> BluetoothFacts:
    return replace(RADIO, findings=preflight(reason), own_interval=None)


LAST_WORD = (*preflight(), Finding(BluetoothReason.NO_ADAPTER, ok=False, detail="no LE"))

BLUETOOTH: list[tuple[str, Any, Status]] = [
    *((id, RADIO, OK) for id in CHECKS if id.startswith("bt.")),
    *((id, DONGLE, SKIPPED) for id in CHECKS if id.startswith("bt.")),
    ("bt.dbus", broken(BluetoothReason.NO_DBUS), FAIL),
    ("bt.service", broken(BluetoothReason.NO_DBUS), SKIPPED),
    ("bt.service", broken(BluetoothReason.NO_BLUEZ), FAIL),
    ("bt.service", replace(broken(BluetoothReason.NO_BLUEZ), bluez=None), FAIL),
    ("bt.dbus_rights", broken(BluetoothReason.NO_PERMISSION), FAIL),
    ("bt.dbus_rights", broken(BluetoothReason.NO_BLUEZ), SKIPPED),
    ("bt.adapter", broken(BluetoothReason.NO_ADAPTER), FAIL),
    ("bt.adapter", replace(RADIO, findings=LAST_WORD), FAIL),
    ("bt.adapter", broken(BluetoothReason.NO_BLUEZ), SKIPPED),
    ("bt.rfkill", broken(BluetoothReason.BLOCKED), FAIL),
    ("bt.rfkill", broken(BluetoothReason.NO_ADAPTER), SKIPPED),
    ("bt.powered", broken(BluetoothReason.POWERED_OFF), FAIL),
    ("bt.powered", broken(BluetoothReason.BLOCKED), SKIPPED),
    ("bt.peripheral_role", broken(BluetoothReason.NO_PERIPHERAL_ROLE), FAIL),
    ("bt.peripheral_role", broken(BluetoothReason.POWERED_OFF), SKIPPED),
    ("bt.bluez_version", replace(RADIO, bluez=None), WARN),
    ("bt.bluez_version", replace(RADIO, bluez=(5, 64)), WARN),
    ("bt.bluez_version", replace(RADIO, bluez=(5, 66)), OK),
    ("bt.bluez_version", replace(RADIO, bluez=(5, 87)), OK),
    ("bt.bluez_version", replace(RADIO, bluez=(5, 100)), OK),
    ("bt.kernel_version", replace(RADIO, kernel=None), SKIPPED),
    ("bt.kernel_version", replace(RADIO, kernel=(6, 12, 93)), WARN),
    ("bt.kernel_version", replace(RADIO, kernel=(6, 18, 34), bluez=None), WARN),
    ("bt.kernel_version", replace(RADIO, kernel=(6, 18, 34), bluez=(5, 87)), OK),
    ("bt.kernel_version", replace(RADIO, kernel=(6, 18, 37)), OK),
    ("bt.advert_interval", replace(RADIO, own_interval=False), WARN),
    ("bt.advert_interval", replace(RADIO, own_interval=False, default_interval=100.0), OK),
    ("bt.advert_interval", replace(RADIO, own_interval=False, default_interval=None), SKIPPED),
    ("bt.advert_interval", broken(BluetoothReason.NO_BLUEZ), SKIPPED),
]

WEBCAM = CameraFacts("/dev/video0", name="Integrated Camera")
TYPED = CameraFacts("typed", camera=False)
PICTURE = CameraFacts("image:qr.png", camera=False)


def refused(reason: CameraReason, other: str = "", source: str = "/dev/video0") -> CameraFacts:
    return CameraFacts(source, reason=reason, detail="why", other=other)


READS = DecoderFacts(Rehearsed(confined=True, zbar=True))

SCAN: list[tuple[str, Any, Status]] = [
    ("cam.device", WEBCAM, OK),
    ("cam.device", TYPED, SKIPPED),
    ("cam.device", PICTURE, SKIPPED),
    ("cam.device", refused(CameraReason.PERMISSION), OK),
    ("cam.device", refused(CameraReason.BUSY), FAIL),
    ("cam.device", refused(CameraReason.BUSY, source="camera"), FAIL),
    ("cam.device", refused(CameraReason.GONE), FAIL),
    ("cam.device", refused(CameraReason.NO_CAMERA), FAIL),
    ("cam.device", refused(CameraReason.NO_CAMERA, other="/dev/video2"), FAIL),
    ("cam.rights", WEBCAM, OK),
    ("cam.rights", TYPED, SKIPPED),
    ("cam.rights", refused(CameraReason.BUSY), OK),
    ("cam.rights", refused(CameraReason.PERMISSION), FAIL),
    ("cam.rights", refused(CameraReason.NO_CAMERA), SKIPPED),
    ("qr.decoder", READS, OK),
    ("qr.decoder", DecoderFacts(None, "died: no libGL.so.1"), FAIL),
    ("qr.zbar", READS, OK),
    ("qr.zbar", DecoderFacts(Rehearsed(confined=True, zbar=False)), WARN),
    ("qr.zbar", DecoderFacts(None, "died"), SKIPPED),
    ("qr.seccomp", READS, OK),
    ("qr.seccomp", DecoderFacts(Rehearsed(confined=False, zbar=True)), WARN),
    ("qr.seccomp", DecoderFacts(None, "died"), SKIPPED),
]

URL = "https://192.0.2.1:8443"
JOINED = BackendFacts(URL, ahead=0.7)
NOT_JOINED = BackendFacts(None)


def answered(reason: ProviderReason) -> BackendFacts:
    return BackendFacts(URL, reason=reason, detail="why")


SERVICE: list[tuple[str, Any, Status]] = [
    ("backend.joined", JOINED, OK),
    ("backend.joined", NOT_JOINED, FAIL),
    ("backend.joined", BackendFacts(None, damaged="not a nearproof file"), FAIL),
    ("backend.reachable", JOINED, OK),
    ("backend.reachable", NOT_JOINED, SKIPPED),
    ("backend.reachable", answered(ProviderReason.WRONG_CERTIFICATE), OK),
    ("backend.reachable", answered(ProviderReason.UNREACHABLE), FAIL),
    ("backend.reachable", answered(ProviderReason.LYING), FAIL),
    ("backend.reachable", answered(ProviderReason.UNAVAILABLE), FAIL),
    ("backend.tls", JOINED, OK),
    ("backend.tls", NOT_JOINED, SKIPPED),
    ("backend.tls", answered(ProviderReason.UNREACHABLE), SKIPPED),
    ("backend.tls", answered(ProviderReason.WRONG_CERTIFICATE), FAIL),
    ("backend.tls", answered(ProviderReason.LYING), OK),
    ("clock.wall", JOINED, OK),
    ("clock.wall", replace(JOINED, ahead=90.0), WARN),
    ("clock.wall", replace(JOINED, ahead=-90.0), WARN),
    ("clock.wall", NOT_JOINED, SKIPPED),
]

FOLDER = Path("/home/anna/my data")
FILES = (FOLDER / "device.json", FOLDER / "backend.json")

MACHINE: list[tuple[str, Any, Status]] = [
    ("home.files", HomeFacts(FOLDER), OK),
    ("home.files", HomeFacts(FOLDER, damaged=((FILES[0], "not a nearproof file"),)), FAIL),
    ("home.rights", HomeFacts(FOLDER), OK),
    ("home.rights", HomeFacts(FOLDER, unreadable=FILES), FAIL),
    ("home.rights", HomeFacts(FOLDER, exposed=FILES), WARN),
    ("backend.files", ServerFacts(FOLDER), OK),
    ("backend.files", ServerFacts(FOLDER, unreadable=FILES), FAIL),
    ("backend.files", ServerFacts(FOLDER, exposed=FILES), FAIL),
    ("backend.certificate", ServerFacts(FOLDER, certificate=""), OK),
    ("backend.certificate", ServerFacts(FOLDER), SKIPPED),
    ("backend.certificate", ServerFacts(FOLDER, unreadable=FILES), SKIPPED),
    ("backend.certificate", ServerFacts(FOLDER, certificate="KEY_VALUES_MISMATCH"), FAIL),
    ("clock.boottime", ClockFacts(2_000_000, 1_000_000, True), OK),
    ("clock.boottime", ClockFacts(None, 1_000_000, True), FAIL),
    ("clock.boottime", ClockFacts(1_000_000, 2_000_000, True), FAIL),
    ("clock.ntp", ClockFacts(2, 1, True), OK),
    ("clock.ntp", ClockFacts(2, 1, False), WARN),
    ("clock.ntp", ClockFacts(2, 1, None), SKIPPED),
]

SHARED = Exposure(ScreenReason.SCREEN_SHARED, "Firefox")
REMOTE = Exposure(ScreenReason.SCREEN_REMOTE, "sshd")

DESKTOP: list[tuple[str, Any, Status]] = [
    ("screen.sharing", Sight((), ()), OK),
    ("screen.sharing", Sight((SHARED,), ()), FAIL),
    ("screen.sharing", Sight((REMOTE,), ()), OK),
    ("screen.sharing", Sight((), (Blind.NO_PIPEWIRE,)), WARN),
    ("screen.sharing", Sight((), (Blind.X11,)), SKIPPED),
    ("screen.ssh", Sight((), ()), OK),
    ("screen.ssh", Sight((SHARED, REMOTE), ()), FAIL),
    ("screen.ssh", Sight((SHARED,), (Blind.X11,)), OK),
    ("desktop.notifier", NotifierFacts("gnome-shell", buttons=True), OK),
    ("desktop.notifier", NotifierFacts("xfce4-notifyd"), OK),
    ("desktop.notifier", NotifierFacts(reason=NotifierReason.NO_SESSION_BUS, detail="why"), WARN),
    ("desktop.notifier", NotifierFacts(reason=NotifierReason.NO_NOTIFIER, detail="why"), WARN),
    ("fingerprint.reader", FingerprintFacts("Goodix MOC"), OK),
    ("fingerprint.reader", FingerprintFacts(reason=FingerprintReason.NO_FPRINTD), SKIPPED),
    ("fingerprint.reader", FingerprintFacts(reason=FingerprintReason.NO_READER), SKIPPED),
    ("fingerprint.reader", FingerprintFacts(reason=FingerprintReason.NOT_AT_SEAT), SKIPPED),
    ("fingerprint.reader", FingerprintFacts(reason=FingerprintReason.NO_FINGER), WARN),
    ("fingerprint.reader", FingerprintFacts(reason=FingerprintReason.READER_FAILED), WARN),
]

CASES = [*BLUETOOTH, *SCAN, *SERVICE, *MACHINE, *DESKTOP]
