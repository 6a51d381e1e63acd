"""The layout: rooms of one namespace package, and what each may hold."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("daemon", "ble", "qr", "crypto", "config")


def test_no_room_turns_the_namespace_into_a_package() -> None:
    """An `__init__.py` beside the rooms would hide the four others."""
    for room in ROOMS:
        assert not (ROOT / room / "nearproof" / "__init__.py").exists()
        assert (ROOT / room / "nearproof" / room / "__init__.py").exists()


def test_only_two_files_import_cryptography() -> None:
    """The core's primitives and the server's certificate: two files to be reviewed."""
    importers = {
        file.name
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        if re.search(r"^\s*(from|import) cryptography\b", file.read_text(), re.MULTILINE)
    }
    assert importers == {"primitives.py", "certificate.py"}


def test_radio_libraries_stay_in_their_drivers() -> None:
    """bless and bleak live in ble/bluez, bumble in ble/virtual."""
    homes = {"bleak": "bluez", "bless": "bluez", "bumble": "virtual"}
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            for library, home in homes.items():
                if re.search(rf"^\s*(from|import) {library}\b", file.read_text(), re.MULTILINE):
                    assert file.parent.name == home, f"{file} imports {library}"


def test_files_stay_readable() -> None:
    """A file that grows past about 400 lines wants to be two ideas."""
    long = {
        str(file.relative_to(ROOT)): lines
        for room in (*ROOMS, "tests", "scripts")
        for file in (ROOT / room).rglob("*.py")
        if (lines := len(file.read_text().splitlines())) > 450
    }
    assert long == {}
