"""Facts are really looked up: on the bus, in files, at a running backend, on this machine."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from dbus_fast import Variant

from backend.world import BackendProcess, start_backend
from bluez.fake_bluez import ADVERT_MANAGER, FakeBluez
from bluez.private_bus import PrivateBus, private_bus
from desktop.fake_fprintd import FakeFprintd
from desktop.fake_notifier import FakeNotifier
from nearproof.config.home import Backend, Device, Home
from nearproof.config.settings import Settings
from nearproof.daemon.backend.certificate import self_signed
from nearproof.daemon.doctor import (
    backend,
    bluetooth,
    camera,
    clock,
    decoder,
    home,
    main_conf,
    server,
    versions,
)
from nearproof.daemon.doctor.checks import Finding, Role, Status, Target
from nearproof.daemon.doctor.desktop import (
    FINGERPRINT,
    NOTIFIER,
    FingerprintFacts,
    NotifierFacts,
    gather_fingerprint,
    gather_notifier,
    gather_screen,
    ssh,
)
from nearproof.daemon.provider import ProviderReason
from nearproof.daemon.radio import UnknownRadio
from nearproof.qr import devices
from nearproof.qr.errors import CameraError, CameraReason


def target(path: Path, role: Role = Role.OLD, **settings: str) -> Target:
    return Target(role, Home(path / "home"), Settings(**settings), path / "backend")  # type: ignore[arg-type]


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PrivateBus]:
    """An empty system bus, which is the session bus too."""
    async with private_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        yield bus
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def bluez(bus: PrivateBus) -> AsyncIterator[FakeBluez]:
    """bluetoothd with one adapter."""
    fake = FakeBluez()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendProcess]:
    """A backend."""
    process = start_backend(tmp_path_factory.mktemp("doctor") / "data")
    yield process
    process.kill()


async def findings(area_target: Target, *ids: str) -> dict[str, Status]:
    found: list[Finding] = await bluetooth.BLUETOOTH.examine(area_target)
    return {each.id: each.result.status for each in found if not ids or each.id in ids}


async def test_a_good_radio(bluez: FakeBluez, tmp_path: Path) -> None:
    """What BlueZ tells, and nothing is asked of it but what it has."""
    facts = await bluetooth.gather(target(tmp_path))
    assert all(finding.ok for finding in facts.findings)
    assert facts.kernel == versions.kernel(os.uname().release, os.uname().version)
    assert {member for member, _ in bluez.calls.entries} == {"GetManagedObjects"}


@pytest.mark.parametrize("features", [True, False])
async def test_own_interval(bluez: FakeBluez, tmp_path: Path, features: bool) -> None:
    """A bluetoothd that shows its SupportedFeatures heeds the interval of an advert."""
    if features:
        supported = Variant("as", ["HardwareOffload"])
        bluez.objects[bluez.path][ADVERT_MANAGER]["SupportedFeatures"] = supported
    assert (await bluetooth.gather(target(tmp_path))).own_interval is features


async def test_main_conf(bluez: FakeBluez, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval of main.conf; the kernel's without such a file, none if it cannot be read."""
    conf = tmp_path / "main.conf"
    monkeypatch.setattr(main_conf, "PATH", conf)
    assert (await bluetooth.gather(target(tmp_path))).default_interval == 1280
    conf.write_text("[LE]\nMinAdvertisementInterval=160\nMaxAdvertisementInterval=160\n")
    assert (await bluetooth.gather(target(tmp_path))).default_interval == 100
    conf.unlink()
    conf.mkdir()
    assert (await bluetooth.gather(target(tmp_path))).default_interval is None


async def test_the_role_decides_what_the_adapter_must_do(bus: PrivateBus, tmp_path: Path) -> None:
    """A central is enough for NEW, not for OLD."""
    bluez = FakeBluez(roles=("central",))
    await bluez.start()
    assert (await findings(target(tmp_path)))["bt.peripheral_role"] is Status.FAIL
    new = await findings(target(tmp_path, Role.NEW))
    assert "bt.peripheral_role" not in new
    assert Status.FAIL not in new.values()
    await bluez.stop()


