"""Bad input at the command line: a clear error, its exit code, and nothing lost.

Each case runs the real program as a stranger would, in bounded time and memory; afterwards
the same laptops complete an honest ceremony.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import segno

from nearproof.ble.virtual.process import air_process
from nearproof.config.home import Backend, Device, Enrolment, Home
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import QrPayload
from nearproof.daemon.backend.certificate import self_signed
from nearproof.qr.payload import to_text

SECONDS = 40.0
SHOW = ("--show", "png:/nonexistent/qr.png")
MEMORY = 2 << 30

DEVICE_SEED = bytes(31) + b"O"
PAYLOAD = QrPayload(
    bytes(range(16)), DeviceKey.from_seed(bytes(32)).public, bytes(range(16)), 1_900_000_000
)


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err
        self.events: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
        self.failed = self._first("failed")
        self.unfit = self._first("unfit")

    def _first(self, name: str) -> dict[str, Any]:
        return next((event for event in self.events if event["event"] == name), {})


async def run(home: Path, *arguments: str, typed: str = "", **environment: str) -> Result:
    """The program, its time and memory bounded from outside."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "nearproof.daemon", "--json", "--home", str(home), *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate(typed.encode())
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return Result(process.returncode, out.decode(), err.decode())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A laptop that has joined a backend which does not answer."""
    certificate, _, _ = self_signed().decode().partition("-----BEGIN PRIVATE")
    issuer = DeviceKey.from_seed(b"I" * 32).public
    Home(tmp_path).save_backend(Backend("https://127.0.0.1:1", certificate, issuer))
    return tmp_path


@pytest.fixture
async def air() -> AsyncIterator[str]:
    async with air_process() as address:
        yield address


def enrol(home: Path) -> None:
    Home(home).save_device(Device(DEVICE_SEED, "anna", "old", bytes(32), bytes(16)))


# -- QR codes that are not the one ----------------------------------------------------------


def with_version(version: int) -> str:
    """A text of another version, otherwise whole."""
    import base64

    raw = bytearray(PAYLOAD.encode())
    raw[0] = version
    return "PXP1:" + base64.b32encode(bytes(raw)).decode().rstrip("=")


CODES = [
    ("https://example.org/", 23, "foreign"),
    ("WIFI:S:net;T:WPA;P:secret;;", 23, "foreign"),
    (with_version(2), 23, "unknown_version"),
    (to_text(PAYLOAD)[:-1], 23, "damaged"),
    ("NEARPROOF-JOIN https://h:1 sha256:x ed25519:y", 23, "other_role"),
]


@pytest.mark.parametrize(("content", "code", "reason"), CODES)
async def test_a_qr_that_is_not_ours_typed(
    home: Path, air: str, content: str, code: int, reason: str
) -> None:
    """Each kind has its own message."""
    ran = await run(home, "new", "copy", "--radio", air, "--typed", typed=f"yes\n{content}\n")
    assert (ran.code, ran.failed["reason"]) == (code, reason), ran.err
    assert Home(home).enrolment() is None


@pytest.mark.parametrize(("content", "code", "reason"), CODES[:2] + CODES[2:3])
async def test_a_qr_that_is_not_ours_in_a_picture(
    home: Path, air: str, tmp_path: Path, content: str, code: int, reason: str
) -> None:
    """The same from a picture."""
    picture = tmp_path / "qr.png"
    segno.make(content, micro=False).save(str(picture), scale=8, border=4)
    ran = await run(home, "new", "copy", "--radio", air, "--image", str(picture))
    assert (ran.code, ran.failed["reason"]) == (code, reason), ran.err


async def test_an_expired_qr_is_not_found(home: Path, air: str) -> None:
    """OLD alone judges expiry; NEW has no trusted clock and says both possibilities."""
    ran = await run(
        home, "new", "copy", "--radio", air, "--typed", typed=f"yes\n{to_text(PAYLOAD)}\n"
    )
    assert (ran.code, ran.failed["reason"]) == (12, "not_near")
    assert "out of range, or its QR code has expired" in ran.failed["text"]


# -- pictures and cameras -------------------------------------------------------------------


async def test_no_camera(home: Path, air: str) -> None:
    """The device is named, and the ways without it."""
    ran = await run(home, "new", "copy", "--radio", air, "--camera", "/dev/video99")
    assert (ran.code, ran.failed["reason"]) == (21, "camera_not_ready")
    assert "/dev/video99" in ran.unfit["problem"] and ran.unfit["fix"]
    assert "--typed" in ran.failed["text"]


@pytest.mark.parametrize("content", [b"", b"no picture", os.urandom(1 << 16)])
async def test_a_file_that_is_no_picture(
    home: Path, air: str, tmp_path: Path, content: bytes
) -> None:
    """It is refused as unreadable."""
    picture = tmp_path / "qr.png"
    picture.write_bytes(content)
    ran = await run(home, "new", "copy", "--radio", air, "--image", str(picture))
    assert (ran.code, ran.failed["reason"]) == (21, "unreadable")


async def test_a_picture_without_a_qr(home: Path, air: str, tmp_path: Path) -> None:
    """It is read, and nothing is found in it."""
    import cv2
    import numpy as np

    picture = tmp_path / "empty.png"
    cv2.imwrite(str(picture), np.full((720, 1280, 3), 128, np.uint8))
    ran = await run(home, "new", "copy", "--radio", air, "--image", str(picture))
    assert (ran.code, ran.failed["reason"]) == (23, "damaged")
    assert "no QR code in the picture" in ran.failed["text"]


# -- radios ---------------------------------------------------------------------------------


async def test_no_d_bus(home: Path) -> None:
    """BlueZ cannot be asked: the fix is one line."""
    ran = await run(
        home,
        *("new", "copy", "--radio", "bluez:hci0", "--typed"),
        DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent/bus",
    )
    assert (ran.code, ran.failed["reason"]) == (20, "bluetooth_not_ready")
    assert "systemctl start dbus" in ran.unfit["fix"]


async def test_the_air_is_not_there(home: Path) -> None:
    """An emulated radio, or a dongle, that cannot be opened."""
    ran = await run(home, "new", "copy", "--radio", "air:127.0.0.1:1", "--typed")
    assert (ran.code, ran.failed["reason"]) == (20, "transport")


async def test_a_radio_of_no_kind(home: Path) -> None:
    """A mistake of the caller's."""
    ran = await run(home, "new", "copy", "--radio", "smoke", "--typed")
    assert ran.code == 2 and "smoke" in ran.failed["text"]


