"""The daemon as a unit of a real `systemd --user`, installed as a user would."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control.login import HOME, NEARPROOF, USER, Login, forbidden, lacking, logged_in
from control.running import PATIENCE
from control.test_control_daemon import IDLE
from desktop.fake_notifier import FakeNotifier
from nearproof.daemon.control.systemd import unit
from nearproof.daemon.demo.people import PIN
from nearproof.daemon.demo.stage import Actor, Stage, open_stage

UNIT = f"{HOME}/.config/systemd/user/nearproof.service"
CONFINED = str(Path(__file__).with_name("confined.py"))


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    """Skip where no session can be made; what apt would bring must be there in CI."""
    if reason := lacking():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    if reason := forbidden():
        pytest.skip(reason)


@pytest.fixture
async def login() -> AsyncIterator[Login]:
    async with logged_in() as login:
        yield login


async def install(login: Login) -> str:
    """As the command says, and what that told."""
    said = await login.run(NEARPROOF, "daemon", "install")
    lines = [line for line in said.splitlines() if line.startswith("systemctl --user")]
    assert len(lines) == 2
    return "".join([await login.run(*line.split()) for line in lines])


async def done(actor: Actor) -> None:
    """A command ends well."""
    assert await actor.exit_code() == 0, actor.failure()


async def alter(login: Login, *lines: str) -> None:
    """What `systemctl --user edit` does, and a restart."""
    folder = login.path(f"{UNIT}.d")
    folder.mkdir(exist_ok=True)
    (folder / "test.conf").write_text("\n".join(["[Service]", *lines, ""]))
    await login.run("systemctl", "--user", "daemon-reload")
    await login.run("systemctl", "--user", "restart", "nearproof")


async def test_a_user_installs_it_and_it_runs_at_every_login(login: Login) -> None:
    """Started by the two printed lines, ready by its own word; the command line is its client."""
    assert "Created symlink" in await install(login)
    shown = await login.run("systemctl", "--user", "status", "--no-pager", "nearproof")
    assert "Active: active (running)" in shown and 'Status: "no active laptop here"' in shown
    assert json.loads(await login.run(NEARPROOF, "--json", "status"))["daemon"] is True
    await login.run("systemctl", "--user", "stop", "nearproof")
    how = await login.show("ActiveState", "Result", "ExecMainCode", "ExecMainStatus")
    assert how == ["inactive", "success", "1", "0"]  # 1: it exited by itself (CLD_EXITED)
    assert not login.path(f"/run/user/{USER}/nearproof/io.nearproof.Laptop").exists()
    assert json.loads(await login.run(NEARPROOF, "--json", "status"))["daemon"] is False
    await login.log_out()
    await login.until("ActiveState", "active")
    assert json.loads(await login.run(NEARPROOF, "--json", "status"))["daemon"] is True


async def test_one_that_hangs_or_dies_is_started_again(login: Login) -> None:
    """Stopped (SIGSTOP): the watchdog ends it.  Killed: systemd sees it.  Neither leaves a core."""
    await install(login)
    await alter(login, "WatchdogSec=2")  # a minute is long for a test
    for count, how in ((1, signal.SIGSTOP), (2, signal.SIGKILL)):
        before = await login.main()
        os.kill(before, how)
        await login.until("NRestarts", str(count))
        await login.until("ActiveState", "active")
        assert await login.main() != before
        assert json.loads(await login.run(NEARPROOF, "--json", "status"))["daemon"] is True
    ends = [entry["MESSAGE"] for entry in login.journal("USER_UNIT=nearproof.service")]
    assert any("Watchdog timeout (limit 2s)!" in each for each in ends)
    assert any("code=killed, status=9/KILL" in each for each in ends)
    assert not any("dumped" in each for each in ends)


async def test_what_the_unit_forbids_cannot_be_done(login: Login, tmp_path: Path) -> None:
    """Each directive is tried: a user's manager passes over in silence what it cannot do."""
    await install(login)
    probe = tmp_path / "probe.json"
    text = login.path(UNIT).read_text()
    words = " ".join((sys.executable, CONFINED, str(probe)))
    text = re.sub(r"(?m)^ExecStart=.*$", f"ExecStart={words}", text)
    text = re.sub(r"(?m)^(Type=)notify|^(WatchdogSec|NotifyAccess|Restart)=.*", r"\1", text)
    text = text.replace("\nType=\n", "\nType=oneshot\n")
    login.path(UNIT).with_name("probe.service").write_text(text)
    await login.run("systemctl", "--user", "daemon-reload")
    failed = await login.run("systemctl", "--user", "start", "probe")
    assert failed == ""
    said = json.loads(probe.read_text())
    await login.run(*words.split())
    unconfined = json.loads(probe.read_text())
    assert unconfined == {
        "new privileges": 0,
        "umask": unconfined["umask"],
        "core": unconfined["core"],
        "packets": "EPERM",
        "realtime": "EINVAL",
        "set-user-ID": None,
        "write and execute": None,
        "personality": 0,
        "trace": 0,
        "namespace": 0,
    }
    assert said == {
        "new privileges": 1,
        "umask": 0o077,
        "core": 0,
        "packets": "EAFNOSUPPORT",
        **dict.fromkeys(list(unconfined)[4:], "EPERM"),
    }


