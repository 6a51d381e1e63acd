"""What the checks of the conformance suite stand on: laptops of its own, and an operator.

A check tries one rule of the contract.  It raises `NotAsAgreed` where the backend does something
else, and `LeftOut` where the backend's limits leave it nothing to try.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from nearproof.crypto.grant import Grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.primitives import Randomness
from nearproof.crypto.proof import Bundle, Proof, Rtt, Transcript, make_pop, make_proof
from nearproof.crypto.userkey import PinContext, UserKey, make_pin_proof
from nearproof.daemon.answers import Answer, connection_failure, decoded, judged, lying
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.client import Client, NotHttp
from nearproof.daemon.backend.signatures import IDEMPOTENCY_KEY, sign
from nearproof.daemon.join import Joined, client_context
from nearproof.daemon.locale import Sentence
from nearproof.daemon.provider import MAX_ANSWER, TIMEOUT, Provider, ProviderError

RIGHT_PIN: Final = "839274"
WRONG_PIN: Final = "000000"


class NotAsAgreed(Exception):
    """The backend does something else than the contract says: a sentence, and its fields."""

    def __init__(self, sentence: Sentence, **fields: Any) -> None:
        self.sentence = sentence
        self.fields = fields
        super().__init__(sentence)


class LeftOut(NotAsAgreed):
    """The backend's limits leave nothing to try; the sentence says which."""


@dataclass(frozen=True)
class Operator:
    """What the suite asks its operator for."""

    invite: Callable[[], Awaitable[tuple[str, str]]]
    """A new account without laptops: its user ID, and an activation code for it."""
    sms_code: Callable[[str], Awaitable[str]]
    """The newest SMS code that the phone of this account has got."""


@dataclass
class Suite:
    """One run against one backend; its waiting time must be short (`policy.wait`)."""

    joined: Joined
    operator: Operator
    randomness: Randomness

    def laptop(self, key: DeviceKey) -> Provider:
        """A laptop's connection."""
        return Provider(self.joined, key)

    def key(self) -> DeviceKey:
        """A new laptop."""
        return DeviceKey.generate(self.randomness)

    def pin(self, key: DeviceKey, digits: str = RIGHT_PIN) -> UserKey:
        """The user key of a PIN on that laptop (any key will do for a backend)."""
        return UserKey(hashlib.sha256(key.seed() + digits.encode()).digest())

    async def policy(self) -> wire.Policy:
        """The backend's limits."""
        async with self.laptop(self.key()) as laptop:
            return await laptop.policy()

    # -- a ceremony, as far as a check needs it -------------------------------------------------

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

    async def waited(self, old: DeviceKey) -> str:
        """A copy of this laptop after its waiting time."""
        async with self.laptop(old) as laptop:
            copy = await laptop.start_copy(self.pin(old))
            while copy.waits:
                await asyncio.sleep(copy.waits)
                copy = await laptop.ceremony(copy.id)
            return copy.id

    async def granted(self, old: DeviceKey) -> tuple[str, Grant]:
        """A copy of this laptop, and a grant of it."""
        copy = await self.waited(old)
        async with self.laptop(old) as laptop:
            return copy, await laptop.grant(copy, self.pin(old))

    async def copied(self, account: str, old: DeviceKey) -> DeviceKey:
        """Another laptop of the account, by a whole copy."""
        copy, grant = await self.granted(old)
        new = self.key()
        async with self.laptop(new) as laptop:
            begun = await laptop.redeem(bundle_for(grant, old, new), "second")
            expect(begun.id == copy, "the enrolment is another one")
            proved = begun.state is wire.CeremonyState.PROVED
            expect(proved, "the user ID is not asked for next")
            await laptop.name(copy, account)
            await laptop.check_code(copy, await self.operator.sms_code(account))
            await laptop.finish(copy, self.pin(new))
        return new

    # -- requests that no laptop of ours would send ---------------------------------------------

    async def send(
        self,
        key: DeviceKey | None,
        method: str,
        target: str,
        body: msgspec.Struct | None = None,
        *,
        idempotency: str = "",
        signed: msgspec.Struct | None = None,
        ago: int = 0,
    ) -> Answer:
        """One request, signed by `key` or by nobody, `ago` seconds before now; asked once.

        `signed` is the body that the signature is over, where it is not the one that is sent.
        Raises `ProviderError`.
        """
        content, headers = b"", {}
        if method != "GET":
            content = encoded(body)
            drawn = idempotency or self.randomness(16).hex()
            headers = {"Content-Type": wire.JSON, IDEMPOTENCY_KEY: drawn}
        url = self.joined.url + target
        if key is not None:
            async with self.laptop(key) as laptop:
                now = (await laptop.info()).now
            over = content if signed is None else encoded(signed)
            headers = sign(key, method, url, headers, over, now - ago)
        client = Client(self.joined.url, client_context(self.joined))
        try:
            async with asyncio.timeout(TIMEOUT):
                reply = await client.exchange(method, target, headers, content, MAX_ANSWER)
        except NotHttp as error:
            raise lying(str(error)) from None
        except OSError as error:  # TimeoutError is one
            raise connection_failure(error) from None
        finally:
            client.close()
        return judged(reply)

    async def start_of(self, key: DeviceKey, digits: str = RIGHT_PIN) -> wire.Start:
        """What starts a copy of this laptop, with a PIN proof over a new challenge."""
        asked = wire.ChallengeRequest(wire.PinAction.COPY)
        answer = await self.send(key, "POST", "/v1/challenges", asked)
        drawn = decoded(answer, wire.Challenge).challenge
        context = PinContext(drawn, wire.PinAction.COPY, b"", key.kid)
        proof = make_pin_proof(self.pin(key, digits), context)
        return wire.Start(consent=True, uv=wire.Verification.PIN, proof=proof)


def expect(holds: bool, otherwise: str) -> None:
    """Raise `NotAsAgreed` unless it holds."""
    if not holds:
        raise NotAsAgreed(otherwise)


async def refused(call: Awaitable[object], code: str) -> ProviderError:
    """The refusal of a call that must be refused with this code."""
    try:
        await call
    except ProviderError as error:
        if error.code != code:
            found = error.code or str(error)
            raise NotAsAgreed(
                "refused with {found}, not with {code}", found=found, code=code
            ) from None
        return error
    raise NotAsAgreed("not refused, where {code} is due", code=code)


def encoded(body: msgspec.Struct | None) -> bytes:
    """Its JSON; `{}` for none."""
    return b"{}" if body is None else msgspec.json.encode(body)


def bundle_for(
    grant: Grant,
    old: DeviceKey,
    new: DeviceKey,
    *,
    proves: DeviceKey | None = None,
    shows: DeviceKey | None = None,
) -> bytes:
    """A bundle that holds, as two laptops would have made it under this grant.

    Unless somebody else than OLD signs the proof (`proves`), or than NEW the PoP (`shows`).
    """
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
    pop = make_pop(shows or new, transcript, old.kid)
    return Bundle(proof=make_proof(proves or old, proof), grant=grant.raw, pop=pop).encode()
