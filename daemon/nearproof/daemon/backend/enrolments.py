"""The new laptop's side: a bundle or an invite, then the user ID, the SMS code, the PIN."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace

from nearproof.crypto.errors import ChallengeVoid, EncodingError, KeyRefused, SealBroken
from nearproof.crypto.identity import check_public_key, kid
from nearproof.crypto.primitives import sha256
from nearproof.crypto.userkey import PinContext, check_user_public, verify_pin_proof
from nearproof.crypto.verifier import VerifiedBundle, verify_bundle
from nearproof.daemon.backend import enrolling, rules, wire
from nearproof.daemon.backend.copies import end
from nearproof.daemon.backend.desk import (
    ID_SIZE,
    Desk,
    challenge_void,
    read_account,
    read_id,
    read_label,
)
from nearproof.daemon.backend.exchange import Answer, Request, json_answer, problem_answer
from nearproof.daemon.backend.facts import Ceremony, Device, Problem
from nearproof.daemon.backend.outbox import SmsKind
from nearproof.daemon.backend.records import Records
from nearproof.daemon.backend.signatures import Signed
from nearproof.daemon.backend.wire import (
    CeremonyState,
    DeviceState,
    EventKind,
    PinAction,
    ServiceCode,
)

CODE_SIZE = 16  # bytes of an activation code

Act = Callable[[Records, Device, Ceremony], Answer]


class Enrolments(Desk):
    """What NEW asks."""

    # -- how it begins --------------------------------------------------------------------------

    def activate(self, request: Request) -> Answer:
        """Begin to enrol a laptop by an activation code."""
        claim = request.json(wire.Activation)
        public, label = claim.public_key, read_label(claim.label)
        try:
            check_public_key(public)
        except KeyRefused as error:
            raise Problem(ServiceCode.MALFORMED, str(error)) from None
        signed = self._holder(request, public)
        code_hash = hash_code(claim.code)
        with self._store.read() as records:
            known = records.invite(code_hash)

        def act(records: Records) -> Answer:
            invite = records.invite(code_hash)
            account = records.account(invite.account) if invite else None
            ceremony = rules.activate(
                invite,
                records.standing(account) if account else None,
                records.device(kid(public)) is not None,
                self._randomness(ID_SIZE),
                records.now,
                self._policy,
            )
            assert account is not None  # noqa: S101 - `rules.activate` has refused
            device = Device(kid(public), public, account.name, label, DeviceState.ENROLLING)
            ceremony = replace(ceremony, new=device.kid)
            records.add_device(device)
            records.add_ceremony(ceremony)
            records.use_invite(code_hash, device.kid)
            records.log(
                account.name, "invite_used", device=device.kid, ceremony=ceremony.id, detail=label
            )
            records.tell(
                account.name, EventKind.ACTIVATION_STARTED, ceremony=ceremony.id, label=label
            )
            records.queue_sms(account, ceremony, SmsKind.ACTIVATION_STARTED)
            return self._enrolment(201, records, ceremony, device)

        return self._once(request, signed, known.account if known else None, act)

    def redeem(self, request: Request, label: str) -> Answer:
        """Judge a bundle (all 8 steps); the laptop that hands it in is being enrolled from now."""
        bundle = verify_bundle(request.body, self._issuer.public)
        label = read_label(label)
        signed: Signed | None
        try:
            signed = self._holder(request, bundle.new_public)
        except Problem:
            signed = None
        signer = signed.public if signed else None
        with self._store.read() as records:
            known = _facts(records, bundle, signer).ceremony

        def act(records: Records) -> Answer:
            facts = _facts(records, bundle, signer)
            ceremony = rules.redeem(bundle, facts, records.now, self._policy)
            device = Device(
                bundle.new_kid, bundle.new_public, ceremony.account, label, DeviceState.ENROLLING
            )
            records.add_device(device)
            records.spend(bundle.txn, device.kid, request.body)
            records.save_ceremony(ceremony)
            records.log(
                device.account, "proved", device=device.kid, ceremony=ceremony.id, detail=label
            )
            return self._enrolment(201, records, ceremony, device)

        if signed is None:
            with self._store.read() as records:
                return act(records)  # refuses: LATE or REQUEST_KEY
        return self._once(request, signed, known.account if known else None, act)

    # -- how it goes on ---------------------------------------------------------------------------

    def enrolment(self, request: Request, ceremony_id: str) -> Answer:
        """Where the enrolment of the asking laptop stands."""
        signed = self._signed(request)
        with self._store.read() as records:
            asking = self._asking(signed, records)
            ceremony = records.ceremony(read_id(ceremony_id))
            if ceremony is None or ceremony.new != asking.kid:
                raise Problem(ServiceCode.NOT_FOUND, "no such enrolment")
            return self._enrolment(200, records, ceremony, asking)

    def name(self, request: Request, ceremony_id: str) -> Answer:
        """Take the user ID; the answer is the same for a right and a wrong one."""
        named = read_account(request.json(wire.Name).account)

        def act(records: Records, asking: Device, ceremony: Ceremony) -> Answer:
            after = enrolling.name(ceremony, named, records.now, self._policy)
            if after is not ceremony:
                self._send_code(records, asking, after, "named")
            return self._enrolment(200, records, after, asking)

        return self._once_as_new(request, ceremony_id, act)

    def send_code(self, request: Request, ceremony_id: str) -> Answer:
        """Send the SMS code again, or the next one, or an invite's first."""
        request.json(wire.Nothing)

        def act(records: Records, asking: Device, ceremony: Ceremony) -> Answer:
            after = enrolling.ask_for_code(ceremony, records.now, self._policy)
            self._send_code(records, asking, after, "code_asked")
            return self._enrolment(200, records, after, asking)

        return self._once_as_new(request, ceremony_id, act)

    def check_code(self, request: Request, ceremony_id: str) -> Answer:
        """Judge the typed SMS code; a wrong one costs a try, and is remembered as told."""
        typed = request.json(wire.SmsCode).code.replace(" ", "").replace("-", "")
        if len(typed) != enrolling.DIGITS or not (typed.isascii() and typed.isdecimal()):
            raise Problem(ServiceCode.MALFORMED, f"an SMS code has {enrolling.DIGITS} digits")

        def act(records: Records, asking: Device, ceremony: Ceremony) -> Answer:
            after = enrolling.judge_code(ceremony, typed, self._codes, records.now, self._policy)
            right = after.state is CeremonyState.CONFIRMED
            event = "code_right" if right else "code_wrong"
            records.log(asking.account, event, device=asking.kid, ceremony=ceremony.id)
            if after.state is CeremonyState.REFUSED:
                end(records, after, EventKind.REFUSED, asking)
            else:
                records.save_ceremony(after)
            if right:
                records.void_codes(ceremony.id)
                return self._enrolment(200, records, after, asking)
            left = self._policy.code_tries - after.code_wrong
            return problem_answer(
                Problem(ServiceCode.WRONG_SMS_CODE, "wrong code", tries_left=left)
            )

        return self._once_as_new(request, ceremony_id, act)

    def finish(self, request: Request, ceremony_id: str) -> Answer:
        """Take the user key's public half, which nobody else gets: the laptop is active."""
        body = request.json(wire.NewPin)

        def act(records: Records, asking: Device, ceremony: Ceremony) -> Answer:
            others = len(records.active(asking.account))
            done, active = enrolling.finish(
                ceremony, asking, body.user_public, others, records.now, self._policy
            )
            if ceremony.old is not None:
                rules.require_active(records.device(ceremony.old))
            check_user_key(
                records, asking, PinAction.SET, ceremony.id, body.user_public, body.proof
            )
            records.drop_challenge(asking.kid, PinAction.SET)
            records.save_ceremony(done)
            records.save_device(active)
            records.log(
                active.account,
                "activated",
                device=active.kid,
                ceremony=ceremony.id,
                detail=active.label,
            )
            records.tell(
                active.account, EventKind.ACTIVATED, ceremony=ceremony.id, label=active.label
            )
            account = records.account(active.account)
            assert account is not None  # noqa: S101 - a foreign key
            records.queue_sms(account, done, SmsKind.ACTIVATED)
            return self._enrolment(200, records, done, active)

        return self._once_as_new(request, ceremony_id, act)

    # -- helpers ----------------------------------------------------------------------------------

    def _once_as_new(self, request: Request, ceremony_id: str, act: Act) -> Answer:
        """`_once_as_known` for the laptop that an open ceremony enrols."""
        wanted = read_id(ceremony_id)

        def act_as_new(records: Records, asking: Device) -> Answer:
            ceremony = enrolling.require_its_new(records.ceremony(wanted), asking)
            return act(records, asking, ceremony)

        return self._once_as_known(request, act_as_new)

    def _send_code(self, records: Records, asking: Device, ceremony: Ceremony, event: str) -> None:
        account = records.account(ceremony.account)
        assert account is not None  # noqa: S101 - a foreign key
        rules.require_settled(account, records.now, self._policy)
        records.save_ceremony(ceremony)
        records.queue_sms(account, ceremony, SmsKind.CODE)
        records.log(
            account.name, event, device=asking.kid, ceremony=ceremony.id, detail=f"{ceremony.code}"
        )

    def _enrolment(
        self, status: int, records: Records, ceremony: Ceremony, device: Device
    ) -> Answer:
        policy = self._policy
        coded = ceremony.state is CeremonyState.NAMED
        in_force = coded and enrolling.code_in_force(ceremony, records.now, policy)
        expires = (ceremony.code_made + policy.code_lifetime * 1000) // 1000
        content = wire.Enrolment(
            id=ceremony.id.hex(),
            state=ceremony.state,
            label=device.label,
            deadline=ceremony.deadline // 1000,
            waits=rules.waits(ceremony, records.now),
            names_left=max(0, policy.names - ceremony.names),
            codes_left=max(0, policy.codes - ceremony.code),
            tries_left=policy.code_tries - ceremony.code_wrong if in_force else 0,
            code_expires_at=expires if in_force else 0,
            resend_at=enrolling.resend_at(ceremony, policy) // 1000 if coded else 0,
            account=ceremony.account if ceremony.state is CeremonyState.DONE else "",
        )
        return json_answer(status, content)