async def test_a_whole_copy_by_two_such_daemons(login: Login, tmp_path: Path) -> None:
    """Both roles work as confined as the unit has it: home, backend, air, camera, desktop.

    The journal has no secret of it, and one line a start.  Afterwards both programs
    start over in the same process, small again.
    """
    secrets: set[str] = {PIN}

    def watch(event: dict[str, object]) -> None:
        if event["event"] in ("code", "typed"):
            secrets.add(str(event.get("typed", event.get("code"))))

    async with (
        logged_in() as other,
        open_stage(tmp_path, wait=0, seed=1, watch=watch) as stage,
    ):
        screen = FakeNotifier(login.address(f"/run/user/{USER}/bus"))
        screen.user = USER
        await screen.start()
        for each in (login, other):
            await install(each)
            await done(await each.nearproof(stage, "join", "join", stage.join_line))
        activating = await login.nearproof(stage, "old", "new", "activate", "--label", "old")
        activating.type(await stage.invited())
        await done(activating)
        await login.until("StatusText", "hearing")
        before = [await each.main() for each in (login, other)]
        old, new = await copied(stage, login, other)
        old.type((await new.until("code"))["code"])
        await done(old)
        await done(new)
        async with asyncio.timeout(PATIENCE):
            while not screen.popups:
                screen.news.clear()
                await screen.news.wait()
        await asyncio.gather(*(renewed(each) for each in before))
        assert len(secrets) >= 3  # PIN, check code, SMS code
        for each, pid in zip((login, other), before, strict=True):
            await each.until("StatusText", "hearing")
            assert await each.main() == pid
            assert await each.show("NRestarts", "ActiveState") == ["0", "active"]
            lines = each.journal("_SYSTEMD_USER_UNIT=nearproof.service")
            assert [line["MESSAGE"].split(" at ")[0] for line in lines] == ["Serving this laptop"]
            assert not any(secret in json.dumps(lines) for secret in secrets)
        await screen.stop()


async def copied(stage: Stage, old: Login, new: Login) -> tuple[Actor, Actor]:
    showing = ("--radio", stage.air, "--show", f"png:{stage.qr}")
    camera = ("--radio", stage.air, "--camera", f"lens:{stage.qr}?seed=1", "--label", "new")
    return (
        await old.nearproof(stage, "old", "old", "copy", *showing),
        await new.nearproof(stage, "new", "new", "copy", *camera),
    )


async def renewed(pid: int) -> None:
    """The program has started over, in the same process, and is small."""
    async with asyncio.timeout(PATIENCE):
        while "nearproof-renewed" not in of_process(pid, "environ"):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.1)
    lines = of_process(pid, "status").splitlines()
    resident = next(line for line in lines if line.startswith("VmRSS:"))
    assert int(resident.split()[1]) / 1024 < IDLE


def of_process(pid: int, what: str) -> str:
    return Path(f"/proc/{pid}/{what}").read_text()


def test_how_exposed_systemd_finds_it(tmp_path: Path) -> None:
    """Out of 10, judged as if it were root's; no more than it was when this was written."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    path = tmp_path / "nearproof.service"
    path.write_text(unit(None))
    judged = subprocess.run(
        ["systemd-analyze", "--user", "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    score = re.search(r"Overall exposure level for nearproof.service: ([0-9.]+)", judged.stdout)
    assert score is not None, judged.stderr
    assert float(score[1]) <= 6.7
