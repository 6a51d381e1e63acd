"""The use cases of the backend: one method an endpoint, one transaction each.

`Copies` is what OLD asks, `Enrolments` what NEW asks; here is the rest: who answers, a laptop's
own state, the list of laptops, PIN challenges, and what has happened.
"""

from __future__ import annotations

from dataclasses import replace

from nearproof.crypto.identity import kid
from nearproof.crypto.userkey import CHALLENGE_SIZE
from nearproof.daemon.backend import rules, wire
from nearproof.daemon.backend.copies import Copies
from nearproof.daemon.backend.desk import WrongPin, read_id
from nearproof.daemon.backend.enrolments import Enrolments, check_user_key
from nearproof.daemon.backend.exchange import Answer, Request, json_answer
from nearproof.daemon.backend.facts import Device, Problem
from nearproof.daemon.backend.records import Records
from nearproof.daemon.backend.signatures import Signed
from nearproof.daemon.backend.wire import DeviceState, EventKind, PinAction, ServiceCode


class Service(Copies, Enrolments):
    """Everything that can be asked."""

    def info(self) -> Answer:
        """Who answers, and its time."""
        with self._store.read() as records:
            now = records.now // 1000
        return json_answer(200, wire.Info(wire.SERVICE, wire.API_VERSION, self._issuer.public, now))

    def policy(self) -> Answer:
        """The limits in force."""
        return json_answer(200, self._policy.public())

    def health(self) -> Answer:
        """Whether the database answers; raises `Problem` (BUSY) if not."""
        with self._store.read() as records:
            return json_answer(200, wire.Health("ok", records.sms_waiting()))

    def device(self, request: Request) -> Answer:
        """How the account sees the asking laptop; a revoked one may ask too."""
        signed = self._signed(request)
        with self._store.read() as records:
            return json_answer(200, _device(records, self._asking(signed, records)))

    def devices(self, request: Request) -> Answer:
        """The account's active laptops."""
        signed = self._signed(request)
        with self._store.read() as records:
            asking = rules.require_active(self._asking(signed, records))
            active = records.active(asking.account)
        return json_answer(200, wire.Devices(tuple(map(rules.listed, active))))

    def revoke(self, request: Request, target: str) -> Answer:
        """Revoke a laptop of the account at once; a copy that it has started is cancelled."""
        request.json(wire.Nothing)
        target_kid = read_id(target)

        def act(records: Records, asking: Device) -> Answer:
            device = records.device(target_kid)
            if device is None or device.account != asking.account:
                raise Problem(ServiceCode.NOT_FOUND, "no such laptop")
            revoked = rules.revoke(asking, device, records.now)
            if revoked is not device:
                retire(records, revoked, by=asking.kid)
            return json_answer(200, _device(records, revoked))

        return self._once_as_active(request, act)

    def challenge(self, request: Request) -> Answer:
        """32 bytes to prove a PIN over; the one before for the same action is void.

        Not remembered under its Idempotency-Key: asked again it is another one.
        """
        body = request.json(wire.ChallengeRequest)
        ceremony = read_id(body.ceremony) if body.ceremony else b""
        request.idempotency_key()
        signed = self._signed(request)
        _, account = self._known(kid(signed.public))
        with self._store.write(account) as records:
            asking = self._asking(signed, records)
            if body.action is not PinAction.SET:
                rules.require_active(asking)
            drawn = self._randomness(CHALLENGE_SIZE)
            expires = records.now + self._policy.challenge_lifetime * 1000
            records.put_challenge(asking.kid, body.action, ceremony, drawn, expires)
        return json_answer(201, wire.Challenge(drawn, expires // 1000))

    def change_pin(self, request: Request) -> Answer:
        """Swap the user key; nothing on the laptop changes with it."""
        body = request.json(wire.PinChange)

        def act(records: Records, asking: Device) -> Answer:
            # The new key first: where that is refused, no PIN has been tried.
            check_user_key(records, asking, PinAction.CHANGE, b"", body.user_public, body.proof)
            verdict = self._check_pin(records, asking, body.old_proof, PinAction.CHANGE)
            if isinstance(verdict, WrongPin):
                return verdict.answer
            changed = replace(verdict, user_public=body.user_public)
            records.save_device(changed)
            records.log(asking.account, "pin_changed", device=asking.kid)
            return json_answer(200, _device(records, changed))

        return self._once_as_active(request, act)

    def hearer(self, request: Request) -> Signed:
        """Who asks for events; the question may then be put again and again while it is fresh."""
        return self._signed(request)

    def events(self, signed: Signed, after: int) -> Answer | None:
        """What has happened since the cursor; None if nothing has.  A revoked laptop may ask."""
        with self._store.read() as records:
            asking = self._asking(signed, records)
            if asking.state is DeviceState.ENROLLING:
                raise Problem(ServiceCode.UNKNOWN_DEVICE, "this laptop is not active yet")
            found = records.events(asking.kid, after)
        if not found:
            return None
        return json_answer(200, wire.Events(found[-1].id, found))


def retire(records: Records, revoked: Device, *, by: bytes | None) -> None:
    """Revoke at once, tell everybody (the laptop itself too), and cancel what it had started."""
    records.tell(revoked.account, EventKind.REVOKED, label=revoked.label)
    records.log(revoked.account, "revoked", device=by, detail=revoked.kid.hex())
    records.retire(revoked)


def _device(records: Records, device: Device) -> wire.Device:
    ceremony = records.peek_ceremony(device.account)
    active = device.state is DeviceState.ACTIVE
    return wire.Device(
        "" if device.state in (DeviceState.ENROLLING, DeviceState.ABANDONED) else device.account,
        device.kid.hex(),
        device.label,
        device.state,
        ceremony.id.hex() if ceremony and ceremony.open and active else "",
        device.wrong_pins,
        device.locked_until // 1000 if device.locked_until > records.now else 0,
    )
