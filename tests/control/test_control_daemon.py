"""The daemon as a process: its socket, its manager, its death, and its size."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bluez.private_bus import PrivateBus
from control.running import PATIENCE, Daemon, daemon
from desktop.fake_notifier import FakeNotifier
from nearproof.config.home import Home
from nearproof.daemon.control import process, systemd
from nearproof.daemon.control.sockets import NAME, socket_path
from nearproof.daemon.demo.stage import Actor, Stage, open_stage
from recording import Recorder

IDLE = 45  # MiB


def sockets(runtime: Path) -> list[Path]:
    folder = runtime / "nearproof"
    return [each for each in folder.iterdir() if each.is_socket()] if folder.exists() else []


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A backend whose waiting time is long, an air, and OLD, active."""
    async with open_stage(tmp_path, wait=3600, seed=1, watch=lambda _: None) as stage:
        await stage.enrol("old")
        yield stage
        await stage.close()


async def status(home: Path) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nearproof.daemon", "--json", "--home", str(home), "status"),
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    said: dict[str, Any] = json.loads(out)
    return said


async def vanish(actor: Actor) -> None:
    """The terminal's program is killed."""
    os.kill(actor.pid, signal.SIGKILL)
    await actor.exit_code()


# -- socket -----------------------------------------------------------------------------------


async def test_the_socket_is_private_and_goes_with_its_daemon(
    tmp_path: Path, runtime: Path
) -> None:
    """0600 in a folder 0700; a second daemon of this home is told that one runs."""
    async with daemon(tmp_path / "home", runtime) as running:
        (path,) = sockets(runtime)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nearproof.daemon", "--json"),
            *("--home", str(tmp_path / "home"), "daemon"),
            stdout=subprocess.PIPE,
        )
        out, _ = await second.communicate()
        assert (second.returncode, json.loads(out)["reason"]) == (75, "daemon_runs")
        async with daemon(tmp_path / "another", runtime):
            assert len(sockets(runtime)) == 2
        assert await running.stop() == 0  # told to end is no failure
    assert sockets(runtime) == []


async def test_what_a_killed_daemon_leaves_is_no_daemon(tmp_path: Path, runtime: Path) -> None:
    """Commands serve themselves; the next daemon takes the place."""
    async with daemon(tmp_path / "home", runtime) as running:
        await running.kill()
    (path,) = sockets(runtime)
    assert (await status(tmp_path / "home"))["daemon"] is False
    async with daemon(tmp_path / "home", runtime):
        assert sockets(runtime) == [path]
        assert (await status(tmp_path / "home"))["daemon"] is True


def test_the_default_home_has_the_interfaces_own_name(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that other programs find it; any other home's is told apart."""
    default = Path("/home/anna/.local/share/nearproof")
    assert socket_path(default, default) == runtime / "nearproof" / NAME
    other = socket_path(Path("/elsewhere"), default)
    assert other is not None and other.name.startswith(f"{NAME}.")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "not-there"))
    assert socket_path(default, default) is None


async def test_a_place_that_others_can_enter_is_refused(tmp_path: Path, runtime: Path) -> None:
    """Somebody else made the folder, or opened it."""
    (runtime / "nearproof").mkdir(mode=0o755)
    (runtime / "nearproof").chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nearproof.daemon", "--json"),
        *("--home", str(tmp_path / "home"), "daemon"),
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert (process.returncode, json.loads(out)["reason"]) == (22, "daemon_no_place")


# -- manager ----------------------------------------------------------------------------------


async def test_the_manager_is_told(tmp_path: Path, runtime: Path) -> None:
    """Ready, alive twice as often as the watchdog asks, how it goes, and that it ends."""
    async with daemon(tmp_path / "home", runtime, WATCHDOG_USEC="400000") as running:
        manager = running.manager
        await manager.until("WATCHDOG=1", count=5)
        await manager.until("STATUS=no active laptop here")
        await running.stop()
        assert manager.told[0] == "READY=1"
    # A manager that is gone does not hold the daemon up: nothing was raised above.


