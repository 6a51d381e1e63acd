"""Whether somebody's backend does what `openapi.yaml` says: a suite against any base URL.

It brings its own laptops, and needs what only an operator can give: activation codes for one
new account each, and the SMS that their phone gets.  Each check is one behaviour of the contract,
by name; where the backend does something else the check fails, and the next one runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from nearproof.crypto.grant import LIFETIME, Grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.primitives import Randomness
from nearproof.crypto.proof import Bundle, Proof, Rtt, Transcript, make_pop, make_proof
from nearproof.crypto.userkey import UserKey
from nearproof.daemon.backend.errors import NotConforming
from nearproof.daemon.backend.wire import (
    CeremonyState,
    DeviceState,
    EventKind,
    ReportReason,
    ServiceCode,
)
from nearproof.daemon.console import Console
from nearproof.daemon.join import Joined, join
from nearproof.daemon.provider import Provider, ProviderError


@dataclass(frozen=True)
class Operator:
    """What the suite asks its operator for."""

    invite: Callable[[], Awaitable[tuple[str, str]]]
    """A new account without laptops: its user ID, and an activation code for it."""
    sms_code: Callable[[str], Awaitable[str]]
    """The newest SMS code that the phone of this account has got."""


@dataclass(frozen=True)
class Result:
    """One check: `why` is empty where the backend does as the contract says."""

    name: str
    why: str = ""


async def check(line: str, operator: Operator, console: Console) -> None:
    """Run the suite against the backend of this join line, and tell what came of each check.

    Raises `NotConforming` where one failed, `JoinError`, and `ProviderError` where nobody answers.
    """
    joined = await join(line)
    suite = Suite(joined, operator, os.urandom)
    async with suite.laptop(suite.key()) as laptop:
        if wait := (await laptop.policy()).wait:
            console.tell("conformance_waits", seconds=wait)
    failed = 0
    async for result in suite.run():
        failed += bool(result.why)
        event = "check_broken" if result.why else "check_held"
        console.tell(event, name=result.name, why=result.why)
    if failed:
        raise NotConforming(f"{failed} / {len(CHECKS)}")
    console.tell("conforms", checks=len(CHECKS))


class NotAsAgreed(Exception):
    """The backend does something else than the contract says."""


@dataclass
class Suite:
    """One run against one backend; its waiting time must be short (`policy.wait`)."""

    joined: Joined
    operator: Operator
    randomness: Randomness
    _pins: dict[bytes, UserKey] = field(default_factory=dict)

    async def run(self) -> AsyncIterator[Result]:
        """Every check in turn."""
        for check in CHECKS:
            name = (check.__doc__ or check.__name__).partition("\n")[0]
            try:
                await check(self)
            except (NotAsAgreed, ProviderError) as error:
                yield Result(name, str(error) or type(error).__name__)
            else:
                yield Result(name)

    # -- laptops --------------------------------------------------------------------------------

    def laptop(self, key: DeviceKey) -> Provider:
        """A laptop's connection."""
        return Provider(self.joined, key)

    def key(self) -> DeviceKey:
        """A new laptop."""
        return DeviceKey.generate(self.randomness)

    def pin(self, key: DeviceKey, digits: str = "839274") -> UserKey:
        """The user key of a PIN on that laptop (any key will do for a backend)."""
        return UserKey(hashlib.sha256(key.seed() + digits.encode()).digest())

    async def activated(self) -> tuple[str, DeviceKey]:
        """A new account and its first laptop."""
        account, code = await self.operator.invite()
        key = self.key()
        async with self.laptop(key) as laptop:
            begun = await laptop.activate(code, "first")
            await laptop.send_code(begun.id)
            await laptop.check_code(begun.id, await self.operator.sms_code(account))
            done = await laptop.finish(begun.id, self.pin(key))
        expect(done.account == account, "the account is not the one that was invited")
        return account, key

    async def granted(self, old: DeviceKey) -> tuple[str, Grant]:
        """A copy of this laptop, and a grant of it."""
        async with self.laptop(old) as laptop:
            copy = await laptop.start_copy(self.pin(old))
            while copy.waits:
                await asyncio.sleep(copy.waits)
                copy = await laptop.ceremony(copy.id)
            return copy.id, await laptop.grant(copy.id, self.pin(old))


