"""`openapi.yaml` says what the backend does: routes, codes, and every kind of answer."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx2
import msgspec
import pytest
from msgspec import json

from backend.bundles import bundle_of
from backend.openapi_document import Document
from backend.world import World, pin_of
from nearproof.crypto.errors import RefusalCode
from nearproof.crypto.grant import verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.session.actions import EndReason
from nearproof.crypto.userkey import PinContext, make_pin_proof
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.app import ROUTES
from nearproof.daemon.backend.wire import (
    CeremonyState,
    DeviceState,
    EventKind,
    PinAction,
    ReportReason,
    ServiceCode,
)

SHAPES = [
    shape
    for shape in vars(wire).values()
    if isinstance(shape, type)
    and issubclass(shape, msgspec.Struct)
    and shape.__name__ not in ("Struct", "_Request", "Nothing", "ProblemDetails")
]
DOCUMENT = Document()
# Of `verify --at` alone; and of a backend that asks for the user ID before the bundle.
ELSEWHERE = {RefusalCode.NOT_YET_VALID, RefusalCode.EXPIRED, RefusalCode.WRONG_ACCOUNT}
OPEN_TO_ALL = ("/v1/info", "/v1/policy", "/v1/health")
"""They take nothing that could be wrong; a 4XX is another server's before ours."""
OLD_ENDS = {
    EndReason.CANCELLED,
    EndReason.QR_EXPIRED,
    EndReason.OTHER_DEVICE,
    EndReason.BAD_T1,
    EndReason.WRONG_CODE,
    EndReason.CODE_TOO_LATE,
    EndReason.UNCONFIRMED,
}


def test_the_routes_are_those_of_the_contract() -> None:
    """No operation more, none fewer."""
    assert {(method, path) for method, path, _ in ROUTES} == DOCUMENT.operations()


def test_the_contract_lists_every_code_and_state() -> None:
    """A code that a client may meet stands in the contract, and nothing else does."""
    schemas = DOCUMENT.root["components"]["schemas"]
    codes = {*ServiceCode, *RefusalCode} - ELSEWHERE
    assert set(schemas["Problem"]["properties"]["code"]["enum"]) == set(map(str, codes))
    assert schemas["Ceremony"]["properties"]["state"]["enum"] == list(CeremonyState)
    assert schemas["Device"]["properties"]["state"]["enum"] == list(DeviceState)
    assert schemas["Enrolment"]["properties"]["state"]["enum"] == list(CeremonyState)
    assert schemas["Report"]["properties"]["reason"]["enum"] == list(ReportReason)
    assert schemas["Event"]["properties"]["kind"]["enum"] == list(EventKind)
    assert schemas["ChallengeRequest"]["properties"]["action"]["enum"] == list(PinAction)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_contract_has_every_field(shape: type[msgspec.Struct]) -> None:
    """Of every body and answer, under the same name, none more."""
    schema = DOCUMENT.root["components"]["schemas"][shape.__name__]
    assert tuple(schema["properties"]) == shape.__struct_fields__


def test_old_can_report_every_end_of_its_own() -> None:
    """Each of OLD's `EndReason`s is a reason for a report, under the same name."""
    assert {ReportReason(end) for end in OLD_ENDS} == {*ReportReason} - {
        ReportReason.OTHER_DEVICE_SEEN
    }