async def test_the_socket_may_be_the_managers(tmp_path: Path, runtime: Path) -> None:
    """Socket activation (sd_listen_fds(3)): served, and left where it is."""
    import socket

    path = runtime / "given"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        script = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3);"
            "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'};"
            "os.execv(sys.executable, [sys.executable, '-m', 'nearproof.daemon', *sys.argv[2:]])"
        )
        words = (str(listener.fileno()), "--json", "--home", str(tmp_path / "home"), "daemon")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, *words),
            pass_fds=(listener.fileno(),),
            stdout=subprocess.PIPE,
        )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert (ready["event"], ready["socket"]) == ("daemon_ready", str(path))
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b'{"method": "org.varlink.service.GetInfo"}\0')
    assert b"nearproof" in await reader.readuntil(b"\0")
    writer.close()
    await writer.wait_closed()
    process.terminate()
    await process.communicate()
    assert path.exists()


def test_the_unit_is_one_that_systemd_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed where the user's manager looks; nothing in it is unknown, or misspelt."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", [str(Path(sys.executable).with_name("nearproof"))])
    path = systemd.write_unit(Path('/home/a 50% "b" $c'))
    assert path == tmp_path / "systemd" / "user" / "nearproof.service"
    text = path.read_text()
    assert 'ExecStart="' in text and "@NEARPROOF@" not in text
    assert r'"--home" "/home/a 50%% \"b\" $$c" daemon' in text
    if shutil.which("systemd-analyze"):
        verified = subprocess.run(
            ["systemd-analyze", "verify", "--user", "--man=no", str(path)],
            capture_output=True,
            text=True,
            env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_LOG_LEVEL": "warning"},
        )
        assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("given", [True, False])
