"""The conformance suite against our own backend; and the contract against random requests."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import msgspec
import pytest

import nearproof.daemon.backend as backend_room
from backend.faults import FAULTS
from backend.liar import http, liar, says
from backend.serving import served
from backend.world import PHONE, World
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.admin import invite
from nearproof.daemon.backend.conformance import CHECKS, Check, Result, Verdict, judged_by
from nearproof.daemon.backend.operators import own_operator
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.schema import ceremonies
from nearproof.daemon.backend.suite import Operator, Suite
from nearproof.daemon.join import Joined

EXAMPLES = os.environ.get("NEARPROOF_EXAMPLES", "3")


def operator_of(here: World) -> Operator:
    """Of our own backend: it reads what the SMS would say."""
    numbers = count(1)

    async def invited() -> tuple[str, str]:
        account = here.name(f"conformance{next(numbers)}")
        code = invite(here.data_dir, account, here.policy, phone=PHONE, database=here.database)
        return account, code

    async def sms_code(account: str) -> str:
        with here.open() as data, data.store.read() as records:
            query = ceremonies.select().where(
                ceremonies.c.account == account, ceremonies.c.state == "named"
            )
            (row,) = records._connection.execute(query)
        return here.sms_code(row.id.hex())

    return Operator(invited, sms_code)


async def results(joined: Joined, operator: Operator) -> list[Result]:
    suite = Suite(joined, operator, os.urandom)
    return [result async for result in judged_by(CHECKS, suite)]


@pytest.mark.timeout(300)
async def test_our_backend_conforms(here: World) -> None:
    """Every check passes, on both databases, but for what its limits leave out."""
    found = await results(here.backend.joined, operator_of(here))
    assert [each.check for each in found] == [*CHECKS]
    assert [each for each in found if each.verdict is Verdict.BROKEN] == []
    left_out = {each.check.name for each in found if each.verdict is Verdict.LEFT_OUT}
    assert left_out == {"the_wait_is_kept", "newcomers_act_on_nobody"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_a_backend_that_breaks_a_rule_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    """For every check a backend that fails it, in the words that name what it does."""
    wait = 3600 if check.name == "the_wait_is_kept" else 0
    async with served(tmp_path, BackendPolicy(wait=wait)) as joined:
        suite = Suite(joined, own_operator(tmp_path, None), os.urandom)
        for fault, verdict in ((None, Verdict.HELD), (FAULTS[check.name], Verdict.BROKEN)):
            if fault is not None:
                fault.make(monkeypatch)
            (result,) = [each async for each in judged_by([check], suite)]
            assert result.verdict is verdict, result.why
    assert FAULTS[check.name].why in result.why


async def test_a_backend_that_says_yes_to_everything_does_not(here: World, tmp_path: Path) -> None:
    """No check passes against it, and none crashes."""
    yes = wire.Ceremony("00" * 16, wire.CeremonyState.LIVE, "00" * 16, 1, 1, 2, 0, 3)
    body = msgspec.json.encode(yes)

    async def invited() -> tuple[str, str]:
        return "anna", "A" * 26

    async def sms_code(_account: str) -> str:
        return "123456"

    async with liar(tmp_path, says(http(201, body))) as joined:
        found = await results(joined, Operator(invited, sms_code))
    assert {each.verdict for each in found} == {Verdict.BROKEN}


def told(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """`nearproof backend conformance`, as an operator runs it."""
    command = [sys.executable, "-m", "nearproof.daemon", "--lang", "en", "backend", "conformance"]
    return subprocess.run(
        [*command, *arguments], input=typed, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(300)
async def test_the_command_judges_our_backend(here: World, database: str | None) -> None:
    """One line a check, the verdict last, exit code 0."""
    options = ["--data", str(here.data_dir), *(["--database", database] if database else [])]
    done = await asyncio.to_thread(told, *options, here.backend.line)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(" ")[0] for line in lines[:-1]].count("ok") == len(CHECKS) - 2
    assert "-     No grant is issued before the waiting time is over. Not tried: its" in done.stdout
    assert "does what the contract says" in lines[-1]


async def test_the_command_asks_its_operator(here: World) -> None:
    """Without a folder it asks; what is typed wrong fails the check that needed it, by name."""
    done = await asyncio.to_thread(told, here.backend.line, typed="anna\nNO-CODE\n" * 40)
    assert done.returncode == 30
    assert "User ID of a new account" in done.stderr
    assert f"FAIL  {CHECKS[0].rule} Instead: refused: invite" in done.stdout
    assert f"{len(CHECKS) - 2} / {len(CHECKS)} checks failed" in done.stderr


@pytest.mark.timeout(300)
async def test_random_requests_meet_the_contract(here: World, tmp_path: Path) -> None:
    """schemathesis, signing as a laptop: no server error, every answer as declared."""
    laptop = await here.activated("alice")
    document = Path(backend_room.__path__[0]) / "openapi.yaml"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        str(document),
        f"--url={here.backend.url}",
        "--tls-verify=false",
        f"--max-examples={EXAMPLES}",
        "--phases=coverage,fuzzing",
        "--checks=not_a_server_error,status_code_conformance,content_type_conformance,"
        "response_schema_conformance",
        "--exclude-operation-id=events",  # it may wait for 25 s each time
        "--seed=1",
        "--generation-deterministic",
        "--no-color",
    ]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "backend.signing_hooks",
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "NEARPROOF_TEST_SEED": laptop.seed().hex(),
    }

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
