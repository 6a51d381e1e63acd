"""One case a code of the contract: a request, and what it takes to be refused with that code.

Of the codes of the verifier's steps 1 to 7 the vectors have cases (`crypto/vectors`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2

from backend.asked import Asked
from backend.bundles import bundle_of
from backend.hands import PIN
from backend.world import pin_of
from nearproof.crypto.errors import RefusalCode
from nearproof.crypto.grant import Grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.userkey import PinContext, make_pin_proof
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.signatures import IDEMPOTENCY_KEY
from nearproof.daemon.backend.wire import PinAction, ServiceCode, Verification

COPY, ENROLMENT = "/v1/ceremonies/{ceremony}", "/v1/enrolments/{ceremony}"
BY_FINGER = wire.Start(consent=True, uv=Verification.FINGERPRINT)

Case = Callable[[Asked], Awaitable[httpx2.Response]]
CASES: dict[str, Case] = {}


def answers(code: ServiceCode | RefusalCode) -> Callable[[Case], Case]:
    """This case is the one of that code."""

    def kept(case: Case) -> Case:
        assert code not in CASES, f"{code} has two cases"
        CASES[str(code)] = case
        return case

    return kept


# -- what a case begins with ------------------------------------------------------------------


def waited(here: Asked) -> tuple[DeviceKey, str]:
    """OLD, and its copy after the hour."""
    old = here.hands.enrolled(here.name)
    copy = here.hands.started(old)
    here.hands.store.now += copy.waits * 1000
    return old, copy.id


def granted(here: Asked) -> tuple[DeviceKey, str, Grant]:
    """OLD, its copy, and a grant of it."""
    old, copy = waited(here)
    return old, copy, here.hands.granted(old, copy)


def proved(here: Asked) -> tuple[DeviceKey, str]:
    """NEW after its bundle, and the ceremony."""
    return here.hands.proved(here.hands.enrolled(here.name))


def wrong_pins(here: Asked, many: int) -> DeviceKey:
    """OLD after so many wrong PINs, each as soon as the lock before allows."""
    old = here.hands.enrolled(here.name)
    for _ in range(many):
        here.hands.store.now = max(here.hands.store.now, here.hands.device(old).locked_until)
        here.hands.start(old, "839275")
    return old


async def redeemed(
    here: Asked, grant: Grant, old: DeviceKey, new: DeviceKey, signer: DeviceKey | None = None
) -> httpx2.Response:
    bundle = bundle_of(grant, old, new)
    return await here.ask(signer or new, "POST", "/v1/redemptions", body=bundle, query="?label=new")


# -- requests that are none -------------------------------------------------------------------


@answers(ServiceCode.MALFORMED)
async def a_field_too_many(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    return await here.ask(old, "POST", "/v1/ceremonies", body=b'{"x": 1}')


@answers(ServiceCode.TOO_LARGE)
async def a_long_body(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    return await here.ask(old, "POST", "/v1/ceremonies", body=b" " * (wire.MAX_JSON + 1))


@answers(ServiceCode.MEDIA_TYPE)
async def plain_text(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    headers = {"Content-Type": "text/plain"}
    return await here.ask(old, "POST", "/v1/ceremonies", body=BY_FINGER, headers=headers)


@answers(ServiceCode.NOT_FOUND)
async def no_such_ceremony(here: Asked) -> httpx2.Response:
    return await here.ask(here.hands.enrolled(here.name), "GET", COPY, "00" * 16)


@answers(ServiceCode.METHOD)
async def another_method(here: Asked) -> httpx2.Response:
    return await here.ask(None, "PUT", "/v1/device")


@answers(ServiceCode.INTERNAL)
async def a_mistake_of_ours(here: Asked) -> httpx2.Response:
    class Broken:
        def info(self) -> None:
            raise RuntimeError

    broken = Asked(here.hands, here.name, Broken())  # type: ignore[arg-type]
    response = await broken.ask(None, "GET", "/v1/info")
    await broken.close()
    return response


# -- who asks ---------------------------------------------------------------------------------


@answers(ServiceCode.SIGNATURE)
async def unsigned(here: Asked) -> httpx2.Response:
    return await here.ask(None, "GET", "/v1/device")


@answers(ServiceCode.SIGNATURE_TIME)
async def signed_long_ago(here: Asked) -> httpx2.Response:
    return await here.ask(here.hands.enrolled(here.name), "GET", "/v1/device", skew=-3600)


@answers(ServiceCode.UNKNOWN_DEVICE)
async def a_stranger(here: Asked) -> httpx2.Response:
    return await here.ask(here.hands.key(), "GET", "/v1/device")


@answers(ServiceCode.DEVICE_REVOKED)
async def a_revoked_laptop(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    here.hands.post("revoke", old, old.kid.hex())
    return await here.ask(old, "GET", "/v1/devices")


@answers(ServiceCode.IDEMPOTENCY_KEY)
async def a_short_key(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    headers = {IDEMPOTENCY_KEY: "short"}
    return await here.ask(old, "POST", "/v1/ceremonies", body=BY_FINGER, headers=headers)


@answers(ServiceCode.IDEMPOTENCY_CONFLICT)
async def the_same_key_for_something_else(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    headers = {IDEMPOTENCY_KEY: "the-same-key"}
    first = await here.ask(old, "POST", "/v1/ceremonies", body=BY_FINGER, headers=headers)
    assert first.status_code == 201
    other = wire.Start(consent=True, uv=Verification.PIN)
    return await here.ask(old, "POST", "/v1/ceremonies", body=other, headers=headers)


# -- the PIN ----------------------------------------------------------------------------------


@answers(ServiceCode.CHALLENGE)
async def a_challenge_of_ones_own(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    proof = make_pin_proof(pin_of(old), PinContext(bytes(32), PinAction.COPY, b"", old.kid))
    body = wire.Start(consent=True, uv=Verification.PIN, proof=proof)
    return await here.ask(old, "POST", "/v1/ceremonies", body=body)


@answers(ServiceCode.PIN_NEEDED)
async def a_grant_without_the_pin(here: Asked) -> httpx2.Response:
    old, copy = waited(here)
    return await here.ask(old, "POST", f"{COPY}/grants", copy)


async def started_with(here: Asked, old: DeviceKey, pin: str) -> httpx2.Response:
    proof = here.hands.proof(old, PinAction.COPY, pin=pin)
    body = wire.Start(consent=True, uv=Verification.PIN, proof=proof)
    return await here.ask(old, "POST", "/v1/ceremonies", body=body)


@answers(ServiceCode.WRONG_PIN)
async def a_wrong_pin(here: Asked) -> httpx2.Response:
    refused = await started_with(here, here.hands.enrolled(here.name), "839275")
    assert refused.json()["tries_left"] == 2
    return refused


@answers(ServiceCode.PIN_LOCKED)
async def the_right_pin_after_three_wrong_ones(here: Asked) -> httpx2.Response:
    refused = await started_with(here, wrong_pins(here, 3), PIN)
    assert refused.json()["seconds"] == 3 * 3600
    return refused


@answers(ServiceCode.DEVICE_DEAD)
async def nine_wrong_pins(here: Asked) -> httpx2.Response:
    return await here.ask(wrong_pins(here, 9), "GET", "/v1/devices")


# -- starting ---------------------------------------------------------------------------------


@answers(ServiceCode.CONSENT)
async def no_consent(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    body = wire.Start(consent=False, uv=Verification.FINGERPRINT)
    return await here.ask(old, "POST", "/v1/ceremonies", body=body)


async def activated(here: Asked, key: DeviceKey, code: str) -> httpx2.Response:
    return await here.ask(
        key, "POST", "/v1/activations", body=wire.Activation(code, key.public, "new")
    )


@answers(ServiceCode.INVITE)
async def a_wrong_activation_code(here: Asked) -> httpx2.Response:
    return await activated(here, here.hands.key(), "A" * 26)


@answers(ServiceCode.KEY_KNOWN)
async def an_enrolled_key(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    return await activated(here, old, here.hands.invite(here.name))


@answers(ServiceCode.CEREMONY_RUNNING)
async def another_laptops_copy(here: Asked) -> httpx2.Response:
    here.hands.started(here.hands.enrolled(here.name))
    second = here.hands.enrolled(here.name, slot=2)
    return await here.ask(second, "POST", "/v1/ceremonies", body=BY_FINGER)


@answers(ServiceCode.NO_SLOT)
async def a_fourth_laptop(here: Asked) -> httpx2.Response:
    keys = [here.hands.enrolled(here.name, slot=slot) for slot in (1, 2, 3)]
    refused = await here.ask(keys[0], "POST", "/v1/ceremonies", body=BY_FINGER)
    assert {each["kid"] for each in refused.json()["devices"]} == {key.kid.hex() for key in keys}
    return refused


@answers(ServiceCode.STARTS_USED_UP)
async def a_sixth_copy_in_a_day(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    for _ in range(here.hands.policy.starts_a_day):
        here.hands.post("cancel", old, here.hands.started(old).id)
    return await here.ask(old, "POST", "/v1/ceremonies", body=BY_FINGER)


@answers(ServiceCode.TOO_NEW)
async def a_laptop_on_its_first_day(here: Asked) -> httpx2.Response:
    new = here.hands.copied(here.hands.enrolled(here.name), here.name)
    return await here.ask(new, "POST", "/v1/ceremonies", body=BY_FINGER)


@answers(ServiceCode.PHONE_CHANGED)
async def a_phone_number_of_today(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    with here.hands.store.write(here.name) as records:
        account = records.account(here.name)
        assert account is not None
        records.set_phone(account, "+4587654321")
    return await here.ask(old, "POST", "/v1/ceremonies", body=BY_FINGER)


# -- copying ----------------------------------------------------------------------------------


@answers(ServiceCode.CEREMONY_OVER)
async def a_cancelled_copy(here: Asked) -> httpx2.Response:
    old, copy = waited(here)
    here.hands.post("cancel", old, copy)
    return await here.ask(old, "POST", f"{COPY}/grants", copy)


@answers(ServiceCode.NOT_ITS_OLD)
async def a_grant_for_another_laptop(here: Asked) -> httpx2.Response:
    _, copy = waited(here)
    second = here.hands.enrolled(here.name, slot=2)
    return await here.ask(second, "POST", f"{COPY}/grants", copy)


@answers(ServiceCode.WAITING)
async def a_grant_within_the_hour(here: Asked) -> httpx2.Response:
    old = here.hands.enrolled(here.name)
    copy = here.hands.started(old)
    refused = await here.ask(old, "POST", f"{COPY}/grants", copy.id)
    assert refused.json()["seconds"] == int(refused.headers["Retry-After"]) == copy.waits
    return refused


@answers(ServiceCode.GRANTS_USED_UP)
async def a_fourth_grant(here: Asked) -> httpx2.Response:
    old, copy, _ = granted(here)
    for _ in range(2):
        here.hands.grant(old, copy)
    return await here.ask(old, "POST", f"{COPY}/grants", copy)


@answers(ServiceCode.ALREADY_USED)
async def a_grant_after_the_bundle(here: Asked) -> httpx2.Response:
    old, copy, grant = granted(here)
    here.hands.redeem(grant, old, here.hands.key())
    return await here.ask(old, "POST", f"{COPY}/grants", copy)


# -- enrolling --------------------------------------------------------------------------------


@answers(ServiceCode.NOT_ITS_NEW)
async def a_name_by_the_old_laptop(here: Asked) -> httpx2.Response:
    old, copy, grant = granted(here)
    here.hands.redeem(grant, old, here.hands.key())
    return await here.ask(old, "POST", f"{ENROLMENT}/name", copy, wire.Name(here.name))


@answers(ServiceCode.OUT_OF_TURN)
async def a_code_before_the_name(here: Asked) -> httpx2.Response:
    new, copy = proved(here)
    return await here.ask(new, "POST", f"{ENROLMENT}/code", copy, wire.SmsCode("123456"))


@answers(ServiceCode.NAMES_USED_UP)
async def a_fourth_name(here: Asked) -> httpx2.Response:
    new, copy = proved(here)
    for name in ("one", "two", "three"):
        here.hands.name(new, copy, name)
    return await here.ask(new, "POST", f"{ENROLMENT}/name", copy, wire.Name(here.name))


@answers(ServiceCode.CODES_USED_UP)
async def a_fourth_code(here: Asked) -> httpx2.Response:
    new, copy = proved(here)
    here.hands.name(new, copy, "one")
    here.hands.name(new, copy, "two")
    for _ in range(2):
        here.hands.store.now += 601_000
        answer = await here.ask(new, "POST", f"{ENROLMENT}/codes", copy)
    return answer


@answers(ServiceCode.CODE_VOID)
async def a_code_that_is_too_old(here: Asked) -> httpx2.Response:
    new, copy = proved(here)
    here.hands.name(new, copy, here.name)
    here.hands.store.now += 601_000
    code = wire.SmsCode(here.hands.sms(copy))
    return await here.ask(new, "POST", f"{ENROLMENT}/code", copy, code)


@answers(ServiceCode.WRONG_SMS_CODE)
async def a_wrong_code(here: Asked) -> httpx2.Response:
    new, copy = proved(here)
    here.hands.name(new, copy, "somebody-else")
    code = wire.SmsCode(here.hands.sms(copy))
    return await here.ask(new, "POST", f"{ENROLMENT}/code", copy, code)


# -- step 8 of the verifier -------------------------------------------------------------------


@answers(RefusalCode.LATE)
async def a_bundle_after_its_grant(here: Asked) -> httpx2.Response:
    old, _, grant = granted(here)
    here.hands.store.now = (grant.exp + 1) * 1000
    return await redeemed(here, grant, old, here.hands.key())


@answers(RefusalCode.REQUEST_KEY)
async def somebody_elses_bundle(here: Asked) -> httpx2.Response:
    old, _, grant = granted(here)
    return await redeemed(here, grant, old, here.hands.key(), signer=here.hands.key())


@answers(RefusalCode.OLD_NOT_ACTIVE)
async def a_revoked_old(here: Asked) -> httpx2.Response:
    old, _, grant = granted(here)
    here.hands.post("revoke", old, old.kid.hex())
    return await redeemed(here, grant, old, here.hands.key())


@answers(RefusalCode.CEREMONY_NOT_LIVE)
async def a_bundle_of_a_cancelled_copy(here: Asked) -> httpx2.Response:
    old, copy, grant = granted(here)
    here.hands.post("cancel", old, copy)
    return await redeemed(here, grant, old, here.hands.key())


@answers(RefusalCode.GRANT_NOT_CURRENT)
async def a_grant_that_was_replaced(here: Asked) -> httpx2.Response:
    old, copy, grant = granted(here)
    here.hands.grant(old, copy)
    return await redeemed(here, grant, old, here.hands.key())


@answers(RefusalCode.KEY_REDEEMED)
async def the_same_laptop_again(here: Asked) -> httpx2.Response:
    old, _, grant = granted(here)
    new = here.hands.key()
    here.hands.redeem(grant, old, new)
    return await redeemed(here, grant, old, new)
