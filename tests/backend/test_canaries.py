"""A hundred canaries: a whole ceremony of real processes, and no secret where it must not be."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.schema import metadata
from nearproof.daemon.demo import stage as stages
from nearproof.daemon.demo.people import ACCOUNT, PIN
from nearproof.daemon.demo.stage import Actor, Event, Stage, open_stage

SPY = Path(__file__).with_name("canaries")
ENOUGH = 100

# Where a secret is kept, because somebody has to: private files of their owners.
KEPT = {
    "seed": {"device.json", "enrolment.json", "issuer.json"},
    "device secret": {"device.json", "enrolment.json"},
    "SMS code": {"sms.jsonl"},
}


class Watched:
    """Everything that the processes of one stage have shown to anybody."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.seen: dict[str, bytes] = {}  # argv and environment, by process
        self.cores: set[str] = set()

    def hear(self, event: Event) -> None:
        # What the stage's own hands typed, and what its phone got, no process has said.
        if event["event"] != "typed" and event["role"] != "phone":
            self.events.append(event)

    def look(self, actor: Actor) -> None:
        """At what every user of the machine may see of it, and at its core's limit."""
        proc = Path(f"/proc/{actor.pid}")
        with contextlib.suppress(OSError):
            shown = (proc / "cmdline").read_bytes() + b"\0" + (proc / "environ").read_bytes()
            self.seen[f"{actor.name} {actor.pid}"] = shown
            (limit,) = re.findall(r"Max core file size +(\S+)", (proc / "limits").read_text())
            if any(event["event"] in ("bluetooth_ready", "backend_ready") for event in actor.told):
                self.cores.add(limit)


def forms(secret: bytes) -> Iterator[bytes]:
    """How these bytes might be written down; digits stand alone."""
    if secret.isdigit():
        yield rb"(?<![0-9.])" + secret + rb"(?![0-9])"
        return
    for form in (
        secret,
        secret.hex().encode(),
        secret.hex().upper().encode(),
        base64.b64encode(secret).rstrip(b"="),
        base64.urlsafe_b64encode(secret).rstrip(b"="),
        base64.b32encode(secret).rstrip(b"="),
        repr(secret)[2:-1].encode(),
    ):
        yield re.escape(form)


def found(secret: bytes, content: bytes) -> bool:
    return any(re.search(form, content) for form in forms(secret))


async def played(folder: Path, watched: Watched) -> None:
    """The ceremony, and then processes that are aborted with their keys in memory."""
    async with open_stage(folder, wait=0, seed=1, watch=watched.hear) as stage:
        await stage.enrol("old")
        await copied(stage, watched, "new")
        await copied(stage, watched, "third")
        await stage.enrol("theirs", "bert")
        await copied(stage, watched, "fourth", "theirs", "bert")
        await aborted(stage, watched, "theirs")


async def copied(
    stage: Stage, watched: Watched, name: str, of: str = "old", account: str = ACCOUNT
) -> None:
    await stage.done(name, "join", stage.join_line)
    kept = {"photo": str(stage.photo), "proof": str(stage.bundle)}
    old = await stage.old_copy(of)
    await old.until("qr_shown")
    new = await stage.new_copy(name, user_id=account, **kept)
    code = (await new.until("code"))["code"]
    await old.until("code_wanted")
    for actor in (old, new):
        watched.look(actor)
    old.type(code)
    await new.until("activated")
    assert (await new.exit_code(), await old.exit_code()) == (0, 0)


async def aborted(stage: Stage, watched: Watched, name: str) -> None:
    """In the middle, with its keys in memory."""
    actor = await stage.old_copy(name)
    await actor.until("qr_shown")
    watched.look(actor)
    os.kill(actor.pid, signal.SIGABRT)
    assert await actor.exit_code() == -signal.SIGABRT


