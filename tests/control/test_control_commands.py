"""Every command of the two roles, with a daemon on each laptop and without: the same words."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from control.running import daemon
from nearproof.config.home import Home
from nearproof.daemon.control.sockets import socket_path
from nearproof.daemon.demo.people import Person
from nearproof.daemon.demo.stage import Event, Hands, Stage, open_stage


@pytest.fixture(params=["daemon", "alone"])
def way(request: pytest.FixtureRequest) -> str:
    """Whether a daemon serves each laptop."""
    way: str = request.param
    return way


@pytest.fixture
async def stage(way: str, tmp_path: Path, runtime: Path) -> AsyncIterator[Stage]:
    """A backend, an air, and OLD, active."""
    async with contextlib.AsyncExitStack() as stack:
        opening = open_stage(tmp_path, wait=0, seed=1, watch=lambda _: None)
        stage = await stack.enter_async_context(opening)
        for name in ("old", "new") if way == "daemon" else ():
            await stack.enter_async_context(daemon(tmp_path / name, runtime))
        await stage.enrol("old")
        yield stage


async def said(
    stage: Stage, name: str, *arguments: str, typed: str = ""
) -> tuple[int, list[Event]]:
    """One command to its end: its exit code and everything it told."""
    actor = await stage.run(name, *arguments)
    if typed:
        actor.type(typed)
    code = await actor.exit_code()
    return code, actor.told


async def test_a_whole_copy_and_what_each_laptop_says_of_it(way: str, stage: Stage) -> None:
    """Copied, listed, revoked: `status` and `devices` say so on both laptops."""
    code, (standing,) = await said(stage, "old", "status")
    assert (code, standing["state"], standing["next"]) == (0, "active", "nothing")
    assert standing["daemon"] is (way == "daemon")
    code, (standing,) = await said(stage, "new", "status")
    assert (code, standing["state"], standing["next"]) == (0, "unjoined", "join")

    await stage.done("new", "join", stage.join_line)
    old = await stage.old_copy()
    await old.until("qr_shown")
    code, (standing,) = await said(stage, "old", "old", "status")
    assert (code, standing["next"], standing["copy"]["here"]) == (0, "show", True)
    new = await stage.new_copy()
    old.type((await new.until("code"))["code"])
    assert (await old.exit_code(), await new.exit_code()) == (0, 0), (old.told, new.told)
    assert not stage.qr.exists()

    code, (standing,) = await said(stage, "new", "status")
    assert (code, standing["state"], standing["account"]) == (0, "active", "anna")
    code, listed = await said(stage, "old", "devices", "list")
    assert [each["label"] for each in listed] == ["old", "new"]
    assert [each["event"] for each in listed] == ["device_here", "device"]
    code, told = await said(stage, "old", "devices", "revoke", "new", typed="no")
    assert (code, told[-1]["reason"]) == (19, "Declined")
    assert (await said(stage, "old", "devices", "revoke", "new", typed="yes"))[0] == 0
    code, (standing,) = await said(stage, "new", "status")
    assert (standing["state"], standing["next"]) == ("revoked", "other_laptop")


async def test_choices_are_said_and_changed(stage: Stage) -> None:
    """By a flag each, or asked for; an empty line and nobody to ask leave them as they are."""

    async def told(*flags: str, typed: str = "") -> list[str]:
        code, told = await said(stage, "old", *flags, typed=typed)
        assert code == 0, told
        return [each["event"] for each in told if each["event"].endswith(("_on", "_off"))]

    assert await told("--no-input", "choices") == ["fingerprint_off", "notifications_on"]
    off = ["fingerprint_off", "notifications_off"]
    assert await told("choices", "--no-notifications") == off
    code, events = await said(stage, "old", "choices", "--fingerprint")
    assert (code, events[-1]["reason"]) == (75, "no_fprintd"), events[-1]
    assert await told("--no-input", "choices") == off
    code, events = await said(stage, "new", "choices", "--notifications")
    assert (code, events[-1]["reason"]) == (2, "NotEnrolled")
    assert await told("choices") == [*off, "fingerprint_off", "notifications_on"]  # he says yes


async def test_a_copy_that_is_stopped_goes_on_and_can_be_cancelled(stage: Stage) -> None:
    """Ctrl-C puts the QR away and keeps the copy; `old cancel` ends it."""
    first = await stage.old_copy()
    await first.until("qr_shown")
    await first.stop()
    assert first.failure()["exit"] == 19
    assert not stage.qr.exists()
    second = await stage.old_copy()
    assert (await second.until("copy_ordered", "copy_found"))["event"]
    await second.until("qr_shown")
    code, told = await said(stage, "old", "old", "cancel")
    assert (code, told[-1]["event"]) == (0, "cancelled")
    await second.stop()
    code, told = await said(stage, "old", "old", "cancel")
    assert (code, told[-1]["event"]) == (0, "nothing_to_cancel")


def _goes_no_further(stage: Stage) -> Hands:
    """A person who names no user ID and types no code from an SMS."""
    person = Person(stage.sms)

    async def types(asked: Event) -> str | None:
        return None if asked["what"] in ("user", "sms_code") else await person.answer(asked["what"])

    return types


async def test_the_new_laptop_gives_up(stage: Stage) -> None:
    """`new cancel` ends what is under way for the account too, also where an answer was lost."""
    await stage.done("new", "join", stage.join_line)
    home = Home(stage.folder / "new")
    stage.human = _goes_no_further(stage)
    for kept in ("id", "lost"):
        old = await stage.old_copy()
        await old.until("qr_shown")
        new = await stage.new_copy()
        old.type((await new.until("code"))["code"])
        assert await old.exit_code() == 0, old.told
        await new.until("accepted")
        await new.stop()
        assert new.failure()["reason"] == "Stopped"
        if kept == "lost":  # the backend's answer to the proof
            enrolment = home.enrolment()
            assert enrolment is not None
            home.save_enrolment(msgspec.structs.replace(enrolment, id=""))
        code, told = await said(stage, "new", "new", "cancel")
        assert (code, told[-1]["event"]) == (0, "given_up"), told
        code, (standing,) = await said(stage, "new", "status")
        assert (standing["state"], home.enrolment()) == ("new", None)
        code, (standing,) = await said(stage, "old", "old", "status")
        assert standing["copy"] is None
    code, told = await said(stage, "new", "new", "cancel")
    assert (code, told[-1]["event"]) == (0, "nothing_to_give_up")
    code, told = await said(stage, "old", "new", "cancel")
    assert (code, told[-1]["reason"]) == (2, "AlreadyEnrolled")


async def test_an_activation_is_given_up(stage: Stage) -> None:
    """One that the backend has begun is cancelled there; one it knows nothing of is dropped."""
    await stage.done("new", "join", stage.join_line)
    wrong = "a" * 26
    new = await stage.run("new", "new", "activate")
    new.type(wrong)
    assert (await new.exit_code(), new.failure()["reason"]) == (13, "invite"), new.told
    home = Home(stage.folder / "new")
    assert home.enrolment() is not None
    code, told = await said(stage, "new", "new", "cancel")
    assert (code, told[-1]["event"], home.enrolment()) == (0, "given_up", None)

    stage.human = _goes_no_further(stage)
    invite = await stage.invited()
    new = await stage.run("new", "new", "activate")
    new.type(invite)
    await new.until("sms_sent")
    await new.stop()
    enrolment = home.enrolment()
    assert enrolment is not None
    home.save_enrolment(msgspec.structs.replace(enrolment, id=""))
    code, told = await said(stage, "new", "new", "cancel", typed=invite)
    assert (code, told[-1]["event"], home.enrolment()) == (0, "given_up", None)
    code, (standing,) = await said(stage, "old", "status")
    assert standing["copy"] is None


async def test_failures_come_with_their_own_code_and_text(stage: Stage) -> None:
    """The exit code, the reason and the sentence are those of the role's own error."""
    await stage.done("new", "join", stage.join_line)
    new = await stage.run("new", "new", "copy", "--radio", stage.air, "--typed", "--no-input")
    assert (await new.exit_code(), new.failure()["reason"]) == (2, "InputNeeded")
    new = await stage.run("new", "new", "copy", "--radio", "smoke", "--typed")
    assert (await new.exit_code(), "smoke" in new.failure()["text"]) == (2, True)
    new = await stage.run("new", "new", "copy", "--radio", stage.air, "--typed")
    new.type("yes")  # "the QR code is shown", it says
    new.type("https://example.org/")
    assert (await new.exit_code(), new.failure()["reason"]) == (23, "foreign")
    words = ("--radio", stage.air, "--image", "/nonexistent.png", "--no-input")
    code, told = await said(stage, "new", "new", "copy", *words)
    assert (code, told[-1]["reason"]) == (21, "no_file"), told[-1]
    code, told = await said(stage, "new", "devices", "list")
    assert (code, told[-1]["reason"]) == (2, "NotEnrolled")
    code, told = await said(stage, "new", "old", "status")
    assert (code, told[-1]["reason"]) == (2, "NotEnrolled")
    one = await stage.old_copy()
    await one.until("qr_shown")
    two = await stage.old_copy()
    assert (await two.exit_code(), two.failure()["reason"]) == (75, "HomeBusy")


async def test_another_program_asks_for_a_proof(way: str, stage: Stage, runtime: Path) -> None:
    """The example of the README, as it stands there: its bundle holds, and nobody is enrolled."""
    if way == "alone":
        pytest.skip("other programs ask the daemon")
    await stage.done("new", "join", stage.join_line)
    readme = (resources.files("nearproof.daemon.control") / "README.md").read_text()
    _, _, program = readme.partition("```python\n")
    example = stage.folder / "prove.py"
    example.write_text(program.partition("```")[0])
    bundle = stage.folder / "bundle"
    old = await stage.old_copy()
    await old.until("qr_shown")
    camera = f"lens:{stage.qr}?seed=1"
    path = socket_path(stage.folder / "new", stage.folder)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", str(example), str(path), str(bundle), stage.air, camera),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"yes\n")  # the QR code is shown
    code = ""
    async for line in process.stdout:
        if found := re.search(rb"code {'code': '(\d{6})'", line):
            code = found[1].decode()
            old.type(code)
    assert code and await process.wait() == 0
    assert await old.exit_code() == 0
    await stage.done("new", "verify", str(bundle))
    _, (standing,) = await said(stage, "new", "status")
    assert standing["state"] == "new"
