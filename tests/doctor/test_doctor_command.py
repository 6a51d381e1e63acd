"""`nearproof doctor` on whatever machine runs the tests: complete, honest, and without a trace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nearproof.config.home import Device, Home
from nearproof.daemon.cli.doctor import doctor
from nearproof.daemon.cli.options import Options
from nearproof.daemon.doctor import checks, report
from nearproof.daemon.doctor.checks import Finding, Role, Status
from nearproof.daemon.doctor.examination import exit_code
from nearproof.daemon.outcomes.kinds import Exit


@pytest.fixture(autouse=True)
def no_buses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same machine everywhere: no bus, no screen, data folders of the test's own."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


def run(home: Path, *arguments: str) -> Result:
    options = Options(home, as_json=False, lang=None, no_input=False, verbose=False)
    return CliRunner().invoke(doctor, arguments, obj=options)


def records(result: Result) -> dict[str, dict[str, str]]:
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return {line["id"]: line for line in lines}


@pytest.mark.parametrize("role", ["old", "new"])
def test_a_machine_without_bluetooth(tmp_path: Path, role: str) -> None:
    """The whole list in JSON; the exit code is that of the first failure."""
    result = run(tmp_path / "home", role, "--json")
    found = records(result)
    assert result.exit_code == Exit.BLUETOOTH
    assert found["bt.dbus"]["status"] == "fail"
    assert found["bt.dbus"]["fix"] == "sudo systemctl start dbus"
    assert found["bt.powered"]["status"] == "skipped"
    assert found["backend.joined"]["status"] == "fail"
    assert found["clock.boottime"]["status"] == "ok"
    assert ("qr.decoder" in found) is (role == "new")
    assert {"id", "status", "text", "fix"} <= set(found["bt.dbus"])
    assert {record["role"] for record in found.values()} == {role}
    assert not (tmp_path / "home").exists()


def test_backend(tmp_path: Path) -> None:
    """The backend's machine needs neither radio nor camera."""
    data = tmp_path / "data"
    result = run(tmp_path, "backend", "--data", str(data))
    assert result.exit_code == Exit.DONE, result.output
    assert "This machine as the backend:" in result.stdout
    assert "backend.files" in result.stdout
    assert "bt." not in result.stdout
    assert not data.exists()


def test_the_role_is_guessed(tmp_path: Path) -> None:
    """A laptop that is enrolled would be OLD in its next copy, any other NEW."""
    home = tmp_path / "home"
    radio = ("--radio", "hci:usb:0", "--camera", "typed")
    assert "as the new one" in run(home, *radio).stdout
    Home(home).save_device(Device(bytes(32), "anna", "laptop", bytes(32), bytes(16)))
    old = run(home, *radio, "--lang", "da")
    assert "som den gamle" in old.stdout
    assert "screen.ssh" in old.stdout


def test_flags_win_over_settings(tmp_path: Path) -> None:
    """A radio without BlueZ, by a flag: nothing of Bluetooth is judged."""
    (tmp_path / "config.toml").write_text('radio = "bluez:hci7"\n')
    found = records(run(tmp_path, "old", "--json", "--radio", "hci:usb:0"))
    assert {it["status"] for id, it in found.items() if id.startswith("bt.")} == {"skipped"}
    assert "hci:usb:0" in found["bt.adapter"]["text"]


def test_damaged_settings_are_a_finding(tmp_path: Path) -> None:
    """A config.toml that cannot be read does not keep the doctor from looking further."""
    (tmp_path / "config.toml").write_text("radio = 7\n")
    result = run(tmp_path, "old", "--json")
    found = records(result)
    assert (found["home.files"]["status"], found["home.files"]["exit"]) == ("fail", "DAMAGED")
    assert found["bt.dbus"]["status"] == "fail"
    assert result.exit_code == Exit.DAMAGED


def test_unknown_radio(tmp_path: Path) -> None:
    """A radio that exists in no words ends as it does for `copy`."""
    result = run(tmp_path, "old", "--radio", "blue:hci0")
    assert result.exit_code == Exit.USAGE
    assert "blue:hci0" in result.stderr


def test_help_is_light() -> None:
    """The command line does not load the radio to print its help."""
    code = (
        "import sys, nearproof.daemon.cli.doctor;"
        "sys.exit(any(name in sys.modules for name in ('dbus_fast', 'msgspec', 'cv2', 'ssl')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


FINDINGS = [
    Finding("a.good", Exit.BLUETOOTH, checks.ok("Bluetooth is switched on")),
    Finding("a.slow", Exit.BLUETOOTH, checks.warn("word " * 20, "run " * 30)),
    Finding("a.broken", Exit.CAMERA, checks.fail("Bluetooth is switched off", "mend it")),
    Finding("a.worse", Exit.PERMISSION, checks.fail("worse", "mend that")),
    Finding("a.open", Exit.BACKEND, checks.NOT_YET),
]


def test_table() -> None:
    """Marks and ids in columns; texts are broken to the width, fixes never."""
    lines = list(report.table(Role.OLD, FINDINGS, "en", width=50, colour=False))
    assert lines[1] == "ok    a.good    Bluetooth is switched on"
    assert "FAIL  a.broken  Bluetooth is switched off" in lines
    assert "                $ mend it" in lines
    assert "                $ " + "run " * 30 in lines
    assert all(len(line) <= 50 for line in lines if "run" not in line)
    assert lines[-1] == "Not ready: 2 to mend, 1 that could be better."
    assert not any("\033" in line for line in lines)


def test_names_of_devices_are_harmless() -> None:
    """A webcam whose name is an escape sequence does not get it onto the terminal."""
    finding = Finding("cam.device", Exit.CAMERA, checks.ok("{camera}", camera="\033]0;x\007Cam"))
    lines = report.table(Role.NEW, [finding], "en", width=80, colour=False)
    assert "ok    cam.device  ?]0;x?Cam" in list(lines)


def test_table_in_danish_and_colour() -> None:
    """Colour only where it was asked for; the columns stay."""
    lines = list(report.table(Role.NEW, FINDINGS, "da", width=80, colour=True))
    assert lines[0] == "Denne computer som den nye:"
    assert "\033[31mFEJL  \033[0ma.broken  Bluetooth er slået fra" in lines
    assert lines[-1] == "Ikke klar: 2 skal rettes, 1 kunne være bedre."


@pytest.mark.parametrize(
    ("findings", "en", "da"),
    [
        (FINDINGS[:1], "Ready.", "Klar."),
        (FINDINGS[:2], "Ready; 1 could be better.", "Klar; 1 kunne være bedre."),
    ],
)
def test_summary(findings: list[Finding], en: str, da: str) -> None:
    """A warning does not stand in the way."""
    assert list(report.table(Role.OLD, findings, "en", width=80, colour=False))[-1] == en
    assert list(report.table(Role.OLD, findings, "da", width=80, colour=False))[-1] == da


def test_marks_and_titles_are_complete() -> None:
    """Every status and role has its words."""
    assert set(report.MARKS) == set(Status)
    assert set(report.TITLES) == set(Role)
    assert all((*report.MARKS.values(), *report.TITLES.values()))


def test_exit_code() -> None:
    """The kind of the first failure; warnings and skips end nothing."""
    assert exit_code(FINDINGS) is Exit.CAMERA
    assert exit_code(FINDINGS[:2]) is Exit.DONE
    assert exit_code(FINDINGS[3:]) is Exit.PERMISSION