def check_user_key(
    records: Records,
    device: Device,
    action: PinAction,
    ceremony: bytes,
    user_public: bytes,
    proof: bytes,
) -> None:
    """Check that a new user key is usable and that its holder has it.

    The challenge was asked for `action`; the proof is for SET.  Raises `Problem`, which tells
    nothing of any PIN: the key is the one that came with the proof.
    """
    challenge = records.challenge(device.kid, action, ceremony)
    if challenge is None:
        raise challenge_void()
    try:
        check_user_public(user_public, device.public)
        verify_pin_proof(
            proof, user_public, PinContext(challenge, PinAction.SET, ceremony, device.kid)
        )
    except ChallengeVoid:
        raise challenge_void() from None
    except (KeyRefused, EncodingError, SealBroken) as error:
        raise Problem(ServiceCode.MALFORMED, f"not a user key: {error}") from None


def hash_code(text: str) -> bytes:
    """What an activation code is stored as: SHA-256 of its 16 bytes.

    A code of 128 random bits needs no slow hash.  Raises `Problem` (INVITE) for what is no code:
    26 characters of base32, in any case, with any spaces and hyphens.
    """
    compact = text.replace(" ", "").replace("-", "").upper()
    try:
        code = base64.b32decode(compact + "=" * (-len(compact) % 8))
    except (binascii.Error, ValueError):
        code = b""
    if len(code) != CODE_SIZE:
        raise Problem(ServiceCode.INVITE, "this activation code is wrong, used, or too old")
    return sha256(code)


def _facts(records: Records, bundle: VerifiedBundle, signer: bytes | None) -> rules.Redeeming:
    grant = records.grant(bundle.txn)
    ceremony = records.ceremony(grant.ceremony) if grant else None
    return rules.Redeeming(
        signer=signer,
        grant=grant,
        ceremony=ceremony,
        old=records.device(ceremony.old) if ceremony and ceremony.old else None,
        new_known=records.device(bundle.new_kid) is not None,
    )
