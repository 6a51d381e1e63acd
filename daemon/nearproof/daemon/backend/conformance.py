"""Whether somebody's backend does what `openapi.yaml` says: a suite against any base URL.

It brings its own laptops, and needs what only an operator can give: activation codes for one
new account each, and the SMS that their phone gets.  Each check is one rule of the contract, in
words; where the backend does something else the check fails, and the next one runs.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nearproof.crypto.errors import RefusalCode
from nearproof.crypto.grant import LIFETIME, issue_grant, verify_grant
from nearproof.daemon.backend.errors import NotConforming
from nearproof.daemon.backend.suite import (
    RIGHT_PIN,
    WRONG_PIN,
    LeftOut,
    NotAsAgreed,
    Operator,
    Suite,
    bundle_for,
    expect,
    refused,
)
from nearproof.daemon.backend.wire import DeviceState, EventKind, ReportReason, ServiceCode
from nearproof.daemon.console import Console
from nearproof.daemon.join import join
from nearproof.daemon.locale import Language, filled, translated
from nearproof.daemon.provider import ProviderError

PATIENCE: Final = 10  # seconds; a longer wait for each copy is said first


class Verdict(StrEnum):
    """What came of a check: the event that tells it."""

    HELD = "check_held"
    BROKEN = "check_broken"
    LEFT_OUT = "check_left_out"


@dataclass(frozen=True)
class Check:
    """One rule: its name for programs, the sentence, and what tries it."""

    name: str
    rule: str
    run: Callable[[Suite], Awaitable[None]]


@dataclass(frozen=True)
class Result:
    """What came of one check, and why, in words; "" where the rule holds."""

    check: Check
    verdict: Verdict
    why: str = ""


async def conformance(line: str, operator: Operator, console: Console) -> None:
    """Run the suite against the backend of this join line, and tell what came of each check.

    Raises `NotConforming` where one failed, `JoinError`, and `ProviderError` where nobody answers.
    """
    suite = Suite(await join(line), operator, os.urandom)
    if (wait := (await suite.policy()).wait) > PATIENCE:
        console.tell("conformance_waits", seconds=wait)
    failed = held = 0
    async for result in judged_by(CHECKS, suite, console.language):
        failed += result.verdict is Verdict.BROKEN
        held += result.verdict is Verdict.HELD
        rule = translated(result.check.rule, console.language)
        console.answer(result.verdict, check=result.check.name, rule=rule, why=result.why)
    if failed:
        raise NotConforming(f"{failed} / {len(CHECKS)}")
    console.answer("conforms", checks=held)


async def judged_by(
    checks: Sequence[Check], suite: Suite, language: Language = "en"
) -> AsyncIterator[Result]:
    """Each check in turn."""
    for check in checks:
        try:
            await check.run(suite)
        except NotAsAgreed as error:
            verdict = Verdict.LEFT_OUT if isinstance(error, LeftOut) else Verdict.BROKEN
            yield Result(check, verdict, filled(error.sentence, language, **error.fields))
        except ProviderError as error:
            yield Result(check, Verdict.BROKEN, str(error))
        else:
            yield Result(check, Verdict.HELD)


_checks: list[Check] = []


def rule(sentence: str) -> Callable[[Callable[[Suite], Awaitable[None]]], Check]:
    """The function below is the check of this rule."""

    def kept(run: Callable[[Suite], Awaitable[None]]) -> Check:
        check = Check(run.__name__.removeprefix("_"), sentence, run)
        _checks.append(check)
        return check

    return kept


@rule("A laptop is activated, copied, and both are active.")
async def _whole_ceremony(suite: Suite) -> None:
    account, old = await suite.activated()
    new = await suite.copied(account, old)
    async with suite.laptop(new) as laptop:
        expect(len(await laptop.devices()) == 2, "the account has not two laptops")
    async with suite.laptop(old) as laptop:
        kinds = [event.kind for event in (await laptop.events(0)).events]
        expect(EventKind.COPY_STARTED in kinds, "the start of the copy was not told")
        expect(kinds[-1] is EventKind.ACTIVATED, "the activation was not told")


@rule("A laptop that is revoked may do nothing from then on, and can see that it is.")
async def _revoking_is_immediate(suite: Suite) -> None:
    account, old = await suite.activated()
    new = await suite.copied(account, old)
    async with suite.laptop(old) as laptop:
        await laptop.revoke(new.kid.hex())
    async with suite.laptop(new) as laptop:
        expect((await laptop.device()).state is DeviceState.REVOKED, "it is not revoked")
        await refused(laptop.devices(), ServiceCode.DEVICE_REVOKED)


@rule("A request counts only as its laptop has signed it, and only then.")
async def _requests_are_signed(suite: Suite) -> None:
    _, old = await suite.activated()
    await refused(suite.send(None, "GET", "/v1/device"), ServiceCode.SIGNATURE)
    start, other = await suite.start_of(old), await suite.start_of(old, WRONG_PIN)
    await refused(
        suite.send(old, "POST", "/v1/ceremonies", start, signed=other), ServiceCode.SIGNATURE
    )
    stale = suite.send(old, "GET", "/v1/device", ago=3600)
    await refused(stale, ServiceCode.SIGNATURE_TIME)


@rule("A request that is sent twice gets the same answer twice.")
async def _requests_are_answered_once(suite: Suite) -> None:
    _, old = await suite.activated()
    start, key = await suite.start_of(old), suite.randomness(16).hex()
    first = await suite.send(old, "POST", "/v1/ceremonies", start, idempotency=key)
    again = await suite.send(old, "POST", "/v1/ceremonies", start, idempotency=key)
    expect(first == again, "the second answer is another one")


@rule("An Idempotency-Key that comes back with another body is refused, and judges no PIN.")
async def _keys_are_for_one_request(suite: Suite) -> None:
    _, old = await suite.activated()
    key = suite.randomness(16).hex()
    start = await suite.start_of(old, WRONG_PIN)
    first = suite.send(old, "POST", "/v1/ceremonies", start, idempotency=key)
    await refused(first, ServiceCode.WRONG_PIN)
    start = await suite.start_of(old, WRONG_PIN)
    other = suite.send(old, "POST", "/v1/ceremonies", start, idempotency=key)
    await refused(other, ServiceCode.IDEMPOTENCY_CONFLICT)
    async with suite.laptop(old) as laptop:
        expect((await laptop.device()).wrong_pins == 1, "the second request cost a try")


@rule("A proof over a challenge that another one has replaced is refused, and judges no PIN.")
async def _replaced_challenges_cost_nothing(suite: Suite) -> None:
    _, old = await suite.activated()
    for digits in (WRONG_PIN, RIGHT_PIN):
        late = await suite.start_of(old, digits)
        await suite.start_of(old)
        await refused(suite.send(old, "POST", "/v1/ceremonies", late), ServiceCode.CHALLENGE)
    async with suite.laptop(old) as laptop:
        expect((await laptop.device()).wrong_pins == 0, "it cost a try")


@rule("An activation code works once, and a wrong one gets the same answer.")
async def _invites_are_single_use(suite: Suite) -> None:
    _, code = await suite.operator.invite()
    async with suite.laptop(suite.key()) as one, suite.laptop(suite.key()) as two:
        await one.activate(code, "one")
        await refused(two.activate(code, "two"), ServiceCode.INVITE)
        await refused(two.activate("A" * 26, "two"), ServiceCode.INVITE)


@rule("No grant is issued before the waiting time is over.")
async def _the_wait_is_kept(suite: Suite) -> None:
    wait = (await suite.policy()).wait
    if not wait:
        raise LeftOut("its waiting time is 0 s: set a few seconds to have this tried")
    _, old = await suite.activated()
    async with suite.laptop(old) as laptop:
        copy = await laptop.start_copy(suite.pin(old))
        expect(copy.ready_at - copy.started_at >= wait, "the copy waits for less than its limit")
        try:
            await laptop.grant(copy.id, suite.pin(old))
        except ProviderError as error:
            expect(error.code == ServiceCode.WAITING, "it does not say that it waits")
            expect(error.seconds > 0, "it does not say for how long")
        else:  # Slow enough, and it was over by then.
            still = await laptop.ceremony(copy.id)
            expect(still.waits == 0, "a grant was issued before that")


@rule("A grant is signed by the issuer of the join line, for the laptop that asks, for 600 s.")
async def _grants_are_the_issuers(suite: Suite) -> None:
    _, old = await suite.activated()
    _, grant = await suite.granted(old)  # which verifies it
    expect(grant.exp == grant.nbf + LIFETIME, "it is for another time")


@rule("A grant needs the PIN.")
async def _grants_need_the_pin(suite: Suite) -> None:
    _, old = await suite.activated()
    copy = await suite.waited(old)
    async with suite.laptop(old) as laptop:
        await refused(laptop.grant(copy), ServiceCode.PIN_NEEDED)
        wrong = laptop.grant(copy, suite.pin(old, WRONG_PIN))
        await refused(wrong, ServiceCode.WRONG_PIN)


@rule("A grant voids the one before, and a copy has no more of them than the limits allow.")
async def _grants_are_counted(suite: Suite) -> None:
    _, old = await suite.activated()
    copy, first = await suite.granted(old)
    new = suite.key()
    async with suite.laptop(old) as laptop:
        for _ in range((await laptop.policy()).grants - 1):
            await laptop.grant(copy, suite.pin(old))
        await refused(laptop.grant(copy, suite.pin(old)), ServiceCode.GRANTS_USED_UP)
    async with suite.laptop(new) as laptop:
        void = laptop.redeem(bundle_for(first, old, new), "late")
        await refused(void, RefusalCode.GRANT_NOT_CURRENT)


@rule("A bundle counts only if the issuer, the old and the new laptop have signed it.")
async def _bundles_are_signed(suite: Suite) -> None:
    _, old = await suite.activated()
    _, grant = await suite.granted(old)
    new, stranger = suite.key(), suite.key()
    raw = issue_grant(
        stranger,
        iss=grant.iss,
        cti=grant.cti,
        nbf=grant.nbf,
        old_public=old.public,
        policy=grant.policy,
    )
    forged = verify_grant(raw, stranger.public)
    async with suite.laptop(new) as laptop:
        for bundle, code in (
            (bundle_for(forged, old, new), RefusalCode.GRANT_SIGNATURE),
            (bundle_for(grant, old, new, proves=stranger), RefusalCode.PROOF_SIGNATURE),
            (bundle_for(grant, old, new, shows=stranger), RefusalCode.POP_SIGNATURE),
        ):
            await refused(laptop.redeem(bundle, "new"), code)


@rule("A grant leads to one laptop, which hands its bundle in itself.")
async def _bundles_are_single_use(suite: Suite) -> None:
    _, old = await suite.activated()
    _, grant = await suite.granted(old)
    one, two = suite.key(), suite.key()
    found = bundle_for(grant, old, one)
    async with suite.laptop(one) as first, suite.laptop(two) as second:
        await refused(second.redeem(found, "found"), RefusalCode.REQUEST_KEY)
        await first.redeem(found, "one")
        again = second.redeem(bundle_for(grant, old, two), "two")
        error = await refused(again, RefusalCode.ALREADY_USED)
        expect(error.step == 8, "the verifier's step is not said")


@rule("A wrong user ID gets the answer of a right one, and no code is right then.")
async def _names_are_not_told_apart(suite: Suite) -> None:
    account, old = await suite.activated()
    copy, grant = await suite.granted(old)
    new = suite.key()
    async with suite.laptop(new) as laptop:
        await laptop.redeem(bundle_for(grant, old, new), "second")
        wrong = await laptop.name(copy, "no-such-user")
        refusal = await refused(laptop.check_code(copy, "000000"), ServiceCode.WRONG_SMS_CODE)
        right = await laptop.name(copy, account)
        for told in ("state", "tries_left", "account", "label", "waits"):
            if getattr(wrong, told) != getattr(right, told):
                raise NotAsAgreed("{field} tells a wrong user ID from a right one", field=told)
        left = refusal.tries_left == wrong.tries_left - 1
        expect(left, "a wrong code does not say how many tries are left")
        expect(right.names_left == wrong.names_left - 1, "a user ID does not cost a try")


@rule("Wrong SMS codes are counted, and after the last try the right one is void.")
async def _sms_codes_are_counted(suite: Suite) -> None:
    account, code = await suite.operator.invite()
    async with suite.laptop(suite.key()) as laptop:
        begun = await laptop.activate(code, "first")
        sent = await laptop.send_code(begun.id)
        right = await suite.operator.sms_code(account)
        wrong = f"{(int(right) + 1) % 10**6:06}"
        for left in reversed(range(sent.tries_left)):
            error = await refused(laptop.check_code(begun.id, wrong), ServiceCode.WRONG_SMS_CODE)
            expect(error.tries_left == left, "it does not say how many tries are left")
        await refused(laptop.check_code(begun.id, right), ServiceCode.CODE_VOID)


@rule("Three wrong PINs lock the laptop.")
async def _pins_are_counted(suite: Suite) -> None:
    _, old = await suite.activated()
    async with suite.laptop(old) as laptop:
        for left in (2, 1, 0):
            wrong = laptop.start_copy(suite.pin(old, WRONG_PIN))
            error = await refused(wrong, ServiceCode.WRONG_PIN)
            expect(error.tries_left == left, "it does not say how many tries are left")
        error = await refused(laptop.start_copy(suite.pin(old)), ServiceCode.PIN_LOCKED)
        expect(error.seconds > 3600, "the lock is short")


@rule("An account has as many laptops as the limits allow; one more is refused at once.")
async def _slots_are_counted(suite: Suite) -> None:
    account, old = await suite.activated()
    most = (await suite.policy()).devices
    for _ in range(most - 1):
        await suite.copied(account, old)
    async with suite.laptop(old) as laptop:
        error = await refused(laptop.start_copy(suite.pin(old)), ServiceCode.NO_SLOT)
    expect(len(error.devices) == most, "it does not say which laptops there are")


@rule("On its first day a new laptop may neither copy nor revoke others.")
async def _newcomers_act_on_nobody(suite: Suite) -> None:
    if not (await suite.policy()).newcomer:
        raise LeftOut("its limits let a new laptop do everything at once (newcomer)")
    account, old = await suite.activated()
    new = await suite.copied(account, old)
    async with suite.laptop(new) as laptop:
        await refused(laptop.start_copy(suite.pin(new)), ServiceCode.TOO_NEW)
        await refused(laptop.revoke(old.kid.hex()), ServiceCode.TOO_NEW)


@rule("A wrong check code voids the grant, and alerts.")
async def _reports_void_the_grant(suite: Suite) -> None:
    _, old = await suite.activated()
    copy, grant = await suite.granted(old)
    new = suite.key()
    async with suite.laptop(old) as laptop:
        await laptop.report(copy, grant.cti, ReportReason.WRONG_CODE)
        kinds = [event.kind for event in (await laptop.events(0)).events]
        expect(EventKind.FRAUD_ALERT in kinds, "nobody was alerted")
    async with suite.laptop(new) as laptop:
        late = laptop.redeem(bundle_for(grant, old, new), "late")
        await refused(late, RefusalCode.GRANT_NOT_CURRENT)


@rule("A cancelled copy leads to no laptop.")
async def _cancelling_ends_it(suite: Suite) -> None:
    _, old = await suite.activated()
    copy, grant = await suite.granted(old)
    new = suite.key()
    async with suite.laptop(old) as laptop:
        await laptop.cancel(copy)
        await refused(laptop.grant(copy, suite.pin(old)), ServiceCode.CEREMONY_OVER)
    async with suite.laptop(new) as laptop:
        late = laptop.redeem(bundle_for(grant, old, new), "late")
        await refused(late, RefusalCode.CEREMONY_NOT_LIVE)


@rule("Another account's copy does not exist, and an unknown laptop is named so.")
async def _strangers_see_nothing(suite: Suite) -> None:
    (_, one), (_, two) = await suite.activated(), await suite.activated()
    copy, _ = await suite.granted(one)
    async with suite.laptop(two) as laptop:
        await refused(laptop.ceremony(copy), ServiceCode.NOT_FOUND)
        await refused(laptop.cancel(copy), ServiceCode.NOT_FOUND)
        await refused(laptop.revoke(one.kid.hex()), ServiceCode.NOT_FOUND)
    async with suite.laptop(suite.key()) as laptop:
        await refused(laptop.device(), ServiceCode.UNKNOWN_DEVICE)


CHECKS: Final = tuple(_checks)
