"""What time alone does: invites end, copies end, answers are forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import msgspec
import pytest

from backend.time_machine import START, TimeMachine
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.enrolments import hash_code
from nearproof.daemon.backend.facts import Device, Problem
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.service import Service
from nearproof.daemon.backend.wire import CeremonyState, DeviceState, ServiceCode

POLICY = BackendPolicy(wait=60, lifetime=600)
ISSUER, KEY = DeviceKey(bytes([9]) * 32), DeviceKey(bytes(32))
CODE = "A" * 26
DAY = 86_400_000
RANDOM = Random(4)
START_BODY = msgspec.json.encode(wire.Start(consent=True, uv=wire.Verification.FINGERPRINT))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TimeMachine]:
    store = TimeMachine(f"sqlite:///{tmp_path}/backend.db")
    with store.write() as records:
        records.add_account("alice", "+4512345678")
        records.add_invite(hash_code(CODE), "alice", START + DAY)
    yield store
    store.close()


@pytest.fixture
def service(store: TimeMachine) -> Service:
    return Service(store, ISSUER, POLICY, RANDOM.randbytes)


def enrol(store: TimeMachine) -> None:
    with store.write() as records:
        records.add_device(
            Device(KEY.kid, KEY.public, "alice", "first", DeviceState.ACTIVE, slot=1)
        )


def start(service: Service, store: TimeMachine) -> wire.Ceremony:
    request = store.request(KEY, "POST", "/v1/ceremonies", START_BODY, RANDOM)
    return msgspec.json.decode(service.start(request).body, type=wire.Ceremony)


@pytest.mark.parametrize(("after", "good"), [(DAY, True), (DAY + 1, False)])
def test_an_invite_lasts_a_day(
    store: TimeMachine, service: Service, after: int, good: bool
) -> None:
    """To the millisecond, on the database's clock."""
    store.now += after
    body = msgspec.json.encode(wire.Activation(CODE, KEY.public, "first"))
    request = store.request(KEY, "POST", "/v1/activations", body, RANDOM)
    if good:
        assert service.activate(request).status == 201
        return
    with pytest.raises(Problem) as caught:
        service.activate(request)
    assert caught.value.code is ServiceCode.INVITE


def test_a_copy_past_its_deadline_is_over_and_frees_the_account(
    store: TimeMachine, service: Service
) -> None:
    """It is EXPIRED for whoever asks, gives no grant, and a new one can start."""
    enrol(store)
    first = start(service, store)
    store.now += 660_000
    assert start(service, store).id == first.id
    store.now += 1
    path = f"/v1/ceremonies/{first.id}"
    answer = service.ceremony(store.request(KEY, "GET", path, b"", RANDOM), first.id)
    assert msgspec.json.decode(answer.body, type=wire.Ceremony).state is CeremonyState.EXPIRED
    with pytest.raises(Problem) as caught:
        service.grant(store.request(KEY, "POST", f"{path}/grants", b"{}", RANDOM), first.id)
    assert caught.value.code is ServiceCode.CEREMONY_OVER
    assert start(service, store).id != first.id


def test_answers_are_kept_for_a_day_and_their_requests_are_stale_by_then(
    store: TimeMachine, service: Service, tmp_path: Path
) -> None:
    """A replay meets its answer for as long as its signature could hold, and long after."""
    enrol(store)
    old = store.request(KEY, "POST", "/v1/ceremonies", START_BODY, RANDOM)
    answer = service.start(old)
    assert service.start(old) == answer
    store.now += DAY + 1
    with pytest.raises(Problem) as caught:
        service.start(old)
    assert caught.value.code is ServiceCode.SIGNATURE_TIME
    start(service, store)
    with closing(sqlite3.connect(tmp_path / "backend.db")) as database:
        assert database.execute("SELECT count(*) FROM answers").fetchone() == (1,)
