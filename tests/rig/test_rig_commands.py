"""Commands in the laptops: input, output, exit codes, signals, terminals."""

from __future__ import annotations

import asyncio
import hashlib
import signal

import pytest

from rig.errors import GuestError
from rig.pair import Rig

pytestmark = [pytest.mark.rig, pytest.mark.asyncio(loop_scope="module")]


async def test_each_laptop_is_a_machine_of_its_own(rig: Rig) -> None:
    """Both run under their own name, on a kernel of their own."""
    first, second = [await laptop.run("uname", "-n", "-r") for laptop in rig.laptops]
    assert first.text.split()[0] == "laptop1"
    assert second.text.split()[0] == "laptop2"


async def test_streams_and_exit_code_come_back(rig: Rig) -> None:
    """Standard input arrives, both outputs stay apart, the exit code is the command's."""
    script = "cat; echo oops >&2; exit 7"
    result = await rig.laptops[0].run("sh", "-c", script, stdin=b"hello", check=False)
    assert (result.code, result.stdout, result.stderr) == (7, b"hello", b"oops\n")


async def test_failure_raises_with_what_was_said(rig: Rig) -> None:
    """A checked command that fails raises an error which holds its code and output."""
    with pytest.raises(GuestError, match=r"(?s)ended with 3:\nwhy"):
        await rig.laptops[0].run("sh", "-c", "echo why; exit 3")


async def test_missing_command_raises(rig: Rig) -> None:
    """What cannot be started raises, and says so."""
    with pytest.raises(GuestError, match="no-such-command"):
        await rig.laptops[0].run("no-such-command")


async def test_signal_is_a_negative_code(rig: Rig) -> None:
    """A process ended by a signal reports its number, negative, as subprocess does."""
    async with rig.laptops[0].spawn("sh", "-c", "echo up; exec cat") as process:
        await process.stdout.readline()
        process.signal(signal.SIGTERM)
        assert await process.wait() == -signal.SIGTERM


async def test_leaving_the_context_kills_the_children_too(rig: Rig) -> None:
    """No process outlives its context, not even one started by it in the background."""
    laptop = rig.laptops[0]
    async with laptop.spawn("sh", "-c", "cat /dev/zero >/dev/null & echo $!; cat") as process:
        child = (await process.stdout.readline()).decode().strip()
    # `kill -0` succeeds on a zombie, hence /proc.
    state = await laptop.run("sh", "-c", f"grep -s ^State /proc/{child}/status", check=False)
    assert state.text in ("", "State:\tZ (zombie)", "State:\tX (dead)")


async def test_large_output_arrives_whole(rig: Rig) -> None:
    """The serial line loses nothing, although it is slower than the process."""
    size = 4 << 20
    script = f"import sys; sys.stdout.buffer.write((bytes(range(256)) * {size // 256}))"
    result = await rig.laptops[0].run("python", "-c", script)
    expected = hashlib.sha256(bytes(range(256)) * (size // 256)).digest()
    assert hashlib.sha256(result.stdout).digest() == expected


async def test_large_input_arrives_whole(rig: Rig) -> None:
    """Nor does it the other way."""
    data = bytes(range(256)) * 4096
    result = await rig.laptops[0].run("sha256sum", stdin=data)
    assert result.text.split()[0] == hashlib.sha256(data).hexdigest()


async def test_commands_run_side_by_side(rig: Rig) -> None:
    """A command that waits keeps no other one waiting."""
    laptop = rig.laptops[0]
    async with laptop.spawn("cat") as waiting:
        results = await asyncio.gather(*(laptop.run("echo", str(n)) for n in range(8)))
        assert [result.text for result in results] == [str(n) for n in range(8)]
        assert waiting.running


async def test_terminal_has_a_size_that_changes(rig: Rig) -> None:
    """A command may have a terminal; it learns when that is resized."""
    script = (
        "trap 'stty size; kill $!; exit' WINCH; stty size; tail -f /dev/null & echo ready; wait"
    )
    async with rig.laptops[0].spawn("bash", "-c", script, terminal=(24, 80)) as process:
        assert await process.stdout.readline() == b"24 80\r\n"
        assert await process.stdout.readline() == b"ready\r\n"
        process.resize((50, 132))
        assert await process.stdout.readline() == b"50 132\r\n"
        assert await process.wait() == 0


async def test_environment_and_directory(rig: Rig) -> None:
    """A command gets the variables and the directory it is given."""
    result = await rig.laptops[0].run(
        "sh", "-c", 'echo "$COLOUR $PWD"', env={"COLOUR": "red"}, cwd="/usr/bin"
    )
    assert result.text == "red /usr/bin"


async def test_the_host_is_read_only_and_home_is_not(rig: Rig) -> None:
    """A laptop sees this machine's files but writes only into its own memory."""
    first, second = rig.laptops
    refused = await first.run("sh", "-c", 'touch "$RIG_REPO/written"', check=False)
    assert b"Read-only file system" in refused.stderr
    await first.run("sh", "-c", "echo mine > ~/file; echo mine > /tmp/file")
    other = await second.run("sh", "-c", "cat ~/file /tmp/file", check=False)
    assert other.stdout == b""
    await first.run("sh", "-c", "rm ~/file /tmp/file")


async def test_the_checkout_runs_there(rig: Rig) -> None:
    """`python` is the checkout's, with the product's dependencies."""
    result = await rig.laptops[1].run("python", "-c", "import bleak, nearproof.ble as b; print(b)")
    assert "nearproof.ble" in result.text