async def test_every_answer_is_as_the_contract_says(here: World) -> None:
    """A whole ceremony, each operation once and once refused, against the declared schemas.

    No status is declared that is not met here; what the server itself lacks (5XX) is met in
    `test_contract_codes`.
    """
    old, new, stranger = here.key(), here.key(), here.key()
    met: set[tuple[str, str, str]] = set()

    def check(method: str, path: str, response: httpx2.Response) -> httpx2.Response:
        met.add((method, path, DOCUMENT.check_answer(method, path, response)))
        return response

    async def ask(
        key: DeviceKey | None,
        method: str,
        path: str,
        one: str = "",
        body: msgspec.Struct | None = None,
        query: str = "",
    ) -> httpx2.Response:
        target = re.sub(r"\{\w+\}", one, path) + query
        content = json.encode(body) if body is not None else b"{}"
        return check(method, path, await here.send(key, method, target, content))

    async def drawn(key: DeviceKey, action: PinAction, ceremony: str = "") -> PinContext:
        asked = wire.ChallengeRequest(action, ceremony)
        answer = await ask(key, "POST", "/v1/challenges", body=asked)
        challenge = json.decode(answer.content, type=wire.Challenge).challenge
        return PinContext(challenge, action, bytes.fromhex(ceremony), key.kid)

    async def proof(key: DeviceKey, action: PinAction, ceremony: str = "") -> bytes:
        return make_pin_proof(pin_of(key), await drawn(key, action, ceremony))

    async def confirm(key: DeviceKey, one: str) -> None:
        wrong = wire.SmsCode(f"{(int(here.sms_code(one)) + 1) % 10**6:06}")
        refused = await ask(key, "POST", f"{enrolment}/code", one, wrong)
        assert (refused.status_code, refused.json()["tries_left"]) == (403, 2)
        right = wire.SmsCode(here.sms_code(one))
        assert (await ask(key, "POST", f"{enrolment}/code", one, right)).status_code == 200
        pin = wire.NewPin(pin_of(key).public, await proof(key, PinAction.SET, one))
        done = await ask(key, "POST", f"{enrolment}/pin", one, pin)
        assert done.json()["account"] == here.name("alice")

    copy, enrolment = "/v1/ceremonies/{ceremony}", "/v1/enrolments/{ceremony}"
    for path in OPEN_TO_ALL:
        assert (await ask(None, "GET", path)).status_code == 200

    activation = wire.Activation(here.invite("alice"), old.public, "old")
    activated = await ask(old, "POST", "/v1/activations", body=activation)
    assert activated.status_code == 201
    assert (await ask(stranger, "POST", "/v1/activations")).status_code == 400
    one = activated.json()["id"]
    assert (await ask(old, "POST", f"{enrolment}/codes", one)).status_code == 200
    assert (await ask(old, "POST", f"{enrolment}/codes", one)).status_code == 409
    await confirm(old, one)

    wrong = wire.Start(consent=True, uv=wire.Verification.PIN, proof=b"x")
    await proof(old, PinAction.COPY)
    assert (await ask(old, "POST", "/v1/ceremonies", body=wrong)).status_code == 400
    pin = wire.Start(consent=True, uv=wire.Verification.PIN, proof=await proof(old, PinAction.COPY))
    started = await ask(old, "POST", "/v1/ceremonies", body=pin)
    assert started.status_code == 201
    assert (await ask(old, "POST", "/v1/ceremonies", body=pin)).status_code == 200
    two = started.json()["id"]
    assert (await ask(old, "GET", copy, two)).status_code == 200
    assert (await ask(old, "GET", copy, "00" * 16)).status_code == 404
    assert (await ask(stranger, "GET", copy, two)).status_code == 403
    assert (await ask(old, "POST", f"{copy}/grants", two)).status_code == 403
    granting = wire.GrantRequest(await proof(old, PinAction.GRANT, two))
    granted = await ask(old, "POST", f"{copy}/grants", two, granting)
    with here.open() as data:
        grant = verify_grant(granted.content, data.issuer.public)
    report = wire.Report(grant.cti.hex(), ReportReason.WRONG_CODE)
    assert (await ask(old, "POST", f"{copy}/reports", two, report)).status_code == 204

    granted = await ask(old, "POST", f"{copy}/grants", two)
    bundle = bundle_of(verify_grant(granted.content, data.issuer.public), old, new)
    path = "/v1/redemptions"
    assert check("POST", path, await here.redeem(stranger, bundle)).status_code == 403
    assert check("POST", path, await here.redeem(new, b"\xa0")).status_code == 422
    assert check("POST", path, await here.redeem(new, bundle)).status_code == 201
    assert (await ask(old, "POST", f"{copy}/grants", two)).status_code == 409
    assert (await ask(new, "GET", enrolment, two)).status_code == 200
    named = wire.Name(here.name("alice"))
    assert (await ask(new, "POST", f"{enrolment}/name", two, named)).status_code == 200
    await confirm(new, two)
    assert (await ask(old, "POST", f"{copy}/cancel", two)).status_code == 409

    changing = await drawn(old, PinAction.CHANGE)
    by_old, chosen = make_pin_proof(pin_of(old), changing), pin_of(old, "561943")
    by_new = make_pin_proof(chosen, replace(changing, action=PinAction.SET))
    for proved, status in ((by_old, 400), (by_new, 200)):
        change = wire.PinChange(by_old, chosen.public, proved)
        assert (await ask(old, "POST", "/v1/device/pin", body=change)).status_code == status
    back = await drawn(old, PinAction.CHANGE)
    change = wire.PinChange(
        make_pin_proof(chosen, back),
        pin_of(old).public,
        make_pin_proof(pin_of(old), replace(back, action=PinAction.SET)),
    )
    assert (await ask(old, "POST", "/v1/device/pin", body=change)).status_code == 200
    events = await ask(old, "GET", "/v1/events", query="?after=0&wait=0")
    kinds = {event["kind"] for event in events.json()["events"]}
    assert kinds == {"activated", "copy_started", "fraud_alert"}
    assert len((await ask(old, "GET", "/v1/devices")).json()["devices"]) == 2
    revoke = "/v1/devices/{kid}/revoke"
    assert (await ask(old, "POST", revoke, new.kid.hex())).status_code == 200
    assert (await ask(old, "POST", revoke, stranger.kid.hex())).status_code == 404
    assert (await ask(new, "GET", "/v1/device")).json()["state"] == "revoked"
    for _ in range(2):
        pin = wire.Start(
            consent=True, uv=wire.Verification.PIN, proof=await proof(old, PinAction.COPY)
        )
        again = (await ask(old, "POST", "/v1/ceremonies", body=pin)).json()["id"]
        assert (await ask(old, "POST", f"{copy}/cancel", again)).status_code == 200

    for method, path in DOCUMENT.operations():
        if path not in OPEN_TO_ALL:
            assert (await ask(None, method, path, two)).status_code in (400, 403, 415, 422)
    declared = {each for each in DOCUMENT.responses() if each[2] != "5XX"}
    assert declared - met == {("GET", path, "4XX") for path in OPEN_TO_ALL}