async def test_no_bluez(bus: PrivateBus, tmp_path: Path) -> None:
    """One failure is told, at its place; what depends on it is left open."""
    found = await findings(target(tmp_path))
    assert found.pop("bt.dbus") is Status.OK
    assert found.pop("bt.service") is Status.FAIL
    del found["bt.bluez_version"], found["bt.kernel_version"]
    assert set(found.values()) == {Status.SKIPPED}


@pytest.mark.parametrize("radio", ["hci:usb:0", "air:unix:/run/air"])
async def test_other_radios(tmp_path: Path, radio: str) -> None:
    """A radio without BlueZ needs nothing of BlueZ."""
    assert set((await findings(target(tmp_path, radio=radio))).values()) == {Status.SKIPPED}


async def test_unknown_settings(tmp_path: Path) -> None:
    """A radio or camera that does not exist in words is an error of usage."""
    with pytest.raises(UnknownRadio):
        await bluetooth.gather(target(tmp_path, radio="blue:hci0"))
    with pytest.raises(CameraError) as refused:
        await camera.gather(target(tmp_path, camera="camcorder"))
    assert refused.value.reason is CameraReason.BAD_SOURCE


async def test_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera is opened for a moment; the reason why it cannot be had is kept."""
    assert not (await camera.gather(target(tmp_path, camera="typed"))).camera
    assert not (await camera.gather(target(tmp_path, camera="image:qr.png"))).camera
    missing = await camera.gather(target(tmp_path, camera=f"/dev/{tmp_path.name}"))
    assert missing.reason is CameraReason.NO_CAMERA
    webcam = devices.Device(Path("/dev/video7"), "Webcam")
    monkeypatch.setattr(devices, "check", lambda path: None)
    monkeypatch.setattr(devices, "devices", lambda: [webcam])
    monkeypatch.setattr(devices, "first_camera", lambda: webcam)
    for source in ("camera", "camera:7", "/dev/video7"):
        assert (await camera.gather(target(tmp_path, camera=source))).name == "Webcam"


async def test_another_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the chosen one cannot be had, one that can is named."""
    webcam = devices.Device(Path("/dev/video7"), "Webcam")
    monkeypatch.setattr(devices, "first_camera", lambda: webcam)
    facts = await camera.gather(target(tmp_path, camera=f"/dev/{tmp_path.name}"))
    assert camera.device(facts).fix == "nearproof new copy --camera /dev/video7"


async def test_decoder(tmp_path: Path) -> None:
    """The QR reader of this very installation starts, confined."""
    facts = await decoder.gather(target(tmp_path))
    assert facts.word is not None
    assert facts.word.confined


async def test_decoder_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last words say why."""
    monkeypatch.setattr(decoder, "CHILD", "nearproof.qr.missing")
    facts = await decoder.gather(target(tmp_path))
    assert facts.word is None
    assert "nearproof.qr.missing" in facts.lost


async def test_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux has the clock; whether anybody keeps it, it may say."""
    facts = await clock.gather(target(tmp_path))
    assert clock.boottime(facts).status is Status.OK
    assert facts.synchronized in (True, False, None)

    def missing() -> int:
        raise OSError

    monkeypatch.setattr(clock, "now", missing)
    assert (await clock.gather(target(tmp_path))).boottime is None


def joined(path: Path, running: BackendProcess, *, certificate: str = "") -> Target:
    where = target(path)
    backend = running.joined
    where.home.save_backend(
        Backend(backend.url, certificate or backend.certificate, backend.issuer)
    )
    return where


async def test_backend(tmp_path: Path, running: BackendProcess) -> None:
    """A backend that answers with the joined certificate, and what time it is there."""
    facts = await backend.gather(joined(tmp_path, running))
    assert (facts.url, facts.reason) == (running.url, None)
    assert facts.ahead is not None and abs(facts.ahead) < 30


