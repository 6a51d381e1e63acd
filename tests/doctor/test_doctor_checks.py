"""Every check makes of the facts what a person would, and says so in both languages."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doctor.machines import CASES, CHECKS, FAIL, OK, RADIO, SKIPPED, WARN
from nearproof.daemon.doctor.bluetooth import advert_interval
from nearproof.daemon.doctor.checks import Role, Status
from nearproof.daemon.doctor.main_conf import advertising_interval
from nearproof.daemon.outcomes.kinds import Exit

ON_EVERY_LAPTOP = (
    "home.files",
    "home.rights",
    "bt.dbus",
    "bt.service",
    "bt.dbus_rights",
    "bt.adapter",
    "bt.rfkill",
    "bt.powered",
    "bt.bluez_version",
    "backend.joined",
    "backend.reachable",
    "backend.tls",
    "clock.wall",
    "clock.boottime",
    "desktop.notifier",
    "fingerprint.reader",
)
IDS = {
    Role.OLD: {
        *ON_EVERY_LAPTOP,
        "bt.peripheral_role",
        "bt.kernel_version",
        "bt.advert_interval",
        "screen.sharing",
        "screen.ssh",
    },
    Role.NEW: {*ON_EVERY_LAPTOP, "cam.device", "cam.rights", "qr.decoder", "qr.zbar", "qr.seccomp"},
    Role.BACKEND: {"backend.files", "backend.certificate", "clock.ntp"},
}


@pytest.mark.parametrize("role", list(Role))
def test_ids_are_stable(role: Role) -> None:
    """Programs know the checks by their ids; each role has those that matter to it."""
    assert {check.id for check in CHECKS.values() if role in check.roles} == IDS[role]


def test_kinds_are_stable() -> None:
    """The exit code is that of the command which the failure would end."""
    kinds: dict[Exit, set[str]] = {}
    for check in CHECKS.values():
        kinds.setdefault(check.exit, set()).add(check.id)
    assert kinds[Exit.PERMISSION] == {
        "home.rights",
        "bt.dbus_rights",
        "cam.rights",
        "backend.files",
    }
    assert kinds[Exit.CAMERA] == {"cam.device", "qr.decoder", "qr.zbar", "qr.seccomp"}
    assert kinds[Exit.BLUETOOTH] == {
        id for id in CHECKS if id.startswith("bt.") and id != "bt.dbus_rights"
    }
    assert kinds[Exit.BACKEND] == {
        "backend.joined",
        "backend.reachable",
        "backend.tls",
        "backend.certificate",
        "clock.wall",
    }


@pytest.mark.parametrize(("id", "facts", "status"), CASES)
def test_judgement(id: str, facts: Any, status: Status) -> None:
    """The status is right, the text can be filled in, and there is a fix where one is due."""
    result = CHECKS[id].judge(facts)
    assert result.status is status
    assert result.text("en").strip() and result.text("da").strip()
    assert bool(result.fix) == (status in (WARN, FAIL))
    assert "\n" not in result.fix


def test_every_check_is_judged_well_and_ill() -> None:
    """No check always passes, and none never does."""
    seen: dict[str, set[Status]] = {}
    for id, _, status in CASES:
        seen.setdefault(id, set()).add(status)
    assert set(seen) == set(CHECKS)
    assert [id for id, statuses in seen.items() if OK not in statuses] == []
    assert [id for id, statuses in seen.items() if statuses <= {OK, SKIPPED}] == []


def test_languages_differ_where_there_are_words() -> None:
    """No English sentence was left in the Danish report."""
    same = {
        result.text("en")
        for result in (CHECKS[id].judge(facts) for id, facts, _ in CASES)
        if result.text("en") == result.text("da")
    }
    assert same == {"Integrated Camera", "BlueZ 5.66", "BlueZ 5.82", "BlueZ 5.100"}


def test_fixes_are_shell_lines() -> None:
    """A shell takes every fix as it is."""
    fixes = {CHECKS[id].judge(facts).fix for id, facts, _ in CASES} - {""}
    for fix in fixes:
        subprocess.run(["bash", "-n", "-c", fix], check=True)


def test_paths_in_fixes_are_quoted() -> None:
    """A folder with a space in its name is one word of the line."""
    fixes = [CHECKS[id].judge(facts).fix for id, facts, _ in CASES]
    with_space = [fix for fix in fixes if "my data" in fix]
    assert with_space
    assert all("'/home/anna/my data/" in fix for fix in with_space)


def test_slow_adverts_are_told_in_figures(tmp_path: Path) -> None:
    """An old BlueZ costs seconds: the text says how many, and the fix makes it 100 ms."""
    result = advert_interval(replace(RADIO, own_interval=False))
    for figure in ("1280 ms", "3.2 s", "0.25 s", "160", "Experimental = true"):
        assert figure in result.text("en")
    for figure in ("1280 ms", "3,2 s", "0,25 s", "160", "Experimental = true"):
        assert figure in result.text("da")
    conf = tmp_path / "main.conf"
    conf.write_text("[General]\nName = x\n[LE]\n#MinAdvertisementInterval=")
    write = result.fix.partition(" && ")[0].replace("sudo tee -a /etc/bluetooth/main.conf", "cat")
    with conf.open("a") as file:
        subprocess.run(["sh", "-c", write], check=True, stdout=file)
    assert advertising_interval(conf.read_text()) == 100.0
