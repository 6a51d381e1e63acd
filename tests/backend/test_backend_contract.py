"""`openapi.yaml` says what the backend does: routes, codes, and every kind of answer."""

from __future__ import annotations

import httpx2
from msgspec import json

from backend.bundles import bundle_of
from backend.openapi_document import Document
from backend.world import World
from nearproof.crypto.errors import RefusalCode
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.session.actions import EndReason
from nearproof.daemon.backend.app import ROUTES
from nearproof.daemon.backend.wire import (
    Activation,
    CeremonyState,
    DeviceState,
    Report,
    ReportReason,
    ServiceCode,
)

DOCUMENT = Document()
OFFLINE = {RefusalCode.NOT_YET_VALID, RefusalCode.EXPIRED}  # of `verify --at` alone
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
    codes = {*ServiceCode, *RefusalCode} - OFFLINE
    assert set(schemas["Problem"]["properties"]["code"]["enum"]) == set(map(str, codes))
    assert schemas["Ceremony"]["properties"]["state"]["enum"] == list(CeremonyState)
    assert schemas["Device"]["properties"]["state"]["enum"] == list(DeviceState)
    assert schemas["Report"]["properties"]["reason"]["enum"] == list(ReportReason)


def test_old_can_report_every_end_of_its_own() -> None:
    """Each of OLD's `EndReason`s is a reason for a report, under the same name."""
    assert {ReportReason(end) for end in OLD_ENDS} == {*ReportReason} - {
        ReportReason.OTHER_DEVICE_SEEN
    }


def check(method: str, path: str, response: httpx2.Response) -> httpx2.Response:
    """Fail unless the contract declares this answer to this operation."""
    declared = DOCUMENT.response(method, path, response.status_code)
    content = declared.get("content")
    if content is None:
        assert response.content == b""
        return response
    media = response.headers["content-type"].partition(";")[0]
    assert media in content, f"{method} {path} answers {media}"
    if media.endswith("json"):
        DOCUMENT.check(content[media]["schema"], response.json())
    return response


async def test_every_answer_is_as_the_contract_says(here: World) -> None:
    """A whole copy, each operation once and once refused, against the declared schemas."""
    old, new, stranger = here.key(), here.key(), here.key()
    body = json.encode(Activation(here.invite("alice"), old.public, "old"))

    async def ask(
        key: DeviceKey | None, method: str, path: str, ceremony: str = "", body: bytes = b"{}"
    ) -> httpx2.Response:
        target = path.replace("{ceremony}", ceremony)
        return check(method, path, await here.send(key, method, target, body))

    await ask(None, "GET", "/v1/info")
    activated = await ask(old, "POST", "/v1/activations", body=body)
    assert activated.status_code == 201
    assert (await ask(stranger, "POST", "/v1/activations", body=b"{}")).status_code == 400
    started = await ask(old, "POST", "/v1/ceremonies")
    assert started.status_code == 201
    assert (await ask(old, "POST", "/v1/ceremonies")).status_code == 200
    copy = started.json()["id"]
    one = "/v1/ceremonies/{ceremony}"
    assert (await ask(old, "GET", one, copy)).status_code == 200
    assert (await ask(old, "GET", one, "00" * 16)).status_code == 404
    assert (await ask(stranger, "GET", one, copy)).status_code == 403
    assert (await ask(old, "POST", f"{one}/grants", copy)).status_code == 201

    grant = await here.granted(old)
    report = json.encode(Report(grant.cti.hex(), ReportReason.WRONG_CODE))
    reported = await ask(old, "POST", f"{one}/reports", copy, body=report)
    assert reported.status_code == 204
    device = await ask(old, "GET", "/v1/device")
    assert device.json()["alerts"][0]["ceremony"] == copy

    bundle = bundle_of(await here.granted(old), old, new)
    path = "/v1/redemptions"
    assert check("POST", path, await here.redeem(stranger, bundle)).status_code == 403
    assert check("POST", path, await here.redeem(new, b"\xa0")).status_code == 422
    assert check("POST", path, await here.redeem(new, bundle)).status_code == 201
    assert (await ask(old, "POST", f"{one}/grants", copy)).status_code == 409
    assert (await ask(old, "POST", f"{one}/cancel", copy)).status_code == 409
    again = (await ask(old, "POST", "/v1/ceremonies")).json()["id"]
    assert (await ask(old, "POST", f"{one}/cancel", again)).status_code == 200
