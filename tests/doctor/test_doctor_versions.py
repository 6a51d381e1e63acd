"""Versions and BlueZ's configuration are read as their writers mean them."""

from __future__ import annotations

import pytest

from nearproof.daemon.doctor import versions
from nearproof.daemon.doctor.main_conf import advertising_interval
from nearproof.daemon.doctor.versions import Version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("bluetoothctl: 5.66", (5, 66)),
        ("5.66-1+deb12u2", (5, 66)),
        ("5.100", (5, 100)),
        ("6.18.34+rpt-rpi-2712", (6, 18, 34)),
        ("7-rc1", None),
        ("", None),
    ],
)
def test_parse(text: str, version: Version | None) -> None:
    """The dotted number, whatever stands around it; numbers compare as numbers."""
    assert versions.parse(text) == version


@pytest.mark.parametrize(
    ("release", "version", "expected"),
    [
        ("6.1.0-28-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)", (6, 1, 119)),
        (
            "6.18.34+rpt-rpi-2712",
            "#1 SMP PREEMPT Debian 1:6.18.34-1+rpt1 (2026-06-09)",
            (6, 18, 34),
        ),
        ("6.8.0-45-generic", "#45-Ubuntu SMP PREEMPT_DYNAMIC", (6, 8, 0)),
        ("6.12.93", "#1-NixOS SMP", (6, 12, 93)),
        ("mainline", "", None),
    ],
)
def test_kernel(release: str, version: str, expected: Version | None) -> None:
    """Debian's release says less than its version."""
    assert versions.kernel(release, version) == expected


def test_dotted() -> None:
    """Back to how people write it."""
    assert versions.dotted((5, 66)) == "5.66"


BOTH = "MinAdvertisementInterval={}\nMaxAdvertisementInterval={}\n"


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("", 1280),
        ("[LE]\n" + BOTH.format(160, 160), 100),
        ("[LE]\n" + BOTH.format("0xa0", "0xA0"), 100),
        ("[LE]\n" + BOTH.format(160, 800), 500),
        ("[LE]\nMaxAdvertisementInterval=160\n", 1280),  # the other one stays at the default
        ("[LE]\n" + BOTH.format(1, 1), 20),
        ("[LE]\n" + BOTH.format(99999, 99999), 10240),
        ("[LE]\n" + BOTH.format("fast", "160 # ms"), 1280),
        ("[General]\n" + BOTH.format(160, 160), 1280),
        ("[LE]\n#" + BOTH.format(160, 160), 1280),
        ("[LE]\n" + BOTH.lower().format(160, 160), 1280),
        ("[LE]\n" + BOTH.format(800, 800) + "[General]\n[LE]\n" + BOTH.format(160, 160), 100),
        ("[LE]\nA=1\n  " + BOTH.format(160, 160), 100),
        ("no group\n", 1280),
        ("[LE]\n" + BOTH.format(160, 160) + "nonsense\n", 1280),  # GKeyFile refuses the file
    ],
)
def test_main_conf(text: str, milliseconds: float) -> None:
    """The longest interval that bluetoothd would make of the file."""
    assert advertising_interval(text) == milliseconds