async def test_another_certificate(tmp_path: Path, running: BackendProcess) -> None:
    """A server with another certificate than the joined one."""
    pem, _, _ = self_signed().decode().partition("-----BEGIN PRIVATE")
    facts = await backend.gather(joined(tmp_path, running, certificate=pem))
    assert facts.reason is ProviderReason.WRONG_CERTIFICATE


async def test_no_backend(tmp_path: Path) -> None:
    """One that has gone, none at all, and a file that is not one."""
    gone = start_backend(tmp_path / "data")
    gone.kill()
    assert (await backend.gather(joined(tmp_path, gone))).reason is ProviderReason.UNREACHABLE
    (tmp_path / "home" / "backend.json").write_text("{}")
    assert (await backend.gather(target(tmp_path))).damaged
    (tmp_path / "home" / "backend.json").unlink()
    assert await backend.gather(target(tmp_path)) == backend.BackendFacts(None)
    (tmp_path / "home" / "backend.json").mkdir()
    assert (await backend.gather(target(tmp_path))).damaged == "Is a directory"


async def test_home(tmp_path: Path) -> None:
    """Damaged files and open ones are found; what is in them is not kept."""
    where = target(tmp_path)
    assert await home.gather(where) == home.HomeFacts(where.home.path)
    where.home.save_device(Device(bytes(range(32)), "anna", "laptop", bytes(32), bytes(16)))
    assert await home.gather(where) == home.HomeFacts(where.home.path)
    (where.home.path / "config.toml").write_text("radio = 7")
    device = where.home.path / "device.json"
    device.chmod(0o640)
    (where.home.path / "enrolment.json").mkdir()
    facts = await home.gather(where)
    assert [path.name for path, _ in facts.damaged] == ["config.toml"]
    assert [path.name for path in facts.unreadable] == ["enrolment.json"]
    assert set(facts.exposed) == {device, where.home.path / "enrolment.json"}


async def test_server(tmp_path: Path, running: BackendProcess) -> None:
    """The backend's folder, before its first start, in order, and spoilt."""
    where = target(tmp_path, Role.BACKEND)
    assert await server.gather(where) == server.ServerFacts(where.data)
    assert not where.data.exists()
    start_backend(where.data).stop()
    assert await server.gather(where) == server.ServerFacts(where.data, certificate="")
    certificate = where.data / "tls.pem"
    certificate.write_text("nothing")
    (where.data / "issuer.json").chmod(0o644)
    facts = await server.gather(where)
    assert facts.exposed == (where.data / "issuer.json",)
    assert facts.certificate
    certificate.unlink()
    certificate.mkdir()
    assert (await server.gather(where)).unreadable == (certificate,)
    assert stat.S_IMODE((where.data / "issuer.json").stat().st_mode) == 0o644


async def test_desktop(bus: PrivateBus, tmp_path: Path) -> None:
    """A notifier that draws buttons, and a reader that knows a finger."""
    shows, reads = FakeNotifier(bus.address), FakeFprintd(bus.address)
    await shows.start()
    await reads.start()
    reader = reads.plug_in("right-index-finger")
    assert await gather_notifier(target(tmp_path)) == NotifierFacts("fake", buttons=True)
    assert await gather_fingerprint(target(tmp_path)) == FingerprintFacts("Fake")
    assert reader.claimed_by is None
    assert not shows.popups
    await reads.stop()
    await shows.stop()


async def test_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that came over SSH."""
    monkeypatch.setenv("SSH_TTY", "/dev/pts/3")
    assert ssh(await gather_screen(target(tmp_path))).status is Status.FAIL


async def test_desktop_without_services(bus: PrivateBus, tmp_path: Path) -> None:
    """A bus on which nobody shows notices and nobody reads fingers."""
    notices = await NOTIFIER.examine(target(tmp_path))
    readers = await FINGERPRINT.examine(target(tmp_path))
    assert [each.result.status for each in notices + readers] == [Status.WARN, Status.SKIPPED]
