"""Each thing that can stand in the way of Bluetooth is named as what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bluez.fake_bluez import BluezFault, FakeBluez
from bluez.private_bus import PrivateBus, private_bus
from nearproof.ble.bluez.adapter import Role, bluez_version, examine, power_on, preflight
from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.errors import BluetoothError, BluetoothReason


async def reason(
    adapter: str = "hci0", role: Role = Role.PERIPHERAL, **options: Any
) -> BluetoothError:
    with pytest.raises(BluetoothError) as failed:
        await preflight(adapter, role, **options)
    return failed.value


def switch(
    directory: Path, name: str, *, soft: int = 0, hard: int = 0, kind: str = "bluetooth"
) -> None:
    """An entry of /sys/class/rfkill."""
    entry = directory / f"rfkill{len(list(directory.iterdir()))}"
    entry.mkdir()
    for attribute, value in {"type": kind, "name": name, "soft": soft, "hard": hard}.items():
        (entry / attribute).write_text(f"{value}\n")


@pytest.mark.parametrize("role", list(Role))
async def test_all_is_well(bluez: FakeBluez, role: Role) -> None:
    """A fit adapter is told with its object and address, and nothing about it is changed."""
    facts = await preflight("hci0", role)
    assert (facts.path, facts.address, facts.discoverable) == (bluez.path, bluez.address, False)
    assert [member for member, _ in bluez.calls.entries] == ["GetManagedObjects"]


@pytest.mark.parametrize(
    "address", ["unix:path=/nonexistent/bus", "nonsense", "tcp:host=127.0.0.1,port=1"]
)
async def test_no_dbus(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """No system bus at all, as in a bare container."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    assert (await reason()).reason is BluetoothReason.NO_DBUS


async def test_no_bluez(bus: PrivateBus) -> None:
    """A bus on which nobody owns org.bluez."""
    assert (await reason()).reason is BluetoothReason.NO_BLUEZ


async def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bus whose policy does not let us talk to BlueZ."""
    rules = '<deny send_destination="org.bluez"/>'
    async with private_bus(tmp_path, rules) as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        bluez = FakeBluez()
        await bluez.start()
        assert (await reason()).reason is BluetoothReason.NO_PERMISSION
        await bluez.stop()


async def test_no_adapter(bus: PrivateBus, tmp_path: Path) -> None:
    """BlueZ without any adapter."""
    bluez = FakeBluez(adapter=None)
    await bluez.start()
    failed = await reason(rfkill=tmp_path)
    assert failed.reason is BluetoothReason.NO_ADAPTER
    await bluez.stop()


async def test_other_adapter(bus: PrivateBus, tmp_path: Path) -> None:
    """hci10 is not hci1; the adapters that are there are named."""
    bluez = FakeBluez(adapter="hci10")
    await bluez.start()
    failed = await reason("hci1", rfkill=tmp_path)
    assert failed.reason is BluetoothReason.NO_ADAPTER
    assert "hci10" in failed.detail
    await bluez.stop()


async def test_powered_off(bus: PrivateBus, tmp_path: Path) -> None:
    """An adapter that is off, though nothing blocks it; other switches do not count."""
    switch(tmp_path, "phy0", soft=1, kind="wlan")
    switch(tmp_path, "hci1", soft=1)
    switch(tmp_path, "hci0")
    (tmp_path / "rfkill9").mkdir()
    bluez = FakeBluez(powered=False)
    await bluez.start()
    assert (await reason(rfkill=tmp_path)).reason is BluetoothReason.POWERED_OFF
    await bluez.stop()


@pytest.mark.parametrize(
    ("name", "soft", "hard", "word"),
    [("hci0", 1, 0, "rfkill"), ("hci0", 1, 1, "hardware"), ("tpacpi_bluetooth_sw", 1, 0, "rfkill")],
)
async def test_blocked(
    bus: PrivateBus, tmp_path: Path, name: str, soft: int, hard: int, word: str
) -> None:
    """rfkill, by software or by a key, of the adapter or of the whole laptop."""
    switch(tmp_path, name, soft=soft, hard=hard)
    bluez = FakeBluez(powered=False)
    await bluez.start()
    failed = await reason(rfkill=tmp_path)
    assert failed.reason is BluetoothReason.BLOCKED
    assert word in failed.detail
    await bluez.stop()


async def test_blocked_without_adapter(bus: PrivateBus, tmp_path: Path) -> None:
    """A switch that cuts the radio off leaves no adapter: that is blocked, not missing."""
    switch(tmp_path, "ideapad_bluetooth", soft=1)
    bluez = FakeBluez(adapter=None)
    await bluez.start()
    assert (await reason(rfkill=tmp_path)).reason is BluetoothReason.BLOCKED
    await bluez.stop()


@pytest.mark.parametrize(
    ("roles", "role", "expected"),
    [
        (("central",), Role.PERIPHERAL, BluetoothReason.NO_PERIPHERAL_ROLE),
        ((), Role.PERIPHERAL, BluetoothReason.NO_PERIPHERAL_ROLE),
        ((), Role.CENTRAL, BluetoothReason.NO_ADAPTER),
    ],
)
async def test_missing_role(
    bus: PrivateBus, roles: tuple[str, ...], role: Role, expected: BluetoothReason
) -> None:
    """An adapter that cannot advertise, or has no LE at all."""
    bluez = FakeBluez(roles=roles)
    await bluez.start()
    assert (await reason(role=role)).reason is expected
    await bluez.stop()


async def test_drivers_say_so(bus: PrivateBus) -> None:
    """A driver's `open` raises what the preflight finds, and can be tried again."""
    central = BluezCentral()
    with pytest.raises(BluetoothError) as failed:
        await central.open()
    assert failed.value.reason is BluetoothReason.NO_BLUEZ
    bluez = FakeBluez()
    await bluez.start()
    await central.open()
    await central.close()
    await bluez.stop()


async def test_examine(bluez: FakeBluez) -> None:
    """As a list: every check that passed, in order; a failed one comes last."""
    findings = await examine("hci0", Role.PERIPHERAL)
    assert all(finding.ok and finding.detail for finding in findings)
    assert [finding.reason for finding in findings] == [
        BluetoothReason.NO_DBUS,
        BluetoothReason.NO_BLUEZ,
        BluetoothReason.NO_PERMISSION,
        BluetoothReason.NO_ADAPTER,
        BluetoothReason.BLOCKED,
        BluetoothReason.POWERED_OFF,
        BluetoothReason.NO_PERIPHERAL_ROLE,
    ]
    findings = await examine("hci7", Role.PERIPHERAL)
    assert [finding.ok for finding in findings] == [True, True, True, False]
    assert findings[-1].reason is BluetoothReason.NO_ADAPTER


async def test_power_on(bus: PrivateBus) -> None:
    """Powering on is a step of its own; it says when rfkill forbids it."""
    bluez = FakeBluez(powered=False)
    await bluez.start()

    def judge(member: str) -> None:
        if member == "Set":
            raise BluezFault("Blocked", "Blocked through rfkill")

    bluez.judge_call = judge
    with pytest.raises(BluetoothError) as blocked:
        await power_on("hci0")
    assert blocked.value.reason is BluetoothReason.BLOCKED
    bluez.judge_call = lambda member: None
    await power_on("hci0")
    assert bluez.setting("Powered") is True
    await bluez.stop()


async def test_bluez_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version comes from bluetoothctl; without that it is unknown."""
    command = tmp_path / "bluetoothctl"
    command.write_text("#!/bin/sh\necho 'bluetoothctl: 5.66'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await bluez_version() == "5.66"
    command.unlink()
    assert await bluez_version() is None