def expect(holds: bool, otherwise: str) -> None:
    """Raise `NotAsAgreed` unless it holds."""
    if not holds:
        raise NotAsAgreed(otherwise)


async def refused(call: Awaitable[object], code: str) -> ProviderError:
    """The refusal of a call that must be refused with this code."""
    try:
        await call
    except ProviderError as error:
        expect(error.code == code, f"refused with {error.code or error.reason}, not with {code}")
        return error
    raise NotAsAgreed(f"not refused, where {code} is due")


def bundle_for(grant: Grant, old: DeviceKey, new: DeviceKey) -> bytes:
    """A bundle that holds, as two laptops would have made it under this grant."""
    transcript = Transcript(
        h=hashlib.sha256(b"h" + grant.cti + new.public).digest(),
        txn=grant.cti,
        qrh=hashlib.sha256(b"qr" + grant.cti).digest(),
        eid=hashlib.sha256(b"eid" + grant.cti).digest()[:16],
    )
    proof = Proof(
        iss=old.kid.hex(),
        iat=grant.nbf + 20,
        new_public=new.public,
        transcript=transcript,
        qr_iat=grant.nbf + 1,
        rtt=Rtt(),
        rssi=None,
    )
    pop = make_pop(new, transcript, old.kid)
    return Bundle(proof=make_proof(old, proof), grant=grant.raw, pop=pop).encode()


# -- the checks -----------------------------------------------------------------------------------


async def whole_ceremony(suite: Suite) -> None:
    """A laptop is activated, copied, and both are active."""
    account, old = await suite.activated()
    copy, grant = await suite.granted(old)
    expect(grant.exp == grant.nbf + LIFETIME, "a grant lasts 600 s")
    new = suite.key()
    async with suite.laptop(new) as laptop:
        begun = await laptop.redeem(bundle_for(grant, old, new), "second")
        expect(begun.id == copy, "the enrolment is another one")
        expect(begun.state is CeremonyState.PROVED, "the user ID is not asked for next")
        await laptop.name(copy, account)
        await laptop.check_code(copy, await suite.operator.sms_code(account))
        await laptop.finish(copy, suite.pin(new))
        expect(len(await laptop.devices()) == 2, "the account has not two laptops")
    async with suite.laptop(old) as laptop:
        kinds = [event.kind for event in (await laptop.events(0)).events]
        expect(EventKind.COPY_STARTED in kinds, "the start of the copy was not told")
        expect(kinds[-1] is EventKind.ACTIVATED, "the activation was not told")
        await laptop.revoke(new.kid.hex())
    async with suite.laptop(new) as laptop:
        expect((await laptop.device()).state is DeviceState.REVOKED, "it is not revoked")
        await refused(laptop.devices(), ServiceCode.DEVICE_REVOKED)


async def invites_are_single_use(suite: Suite) -> None:
    """An activation code works once, and a wrong one gets the same answer."""
    _, code = await suite.operator.invite()
    async with suite.laptop(suite.key()) as one, suite.laptop(suite.key()) as two:
        await one.activate(code, "one")
        await refused(two.activate(code, "two"), ServiceCode.INVITE)
        await refused(two.activate("A" * 26, "two"), ServiceCode.INVITE)


async def bundles_are_single_use(suite: Suite) -> None:
    """A grant leads to one laptop."""
    _, old = await suite.activated()
    _, grant = await suite.granted(old)
    one, two = suite.key(), suite.key()
    async with suite.laptop(one) as first, suite.laptop(two) as second:
        await first.redeem(bundle_for(grant, old, one), "one")
        again = await refused(second.redeem(bundle_for(grant, old, two), "two"), "already_used")
        expect(again.step == 8, "the verifier's step is not said")
        found = bundle_for(grant, old, one)
        await refused(second.redeem(found, "found"), "request_key")


