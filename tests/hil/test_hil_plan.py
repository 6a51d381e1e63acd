"""How `--hil` is understood, and laptops that a command reaches."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from hil.laptops import open_pair
from hil.plan import REPO, SSH, Part, Plan, PlanError, parse
from hil.remote import Computer, RemoteError, Unreachable
from nearproof.ble.virtual.air import open_air

HERE = Part((), "bluez:hci0")


def test_the_rig_is_no_plan() -> None:
    """`rig` stands for the virtual laptops."""
    assert parse("rig") is None


def test_two_adapters_of_one_machine() -> None:
    """`local` names OLD's adapter, then NEW's."""
    assert parse("local:hci1,hci0") == Plan(Part((), "bluez:hci1"), HERE)


@pytest.mark.parametrize(
    ("spec", "plan"),
    [
        ("ssh:me@localhost", Plan(HERE, Part((*SSH, "me@localhost"), "bluez:hci0"))),
        (
            "ssh:me@laptop,role=old,checkout=/src,radio=hci2",
            Plan(Part((*SSH, "me@laptop"), "bluez:hci2", "/src"), HERE, "laptop"),
        ),
        (
            "exec:reach it,radio=hci:usb:0,here=hci3,backend=10.0.0.1",
            Plan(Part((), "bluez:hci3"), Part(("reach", "it"), "hci:usb:0"), "10.0.0.1"),
        ),
        (
            "exec:reach 2,old=reach 1,checkout=/src",
            Plan(
                Part(("reach", "1"), "bluez:hci0", "/src"),
                Part(("reach", "2"), "bluez:hci0", "/src"),
            ),
        ),
    ],
)
def test_another_laptop(spec: str, plan: Plan) -> None:
    """The other laptop is NEW unless it is said to be OLD; the backend is OLD's."""
    assert parse(spec) == plan


@pytest.mark.parametrize(
    "spec",
    ["", "rig:2", "local:", "local:hci0", "local:hci0,hci0", "ssh:", "ssh:a,b", "ssh:a,role=both"],
)
def test_what_cannot_be_understood(spec: str) -> None:
    """Anything else is refused with a sentence that says what is wrong."""
    with pytest.raises(PlanError, match="--hil"):
        parse(spec)


async def test_a_command_on_another_laptop(tmp_path: Path) -> None:
    """Words arrive as they were given, whatever is in them; so does standard input."""
    file = tmp_path / "it's a $file"
    computer = Computer(("sh", "-c"))
    await computer.run("tee", str(file), stdin=b"said")
    assert (await computer.run("cat", str(file))).stdout == b"said"


async def test_a_command_that_fails() -> None:
    """A command that ends badly raises what it said."""
    with pytest.raises(RemoteError, match="no such laptop"):
        await Computer(("sh", "-c")).run("sh", "-c", "echo no such laptop >&2; exit 3")


async def test_a_laptop_out_of_reach() -> None:
    """If nothing runs there, what the reaching command said is raised."""
    reach = ("sh", "-c", "echo no route >&2; exit 255")
    with pytest.raises(Unreachable, match="no route"):
        await Computer(reach).run("true")
    with pytest.raises(Unreachable, match="no-such-command does not start"):
        await Computer(("no-such-command",)).run("true")


@pytest.mark.parametrize("reach", [(), ("sh", "-c")])
async def test_a_signal_arrives(reach: tuple[str, ...]) -> None:
    """A signal reaches the command itself, not just what reaches the laptop."""
    script = "trap 'echo caught; exit 7' INT; echo set; while :; do read -r _; done"
    async with Computer(reach).spawn("bash", "-c", script) as process:
        assert await process.stdout.readline() == b"set\n"
        process.signal(signal.SIGINT)
        process.write(b"\n")
        async with asyncio.timeout(10):
            assert await process.stdout.readline() == b"caught\n"
            await process.wait()


async def test_a_ceremony_with_a_laptop_that_a_command_reaches() -> None:
    """The way to a real laptop, with a shell for ssh and the emulated air for the radios."""
    async with open_air() as (_, air):
        spec = f"exec:sh -c,radio={air},here={air},checkout={REPO}"
        async with open_pair(spec) as pair, pair.ceremony(typed=True, typing=0) as ceremony:
            assert await ceremony.ended() == (0, 0), ceremony.story()


async def test_a_laptop_that_is_not_fit() -> None:
    """Before anything starts, what is missing is said, and where."""
    with pytest.raises(PlanError, match="this machine: bluez:hci77 is not fit to be a peripheral"):
        async with open_pair("local:hci77,hci78"):
            pass
    with pytest.raises(PlanError, match="no working checkout in /nowhere"):
        async with open_pair("exec:sh -c,role=old,checkout=/nowhere"):
            pass