def test_a_program_that_started_over_leaves_the_managers_socket(
    tmp_path: Path, given: bool
) -> None:
    """It still knows whose it is: its own is gone when it ends, the manager's stays."""
    path = tmp_path / "socket"
    begin = (
        "import os, sys, socket\n"
        "from pathlib import Path\n"
        "from nearproof.daemon.control.sockets import hand_over, listening\n"
        "home, path = map(Path, sys.argv[1:])\n"
    )
    managers = (
        "made = socket.socket(socket.AF_UNIX); made.bind(str(path)); made.listen()\n"
        "os.dup2(made.fileno(), 3)\n"
        "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}\n"
    )
    over = "with listening(home, path) as it:\n    hand_over(it)\n"

    def then(program: str) -> str:
        words = "[sys.executable, '-c', program, *sys.argv[1:]]"
        return f"{over}    program = {program!r}\n    os.execv(sys.executable, {words})\n"

    last = begin + "with listening(home, path) as it: print(it.renewed, it.given)\n"
    first = then(begin + then(last))  # twice: from then on the socket has its number already
    done = subprocess.run(
        [sys.executable, "-c", begin + (managers if given else "") + first, tmp_path, path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"True {given}\n"
    assert path.exists() is given


# -- death and size ---------------------------------------------------------------------------


async def test_a_client_that_vanishes_leaves_the_hour_alone(stage: Stage, runtime: Path) -> None:
    """Killed at its question, and in the wait: the next one goes on at once."""
    async with daemon(stage.folder / "old", runtime) as running:
        asked = await stage.run("old", "old", "copy", "--radio", stage.air, "--show", "png:x")
        await vanish(asked)
        first = await stage.old_copy()
        await first.until("waiting")
        await vanish(first)
        second = await stage.old_copy()
        await second.until("waiting")
        assert not any(each.get("what") == "pin" for each in second.told)
        assert running.process.returncode is None
        await running.stop()
        assert (await second.exit_code(), second.failure()["reason"]) == (75, "daemon_stopped")


async def test_a_killed_daemon_is_said_and_the_next_waits_on(
    screen: FakeNotifier, bus: PrivateBus, stage: Stage, runtime: Path
) -> None:
    """kill -9 in the hour, under a client: it says so; another daemon needs the home alone."""
    home = stage.folder / "old"
    session = {"DBUS_SESSION_BUS_ADDRESS": bus.address}
    waiting = "STATUS=hearing; the waiting time of a copy ends in"
    async with daemon(home, runtime, **session) as running:
        client = await stage.old_copy()
        await client.until("waiting")
        await running.manager.until(waiting)
        await running.kill()
        assert (await client.exit_code(), client.failure()["reason"]) == (75, "daemon_lost")
    async with daemon(home, runtime, **session) as running:
        await running.manager.until(waiting)
        again = await stage.old_copy()
        await again.until("waiting")
        await again.stop()
        assert again.failure()["exit"] == 19


async def test_an_activations_hour_outlives_its_terminal(stage: Stage, runtime: Path) -> None:
    """An invite beside an active laptop: the daemon waits on, `status` says how long."""
    home = stage.folder / "second"
    await stage.done("second", "join", stage.join_line)
    code = await stage.invited()
    async with daemon(home, runtime) as running:
        activating = await stage.run("second", "new", "activate", "--label", "second")
        activating.type(code)
        await activating.until("waiting")
        await vanish(activating)
        await running.manager.until("STATUS=the waiting time of an activation ends in")
        standing = await status(home)
        assert (standing["state"], standing["next"]) == ("enrolling", "wait_activate")
        assert 3500 < standing["waits"] <= 3600
        again = await stage.run("second", "new", "activate")
        await again.until("waiting")
        assert not any(each.get("what") == "activation_code" for each in again.told)


async def test_a_choice_is_taken_up_at_once(
    screen: FakeNotifier, bus: PrivateBus, stage: Stage, runtime: Path
) -> None:
    """Notifications off: nothing of a copy is shown; on again: what is under way is."""
    session = {"DBUS_SESSION_BUS_ADDRESS": bus.address}
    async with daemon(stage.folder / "old", runtime, **session) as running:
        await stage.done("old", "choices", "--no-notifications")
        client = await stage.old_copy()
        await client.until("waiting")
        await vanish(client)
        await running.manager.until("STATUS=hearing; the waiting time of a copy ends in")
        assert not screen.popups
        await stage.done("old", "choices", "--notifications")
        async with asyncio.timeout(PATIENCE):
            while not screen.popups:
                screen.news.clear()
                await screen.news.wait()
        assert screen.only().summary == "A copy has been ordered"


async def test_an_idle_daemon_is_small_again_after_a_copy(tmp_path: Path, runtime: Path) -> None:
    """It holds both roles; what drew, scanned and advertised does not stay in memory."""
    async with open_stage(tmp_path, wait=0, seed=1, watch=lambda _: None) as stage:
        async with (
            daemon(stage.folder / "old", runtime) as old_daemon,
            daemon(stage.folder / "new", runtime) as new_daemon,
        ):
            await stage.enrol("old")
            await stage.done("new", "join", stage.join_line)
            old, new = await stage.old_copy(), await stage.new_copy()
            code = (await new.until("code"))["code"]
            # Both have a client now: neither starts over before that is gone, each by its own.
            daemons = [(each, len(each.manager.told)) for each in (old_daemon, new_daemon)]
            grown = [each.resident() for each, _ in daemons]
            old.type(code)
            assert (await old.exit_code(), await new.exit_code()) == (0, 0)
            await asyncio.gather(*(renewed(each, since) for each, since in daemons))
            idle = [each.resident() for each, _ in daemons]
            print("resident, MiB:", grown, "->", idle)
            assert max(idle) < min(IDLE, *grown)
            for name in ("old", "new"):
                await stage.done(name, "status")


async def test_the_quiet_is_counted_from_the_last_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that came and went meanwhile: the program is not started over right behind it."""
    monkeypatch.setattr(process, "ROLES", ("sys",))
    running = process._Daemon(Home(tmp_path), Recorder().console)
    running._idle()
    first = running._rest
    running._idle()
    assert first is not None and first.cancelled()
    assert running._rest is not None and not running._rest.cancelled()
    running._rest.cancel()


async def renewed(running: Daemon, since: int) -> None:
    """The program has started over after `since` lines, in the same process, and hears again."""
    await running.manager.after(since, "READY=1", "STATUS=hearing")
    assert running.process.returncode is None
