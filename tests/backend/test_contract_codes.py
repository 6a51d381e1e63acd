"""Every code of the contract is met, and every operation says so when its database is away."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest

from backend.asked import DOCUMENT, Asked
from backend.code_cases import BY_FINGER, CASES
from backend.hands import Hands
from backend.postgres import Cluster
from backend.world import World, backend, code_of
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.service import Service
from nearproof.daemon.backend.wire import PinAction, ReportReason, ServiceCode
from vectors.files import load
from vectors.generate.cast import ISSUER

CODES = set(DOCUMENT.root["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
BUNDLES = [
    case
    for case in load()
    if (case["layer"], case["do"]) == ("verifier", "bundle")
    and "refuse" in case
    and "at" not in case  # judged by a clock, which is step 8 here
    and case["issuer"] == ISSUER.public.hex()
]
"""What steps 1 to 7 of the verifier refuse."""
ELSEWHERE = {ServiceCode.BUSY: "test_every_operation_is_busy_without_its_database"}

_accounts = count(1)


@pytest.fixture(scope="module")
def one_backend(database: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hands]:
    """The service under the default policy, one for all cases: each has an account of its own."""
    url = database or f"sqlite:///{tmp_path_factory.mktemp('codes')}/backend.db"
    hands = Hands(url, BackendPolicy())
    yield hands
    hands.close()


@pytest.fixture
async def asked(one_backend: Hands) -> AsyncIterator[Asked]:
    asked = Asked(one_backend, f"account{next(_accounts)}")
    yield asked
    await asked.close()


def test_every_code_has_a_case() -> None:
    """One in `code_cases`, or in the vectors, or a test that is named; none is left over."""
    of_bundles = {case["refuse"]["code"] for case in BUNDLES}
    assert not set(CASES) & of_bundles
    assert {*CASES, *of_bundles, *ELSEWHERE} == CODES
    assert all(name in globals() for name in ELSEWHERE.values())


@pytest.mark.parametrize("code", sorted(CASES))
async def test_the_code_is_answered(asked: Asked, code: str) -> None:
    """Over the real routes, by an answer that the contract declares."""
    refused = await CASES[code](asked)
    assert code_of(refused)[1] == code
    DOCUMENT.check(DOCUMENT.root["components"]["schemas"]["Problem"], refused.json())


async def test_bundles_are_refused_with_the_verifiers_codes(one_backend: Hands) -> None:
    """Each bad bundle of the vectors, handed in: the step and the code that they say."""
    hands = one_backend
    service = Service(hands.store, ISSUER, hands.policy, hands.random.randbytes)
    asked = Asked(hands, "", service)
    for case in BUNDLES:
        bundle = bytes.fromhex(case["bundle"])
        refused = await asked.ask(
            hands.key(), "POST", "/v1/redemptions", body=bundle, query="?label=new"
        )
        _, code, step = code_of(refused)
        assert (code, step) == (case["refuse"]["code"], case["refuse"]["step"]), case["id"]
    await asked.close()


async def test_every_operation_is_busy_without_its_database(
    tmp_path: Path, postgres: Cluster
) -> None:
    """503 and when to ask again; the limits alone are known without it."""
    url = postgres.database()
    with backend(tmp_path, database=url) as running:
        here = World(tmp_path, running, database=url)
        old, new = await here.activated("alice"), here.key()
        bundle = await here.bundled(old, new)
        postgres.close(url)
        statuses = {}
        for method, path in sorted(DOCUMENT.operations()):
            target = re.sub(r"\{\w+\}", "00" * 16, path)
            if path == "/v1/redemptions":
                answer = await here.redeem(new, bundle)
            elif path == "/v1/events":
                answer = await here.send(old, method, f"{target}?after=0&wait=0")
            else:
                body = msgspec.json.encode(body_of(path, old))
                answer = await here.send(old, method, target, body)
            DOCUMENT.check_answer(method, path, answer)
            statuses[path] = answer.status_code
            if answer.status_code != 200:
                assert (code_of(answer)[1], answer.headers["Retry-After"]) == ("busy", "1")
    assert [path for path, status in statuses.items() if status != 503] == ["/v1/policy"]


def body_of(path: str, key: DeviceKey) -> msgspec.Struct:
    """What the operation can be asked with, as far as the database."""
    match path.rpartition("/")[2]:
        case "pin" if path.startswith("/v1/device"):
            return wire.PinChange(b"", bytes(32), b"")
        case "pin":
            return wire.NewPin(bytes(32), b"")
        case "challenges":
            return wire.ChallengeRequest(PinAction.COPY)
        case "ceremonies":
            return BY_FINGER
        case "activations":
            return wire.Activation("A" * 26, key.public, "new")
        case "reports":
            return wire.Report("00" * 16, ReportReason.CANCELLED)
        case "name":
            return wire.Name("alice")
        case "code":
            return wire.SmsCode("123456")
        case _:
            return wire.Nothing()