def canaries(spied: Path, watched: Watched, folder: Path) -> list[tuple[str, bytes]]:
    """What they are and their bytes: spied, or known because the test played the person."""
    lines = (line.split("\t") for line in spied.read_text().splitlines())
    known = {(what, bytes.fromhex(secret)) for what, secret in lines}
    user_seeds = {secret for what, secret in known if what == "hkdf PXP1 user"}
    known = {(what, secret) for what, secret in known if what != "seed" or secret not in user_seeds}
    # What a user key has signed would let its PIN be guessed; what others sign is no secret.
    proofs = {f"by {seed.hex()}" for seed in user_seeds}
    known |= {("PIN proof", secret) for what, secret in known if what in proofs}
    known = {(what, secret) for what, secret in known if not what.startswith("by ")}
    known |= {("user key", DeviceKey(seed).public) for seed in user_seeds}
    known.add(("PIN", PIN.encode()))
    sms = (folder / "backend" / "sms.jsonl").read_text()
    known |= {("SMS code", code.encode()) for code in re.findall(r"\b[0-9]{6}\b", sms)}
    for event in watched.events:
        if event["event"] == "invited":
            known.add(("activation code", event["activation_code"].encode()))
    return sorted(known)


def shown_codes(event: Event) -> Event:
    """Without what this event is there to show: to the person in front of it, and nobody else."""
    own = {"code": "code", "invited": "activation_code"}.get(event["event"], "")
    return {name: value for name, value in event.items() if name != own}


@pytest.mark.timeout(600)
async def test_a_hundred_canaries(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs at their most talkative, JSON, the database, what ps shows, cores: nothing in them.

    Nor in the air, the pictures or the proof.  What is kept is in the one file where it must be.
    """
    folder, spied, watched = tmp_path / "stage", tmp_path / "spied", Watched()
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(SPY))
    monkeypatch.setenv("NEARPROOF_CANARIES", str(spied))
    monkeypatch.chdir(folder)
    real = stages.start

    async def talkative(
        name: str, watch: Any, hands: Any, patience: float, *arguments: str
    ) -> Actor:
        actor = await real(name, watch, hands, patience, "--verbose", *arguments)
        watched.look(actor)
        return actor

    monkeypatch.setattr(stages, "start", talkative)
    await played(folder, watched)

    out, err = capfd.readouterr()
    said = json.dumps([shown_codes(event) for event in watched.events]).encode()
    places = {"output": (out + err).encode(), "JSON": said}
    places |= {f"argv and environment of {who}": what for who, what in watched.seen.items()}
    files = [path for path in folder.rglob("*") if path.is_file()]
    places |= {str(path.relative_to(folder)): path.read_bytes() for path in files}
    secrets = canaries(spied, watched, folder)
    assert len(secrets) >= ENOUGH, Counter(what for what, _ in secrets)
    assert err.count("\n") > 5, "nothing was logged: this proves nothing"

    leaks = [
        (what, place)
        for what, secret in secrets
        for place, content in places.items()
        if found(secret, content) and not allowed(what, place)
    ]
    leaks = [leak for leak in leaks if leak[0] != "user key" or leak[1] not in DATABASE]
    assert leaks == [], leaks
    assert judged_in(folder, [secret for what, secret in secrets if what == "user key"]) == {
        "devices"
    }
    assert watched.cores == {"0"}
    assert not [path for path in files if path.name.startswith("core")]


DATABASE = {f"backend/backend.db{suffix}" for suffix in ("", "-wal", "-shm")}


def allowed(what: str, place: str) -> bool:
    return Path(place).name in KEPT.get(what, ())


def judged_in(folder: Path, user_keys: list[bytes]) -> set[str]:
    """The tables in which a user key's public half is: the one that judges PINs."""
    with open_data_dir(folder / "backend") as data, data.store.read() as records:
        return {
            name
            for name, table in metadata.tables.items()
            for row in records._all(select(table))
            for value in row
            if any(isinstance(value, bytes) and key in value for key in user_keys)
        }