async def names_are_not_told_apart(suite: Suite) -> None:
    """A wrong user ID gets the answer of a right one, and no code is right then."""
    account, old = await suite.activated()
    copy, grant = await suite.granted(old)
    new = suite.key()
    async with suite.laptop(new) as laptop:
        await laptop.redeem(bundle_for(grant, old, new), "second")
        wrong = await laptop.name(copy, "no-such-user")
        refusal = await refused(laptop.check_code(copy, "000000"), ServiceCode.WRONG_SMS_CODE)
        right = await laptop.name(copy, account)
        for field_ in ("state", "tries_left", "account", "label", "waits"):
            same = getattr(wrong, field_) == getattr(right, field_)
            expect(same, f"{field_} tells a wrong user ID from a right one")
        expect(refusal.tries_left == 2, "a wrong code does not say how many tries are left")
        expect(right.names_left == wrong.names_left - 1, "a user ID does not cost a try")


async def pins_are_counted(suite: Suite) -> None:
    """Three wrong PINs lock the laptop, and only that one."""
    _, old = await suite.activated()
    async with suite.laptop(old) as laptop:
        for left in (2, 1, 0):
            wrong = laptop.start_copy(suite.pin(old, "000000"))
            error = await refused(wrong, ServiceCode.WRONG_PIN)
            expect(error.tries_left == left, "it does not say how many tries are left")
        error = await refused(laptop.start_copy(suite.pin(old)), ServiceCode.PIN_LOCKED)
        expect(error.seconds > 3600, "the lock is short")


async def reports_void_the_grant(suite: Suite) -> None:
    """A wrong check code voids the grant, and alerts."""
    _, old = await suite.activated()
    copy, grant = await suite.granted(old)
    new = suite.key()
    async with suite.laptop(old) as laptop:
        await laptop.report(copy, grant.cti, ReportReason.WRONG_CODE)
        kinds = [event.kind for event in (await laptop.events(0)).events]
        expect(EventKind.FRAUD_ALERT in kinds, "nobody was alerted")
    async with suite.laptop(new) as laptop:
        late = laptop.redeem(bundle_for(grant, old, new), "late")
        await refused(late, "grant_not_current")


async def cancelling_ends_it(suite: Suite) -> None:
    """A cancelled copy leads to no laptop."""
    _, old = await suite.activated()
    copy, grant = await suite.granted(old)
    new = suite.key()
    async with suite.laptop(old) as laptop:
        await laptop.cancel(copy)
        await refused(laptop.grant(copy, suite.pin(old)), ServiceCode.CEREMONY_OVER)
    async with suite.laptop(new) as laptop:
        await refused(laptop.redeem(bundle_for(grant, old, new), "late"), "ceremony_not_live")


async def strangers_see_nothing(suite: Suite) -> None:
    """Another account's copy does not exist, and an unknown laptop is named so."""
    (_, one), (_, two) = await suite.activated(), await suite.activated()
    copy, _ = await suite.granted(one)
    async with suite.laptop(two) as laptop:
        await refused(laptop.ceremony(copy), ServiceCode.NOT_FOUND)
        await refused(laptop.cancel(copy), ServiceCode.NOT_FOUND)
        await refused(laptop.revoke(one.kid.hex()), ServiceCode.NOT_FOUND)
    async with suite.laptop(suite.key()) as laptop:
        await refused(laptop.device(), ServiceCode.UNKNOWN_DEVICE)


Check = Callable[[Suite], Awaitable[None]]

CHECKS: Final[tuple[Check, ...]] = (
    whole_ceremony,
    invites_are_single_use,
    bundles_are_single_use,
    names_are_not_told_apart,
    pins_are_counted,
    reports_void_the_grant,
    cancelling_ends_it,
    strangers_see_nothing,
)
