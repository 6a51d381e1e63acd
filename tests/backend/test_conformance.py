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
from backend.liar import http, liar, says
from backend.world import PHONE, World
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.admin import invite
from nearproof.daemon.backend.conformance import CHECKS, Operator, Suite
from nearproof.daemon.backend.schema import ceremonies
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


async def results(joined: Joined, operator: Operator) -> dict[str, str]:
    suite = Suite(joined, operator, os.urandom)
    return {result.name: result.why async for result in suite.run()}


async def test_our_backend_conforms(here: World) -> None:
    """Every check passes, on both databases."""
    found = await results(here.backend.joined, operator_of(here))
    assert found == dict.fromkeys(found, "")
    assert len(found) == len(CHECKS)


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
    assert all(found.values())


def told(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """`nearproof backend conformance`, as an operator runs it."""
    command = [sys.executable, "-m", "nearproof.daemon", "--lang", "en", "backend", "conformance"]
    return subprocess.run(
        [*command, *arguments], input=typed, capture_output=True, text=True, check=False
    )


async def test_the_command_judges_our_backend(here: World, database: str | None) -> None:
    """One line a check, the verdict last, exit code 0."""
    options = ["--data", str(here.data_dir), *(["--database", database] if database else [])]
    done = await asyncio.to_thread(told, *options, here.backend.line)
    lines = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    assert len([line for line in lines if line.startswith("ok    ")]) == len(CHECKS)
    assert "does what the contract says" in lines[-1]


async def test_the_command_asks_its_operator(here: World) -> None:
    """Without a folder it asks; what is typed wrong fails the check that needed it, by name."""
    done = await asyncio.to_thread(told, here.backend.line, typed="anna\nNO-CODE\n" * 20)
    assert done.returncode == 30
    assert "User ID of a new account" in done.stderr
    assert f"FAIL  {(CHECKS[0].__doc__ or '').strip()}" in done.stderr
    assert f"{len(CHECKS)} / {len(CHECKS)} checks failed" in done.stderr


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