# -- homes and backends -----------------------------------------------------------------------


async def test_nothing_joined(tmp_path: Path) -> None:
    """Each command says what to run first."""
    ran = await run(tmp_path, "new", "copy", "--typed")
    assert ran.code == 2 and "nearproof join" in ran.failed["text"]
    ran = await run(tmp_path, "old", "copy", *SHOW)
    assert ran.code == 2 and "nearproof new" in ran.failed["text"]


async def test_backend_down(home: Path) -> None:
    """Nothing is lost, try again later."""
    enrol(home)
    ran = await run(home, "old", "copy", *SHOW)
    assert (ran.code, ran.failed["reason"]) == (30, "unreachable")
    assert Home(home).device() is not None


async def test_a_stored_proof_waits_for_the_backend(home: Path) -> None:
    """NEW keeps the proof while the backend is down, and hands it off first of all."""
    waiting = Enrolment(bytes(32), "new", b"bundle", bytes(32), bytes(16))
    Home(home).save_enrolment(waiting)
    ran = await run(home, "new", "copy", "--user-id", "anna")
    assert (ran.code, ran.failed["reason"]) == (30, "unreachable")
    assert Home(home).enrolment() == waiting


@pytest.mark.parametrize(
    "content", ["", "{", '{"kind":"other","version":1,"data":{}}', "\0" * 100, "x" * (2 << 20)]
)
async def test_a_damaged_key_file_is_left_alone(home: Path, content: str) -> None:
    """It is named, and never overwritten."""
    file = home / "device.json"
    file.write_text(content)
    for command in (("old", "cancel"), ("new", "activate")):
        ran = await run(home, *command, typed="AAAA\n")
        assert (ran.code, ran.failed["reason"]) == (24, "FileDamaged")
        assert "device.json" in ran.failed["text"]
    assert file.read_text() == content


