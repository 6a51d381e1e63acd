"""The crash matrix: a tenth of it here, all of it by `scripts/bench crashes`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, update

from backend.postgres import programs
from crashes.faults import Fault
from crashes.judge import Judge
from crashes.matrix import ACTIVE, Matrix, matrix, play
from crashes.stage import Site, Told
from nearproof.config.home import Enrolment
from nearproof.daemon.backend import schema
from nearproof.daemon.backend.data_dir import open_data_dir

RUNS = int(os.environ.get("NEARPROOF_CRASHES", "100"))
BENCHMARKS = Path(__file__).parents[2] / "scripts" / "benchmarks"


@pytest.mark.timeout(900)
def test_a_tenth_of_the_crash_matrix() -> None:
    """Killed, cut off and out of disk, here and there: nothing acknowledged is lost, nobody is
    enrolled twice, no laptop is one too many, and every run ends with the new laptop active.
    """
    done = subprocess.run(
        [sys.executable, BENCHMARKS, "crashes", f"--runs={RUNS}", "--seed=2", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    runs = json.loads(done.stdout)["runs"]
    assert [run for run in runs if run["broken"]] == []
    assert done.returncode == 0
    assert len(runs) == RUNS
    databases = {run["database"] for run in runs}
    assert databases == {"sqlite", "postgresql"} or not (programs() or os.environ.get("CI"))
    struck = {tuple(one.split(": ")[:2]) for run in runs for one in run["struck"]}
    assert {role for role, _ in struck} == {"backend", "old", "new"}
    assert {how for _, how in struck} >= {"kill before", "kill after", "disk full", "reply lost"}


@pytest.fixture(scope="module")
def small() -> Iterator[Matrix]:
    """Its templates alone: SQLite, nothing played."""
    with matrix(1, postgres=False) as made:
        yield made


@contextmanager
def played(small: Matrix, *faults: Fault) -> Iterator[tuple[Site, Told]]:
    with small._site("copy", "judged", "sqlite") as site:
        told, broken = play(site, "copy", list(faults), small.random(), active=ACTIVE["copy"])
        assert broken == []
        yield site, told


def change(site: Site, *statements: object) -> None:
    with open_data_dir(site.data) as data, data.store.write() as records:
        connection: Connection = records._connection
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]


NEW = schema.devices.c.label == "new"

TAMPERED: dict[str, tuple[Callable[[Site], None], str]] = {
    "a laptop that was told yes is not active": (
        lambda site: change(
            site,
            update(schema.devices)
            .where(schema.devices.c.slot == 3)
            .values(state="revoked", slot=None),
        ),
        "2 active laptops, not 3",
    ),
    "an answer is forgotten": (
        lambda site: change(site, delete(schema.answers)),
        "the answer is not kept",
    ),
    "a proof that was taken is gone": (
        lambda site: change(site, delete(schema.redemptions)),
        "acknowledged, and is not so",
    ),
    "an audit row is gone": (
        lambda site: change(site, delete(schema.audit).where(schema.audit.c.seq == 3)),
        "audit:",
    ),
    "an SMS is struck off unsent": (
        lambda site: (site.data / "sms.jsonl").unlink(),
        "never handed over",
    ),
    "another PIN counts": (
        lambda site: change(
            site,
            update(schema.devices).where(schema.devices.c.slot == 3).values(user_public=bytes(32)),
        ),
        "the PIN that was chosen",
    ),
    "the new laptop lost its key": (
        lambda site: (site.home("new").path / "device.json").unlink(),
        "not that of an active one",
    ),
    "the new laptop kept what is over": (
        lambda site: site.home("new").save_enrolment(
            Enrolment(bytes(32), "new", b"", bytes(32), bytes(16))
        ),
        "not that of an active one",
    ),
    "a file is open to others": (
        lambda site: (site.home("old").path / "device.json").chmod(0o644),
        "old/device.json is not private",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_the_judge_sees(small: Matrix, what: str) -> None:
    """Each rule of the judge: broken on purpose after an honest run, it is named."""
    tamper, expected = TAMPERED[what]
    with played(small) as (site, told):
        tamper(site)
        broken = Judge(site, told, ACTIVE["copy"]).faults()
    assert any(expected in rule for rule in broken), broken


def test_what_is_killed_is_dead(small: Matrix) -> None:
    """A strike is a SIGKILL in the middle of the call, and the next command goes on from there."""
    fault = Fault("new", "file", 8, "kill before")
    with played(small, fault) as (site, told):
        assert told.ends[0][:2] in {("new", -9), ("old", 0)}
        assert ("new", -9, "") in told.ends
        assert any(kind == "!kill before" for kind, _ in site.traces("new"))
