"""Laptops that ask the service directly, without HTTP, on a clock that the test moves."""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

import msgspec

from backend.bundles import bundle_of
from backend.time_machine import TimeMachine
from backend.world import PHONE, pin_of
from nearproof.crypto.grant import Grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.userkey import PinContext, make_pin_proof
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.desk import sms_key
from nearproof.daemon.backend.enrolling import sms_code
from nearproof.daemon.backend.enrolments import hash_code
from nearproof.daemon.backend.exchange import Answer, Request
from nearproof.daemon.backend.facts import Ceremony, Device, Problem
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.service import Service
from nearproof.daemon.backend.wire import DeviceState, PinAction, ServiceCode, Verification

T = TypeVar("T")
ISSUER = DeviceKey(bytes([9]) * 32)
PIN = "839274"


class Hands:
    """One backend, and whatever laptops are made."""

    def __init__(self, url: str, policy: BackendPolicy, seed: int = 3) -> None:
        self.random = Random(f"hands {seed}")
        self.store = TimeMachine(url)
        self.policy = policy
        self.service = Service(self.store, ISSUER, policy, self.random.randbytes)

    def close(self) -> None:
        self.store.close()

    def key(self) -> DeviceKey:
        return DeviceKey.generate(self.random.randbytes)

    # -- what a test begins with ----------------------------------------------------------------

    def account(self, name: str = "alice") -> str:
        with self.store.write() as records:
            records.add_account(name, PHONE)
        return name

    def enrolled(self, account: str = "alice", label: str = "first", slot: int = 1) -> DeviceKey:
        """An active laptop, put there without a ceremony."""
        key = self.key()
        self.account(account)
        with self.store.write(account) as records:
            records.add_device(
                Device(
                    key.kid,
                    key.public,
                    account,
                    label,
                    DeviceState.ACTIVE,
                    slot=slot,
                    enrolled=records.now,
                    user_public=pin_of(key).public,
                )
            )
        return key

    def invite(self, account: str = "alice") -> str:
        """An activation code in its one form."""
        code = "".join(self.random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=25)) + "A"
        with self.store.write(account) as records:
            expires = records.now + self.policy.invite_lifetime * 1000
            records.add_invite(hash_code(code), account, expires)
        return code

    # -- asking ---------------------------------------------------------------------------------

    def request(
        self, key: DeviceKey, method: str, path: str, body: Any = None, idempotency: str = ""
    ) -> Request:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body or {})
        return self.store.request(
            key, method, path, b"" if method == "GET" else content, self.random, idempotency
        )

    def post(self, method: str, key: DeviceKey, *names: str, body: Any = None) -> Answer:
        """The service's method of this name."""
        answer: Answer = getattr(self.service, method)(
            self.request(key, "POST", f"/v1/{method}", body), *names
        )
        return answer

    def get(self, method: str, key: DeviceKey, *names: str) -> Answer:
        answer: Answer = getattr(self.service, method)(
            self.request(key, "GET", f"/v1/{method}"), *names
        )
        return answer

    # -- a copy ---------------------------------------------------------------------------------

    def proof(self, key: DeviceKey, action: PinAction, ceremony: str = "", pin: str = PIN) -> bytes:
        asked = wire.ChallengeRequest(action, ceremony)
        drawn = read(self.post("challenge", key, body=asked), wire.Challenge)
        context = PinContext(drawn.challenge, action, bytes.fromhex(ceremony), key.kid)
        return make_pin_proof(pin_of(key, pin), context)

    def start(self, old: DeviceKey, pin: str | None = PIN) -> Answer:
        if pin is None:
            body = wire.Start(consent=True, uv=Verification.FINGERPRINT)
        else:
            proof = self.proof(old, PinAction.COPY, pin=pin)
            body = wire.Start(consent=True, uv=Verification.PIN, proof=proof)
        return self.post("start", old, body=body)

    @staticmethod
    def service_id(answer: Answer) -> str:
        """The id of the ceremony that was answered."""
        return read(answer, wire.Ceremony).id

    def started(self, old: DeviceKey) -> wire.Ceremony:
        return read(self.start(old), wire.Ceremony)

    def grant(self, old: DeviceKey, copy: str, pin: str | None = PIN) -> Answer:
        proof = b"" if pin is None else self.proof(old, PinAction.GRANT, copy, pin)
        return self.post("grant", old, copy, body=wire.GrantRequest(proof))

    def granted(self, old: DeviceKey, copy: str) -> Grant:
        return verify_grant(self.grant(old, copy).body, ISSUER.public)

    def redeem(self, grant: Grant, old: DeviceKey, new: DeviceKey) -> Answer:
        request = self.request(new, "POST", "/v1/redemptions", bundle_of(grant, old, new))
        return self.service.redeem(request, "new")

    def proved(self, old: DeviceKey) -> tuple[DeviceKey, str]:
        """A new laptop that has just handed its bundle in, and its ceremony."""
        new = self.key()
        copy = self.started(old)
        self.store.now += copy.waits * 1000
        return new, read(self.redeem(self.granted(old, copy.id), old, new), wire.Enrolment).id

    def name(self, new: DeviceKey, copy: str, account: str = "alice") -> wire.Enrolment:
        return read(self.post("name", new, copy, body=wire.Name(account)), wire.Enrolment)

    def code(self, new: DeviceKey, copy: str, code: str | None = None) -> Answer:
        typed = self.sms(copy) if code is None else code
        return self.post("check_code", new, copy, body=wire.SmsCode(typed))

    def finish(self, new: DeviceKey, copy: str) -> Answer:
        proof = self.proof(new, PinAction.SET, copy)
        return self.post("finish", new, copy, body=wire.NewPin(pin_of(new).public, proof))

    def copied(self, old: DeviceKey, account: str = "alice") -> DeviceKey:
        """Another laptop, by a whole copy."""
        new, copy = self.proved(old)
        self.name(new, copy, account)
        self.code(new, copy)
        self.finish(new, copy)
        return new

    # -- looking --------------------------------------------------------------------------------

    def sms(self, copy: str) -> str:
        """The code in force, whether it was sent or not."""
        return sms_code(sms_key(ISSUER), self.ceremony(copy))

    def ceremony(self, copy: str) -> Ceremony:
        with self.store.read() as records:
            found = records.ceremony(bytes.fromhex(copy))
        assert found is not None
        return found

    def device(self, key: DeviceKey) -> Device:
        with self.store.read() as records:
            found = records.device(key.kid)
        assert found is not None
        return found

    def heard(self, key: DeviceKey) -> list[wire.EventKind]:
        """What this laptop has been told, oldest first."""
        request = self.request(key, "GET", "/v1/events?after=0&wait=0")
        answer = self.service.events(self.service.hearer(request), 0)
        return [event.kind for event in read(answer, wire.Events).events] if answer else []


def read(answer: Answer, shape: type[T]) -> T:
    """The answer's content; fails for a refusal."""
    assert answer.status < 300, answer.body
    return msgspec.json.decode(answer.body, type=shape)


def refusal(answer: Answer) -> wire.ProblemDetails:
    """A refusal that was answered, because it has changed something."""
    assert answer.status >= 400, answer.body
    return msgspec.json.decode(answer.body, type=wire.ProblemDetails)


def code_of(call: Any, *args: Any, **kwargs: Any) -> ServiceCode:
    """The code that a call is refused with."""
    try:
        answer = call(*args, **kwargs)
    except Problem as problem:
        return problem.code
    return ServiceCode(refusal(answer).code)