async def test_an_invite_needs_a_phone(home: Path) -> None:
    """A new account without one is the operator's slip, not a bug."""
    ran = await run(home, "backend", "invite", "anna")
    assert ran.code == 2 and "phone number" in ran.err


async def test_nobody_to_type(home: Path, air: str) -> None:
    """`--no-input` and an ended input fail by name, at once."""
    for arguments in (("--no-input",), ()):
        ran = await run(home, "new", "copy", "--radio", air, "--typed", *arguments)
        assert (ran.code, ran.failed["reason"]) == (2, "InputNeeded")


async def test_json_needs_a_place_for_the_qr(home: Path) -> None:
    """Nobody would see it: said at once, not after three minutes."""
    ran = await run(home, "old", "copy")
    assert ran.code == 2 and "--show png:FILE" in ran.err


@pytest.mark.parametrize("command", ["join x", "verify nothing", "old cancel"])
async def test_a_closed_pipe_is_not_an_attack(home: Path, command: str) -> None:
    """Exit code 3 alone says that an attack succeeded; a reader that is gone changes no code."""
    for closed in (">&-", "<&-", "| true"):
        line = f"{sys.executable} -m nearproof.daemon --home {home} {command} {closed}"
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", f"set -o pipefail; {line}", stderr=subprocess.PIPE
        )
        _, err = await process.communicate()
        assert process.returncode == 2, err.decode()
        assert b"Traceback" not in err


async def test_a_closed_input_is_said_by_name(home: Path, air: str) -> None:
    """Descriptor 0 is closed: nobody can type, and nothing else is read in its place."""
    line = f"{sys.executable} -m nearproof.daemon --home {home} new copy --radio {air} --typed <&-"
    process = await asyncio.create_subprocess_exec("bash", "-c", line, stderr=subprocess.PIPE)
    _, err = await process.communicate()
    assert (process.returncode, b"nobody to type it" in err) == (2, True)


@pytest.mark.parametrize(
    "line", ["", "https://host", "NEARPROOF-JOIN http://h:1 sha256:a ed25519:b", "x" * 100_000]
)
async def test_a_join_line_that_is_none(tmp_path: Path, line: str) -> None:
    """Strictly one shape; plain HTTP is not one."""
    ran = await run(tmp_path, "join", line)
    assert (ran.code, ran.failed["reason"]) == (2, "malformed")
    assert Home(tmp_path).backend() is None


# -- bundles ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "step", "code"),
    [
        (b"", 1, "size"),
        (bytes(10 << 20), 1, "size"),
        (os.urandom(900), 1, "encoding"),
        (b"\xa3\x01\x41\x00\x02\x41\x00\x03\x41\x00", 1, "encoding"),
        (b"\x9f" * 900, 1, "encoding"),
    ],
    ids=["nothing", "10 MB", "random", "CBOR of another kind", "nested"],
)
async def test_a_bundle_that_is_none(
    home: Path, tmp_path: Path, content: bytes, step: int, code: str
) -> None:
    """`verify` names the verifier's step and code."""
    file = tmp_path / "proof"
    file.write_bytes(content)
    ran = await run(home, "verify", str(file))
    assert ran.code == 17
    assert (ran.failed["verifier_step"], ran.failed["code"]) == (step, code)


async def test_no_such_bundle(home: Path) -> None:
    """A mistake of the caller's."""
    ran = await run(home, "verify", str(home / "nothing"))
    assert ran.code == 2 and "nothing" in ran.failed["text"]
