"""BlueZ in the laptops, and the faults that can be made."""

from __future__ import annotations

import pytest

from rig.laptop import Laptop
from rig.pair import Rig

pytestmark = [pytest.mark.rig, pytest.mark.asyncio(loop_scope="module")]


async def adapter(laptop: Laptop) -> dict[str, str]:
    """What bluetoothctl shows of the adapter."""
    shown = await laptop.run("bluetoothctl", "show")
    lines = [line.strip().partition(": ") for line in shown.text.splitlines()]
    return {key: value for key, _, value in lines}


async def test_each_has_an_adapter_of_its_own(rig: Rig) -> None:
    """Both adapters are powered, take both roles and have different addresses."""
    for laptop in rig.laptops:
        about = await adapter(laptop)
        assert about["Powered"] == "yes"
        assert about["Alias"] == laptop.name
    shown = [await laptop.run("bluetoothctl", "list") for laptop in rig.laptops]
    assert shown[0].text.split()[1] != shown[1].text.split()[1]


async def test_bluetoothd_killed_and_restarted(rig: Rig) -> None:
    """bluetoothd can be killed; started again it powers the adapter by itself."""
    laptop = rig.laptops[0]
    await laptop.kill("bluetoothd")
    absent = await laptop.run("busctl", "status", "org.bluez", check=False)
    assert absent.code != 0
    laptop.start_bluetoothd()
    await laptop.bluetooth_powered()


async def test_dongle_pulled_and_plugged_in(rig: Rig) -> None:
    """Without btattach there is no adapter; with it there is one again, powered."""
    laptop = rig.laptops[0]
    await laptop.kill("btattach")
    assert (await laptop.run("ls", "/sys/class/bluetooth")).text == ""
    laptop.plug_in()
    await laptop.bluetooth_powered()


async def test_bus_killed_and_restarted(rig: Rig) -> None:
    """The bus can be killed, which ends bluetoothd; both come back."""
    laptop = rig.laptops[0]
    await laptop.kill("dbus-daemon")
    await laptop.kill("bluetoothd")
    await laptop.start_bus()
    laptop.start_bluetoothd()
    await laptop.bluetooth_powered()
