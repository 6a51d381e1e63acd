"""What BlueZ knows of the other laptop after a link: nothing, so that a scan finds it again."""

from __future__ import annotations

import pytest
from dbus_fast import Variant

from bluez.fake_bluez import ADAPTER, DEVICE, BluezFault, FakeBluez
from bluez.fake_peers import EID, RemotePeripheral
from bluez.witnesses import LinkRecord, first_advert
from nearproof.ble.bluez.central import BluezCentral
from nearproof.ble.errors import BluetoothError
from nearproof.ble.ports import Advert, Channel, Link
from nearproof.ble.uuids import SERVICE

GAP = "00001800-0000-1000-8000-00805f9b34fb"
BATTERY = "0000180f-0000-1000-8000-00805f9b34fb"


@pytest.mark.parametrize("ending", ["lost", "left"])
async def test_same_laptop_is_found_again(
    central: BluezCentral, old: RemotePeripheral, link: Link, events: LinkRecord, ending: str
) -> None:
    """BlueZ hides the EID of a device whose services it knows; the second scan yields it too."""
    await link.subscribe(Channel.MESSAGES)
    if ending == "lost":
        old.drop()
        await events.has(("lost",))
    else:
        await link.disconnect()
    advert = await first_advert(central)
    assert advert.service_uuids == (EID,)
    again = await central.connect(advert, LinkRecord())
    await again.subscribe(Channel.MESSAGES)


async def test_found_again_after_the_adapter_was_off(
    bluez: FakeBluez, central: BluezCentral, old: RemotePeripheral, link: Link, events: LinkRecord
) -> None:
    """BlueZ forgets no device while the adapter is off: the next scan sees to it again."""
    bluez.change(bluez.path, ADAPTER, Powered=Variant("b", False))
    old.drop()
    await events.has(("lost",))
    with pytest.raises(BluetoothError):
        await first_advert(central)
    bluez.change(bluez.path, ADAPTER, Powered=Variant("b", True))
    assert (await first_advert(central)).service_uuids == (EID,)


async def test_device_is_not_left_behind(
    bluez: FakeBluez, central: BluezCentral, old: RemotePeripheral, link: Link
) -> None:
    """`Connect` has made the device permanent; after the session it is gone from the settings."""
    assert old.path in bluez.objects
    await central.close()
    assert old.path not in bluez.objects


async def test_nor_after_a_failure(
    bluez: FakeBluez, central: BluezCentral, old: RemotePeripheral, advert: Advert
) -> None:
    """So is one that could not be connected."""
    old.connects.append(BluezFault("Failed", "le-connection-abort-by-remote"))
    with pytest.raises(BluetoothError):
        await central.connect(advert, LinkRecord())
    await central.close()
    assert old.path not in bluez.objects


@pytest.mark.parametrize("mark", ["Paired", "Bonded", "Trusted", "Blocked"])
async def test_the_users_own_devices_stay(
    bluez: FakeBluez, central: BluezCentral, old: RemotePeripheral, link: Link, mark: str
) -> None:
    """A laptop that the user has paired, trusted or blocked, if only meanwhile, is left alone."""
    bluez.change(old.path, DEVICE, **{mark: Variant("b", True)})
    await central.close()
    assert old.path in bluez.objects


@pytest.mark.parametrize("services", [[SERVICE], [GAP, SERVICE], [GAP]])
@pytest.mark.parametrize("connected", [False, True])
async def test_leftovers_of_a_killed_session(
    bluez: FakeBluez, services: list[str], *, connected: bool
) -> None:
    """What a kill -9 left is gone before the first scan, also if OLD no longer serves.

    Devices that offer anything else, or have not been connected, stay.
    """
    left, other, new = (RemotePeripheral(bluez) for _ in range(3))
    for each, uuids in ((left, services), (other, [GAP, BATTERY]), (new, [])):
        each.advertise()
        bluez.change(
            each.path,
            DEVICE,
            UUIDs=Variant("as", uuids),
            Connected=Variant("b", connected),
        )
    central = BluezCentral()
    await central.open()
    assert left.path not in bluez.objects
    assert {other.path, new.path} <= bluez.objects.keys()
    await central.close()


async def test_leftovers_that_cannot_be_removed(bluez: FakeBluez) -> None:
    """They are not worth a session."""
    left = RemotePeripheral(bluez)
    left.advertise()
    bluez.change(left.path, DEVICE, UUIDs=Variant("as", [SERVICE]))

    def judge(member: str) -> None:
        if member == "RemoveDevice":
            raise BluezFault("Failed", "")

    bluez.judge_call = judge
    central = BluezCentral()
    await central.open()
    await central.close()
