"""The use cases of the backend: one method an endpoint, one transaction each.

Order in every write: who asks (signature), has it been asked before (Idempotency-Key), may it
be (`rules`), then the change, its audit row and the answer to remember, all in one commit.
A refusal that changes nothing is not remembered: the same question may be asked again later.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable

from nearproof.crypto.errors import EncodingError, KeyRefused, RefusalCode, VerificationError
from nearproof.crypto.grant import Policy, issue_grant
from nearproof.crypto.identity import DeviceKey, check_public_key, kid
from nearproof.crypto.messages import check_label
from nearproof.crypto.primitives import Randomness
from nearproof.crypto.verifier import VerifiedBundle, verify_bundle
from nearproof.daemon.backend import rules, wire
from nearproof.daemon.backend.exchange import Answer, Request, json_answer, problem_answer
from nearproof.daemon.backend.records import Records
from nearproof.daemon.backend.rules import BackendPolicy, Ceremony, Device, Problem
from nearproof.daemon.backend.signatures import (
    SignatureRefused,
    SignatureStale,
    SignerUnknown,
    verify,
)
from nearproof.daemon.backend.store import Store
from nearproof.daemon.backend.wire import DeviceState, ReportReason, ServiceCode

ID_SIZE = 16  # bytes of a ceremony's id and of a cti
CODE_SIZE = 16  # bytes of an activation code


class Service:
    """The backend of one issuer on one store.  Thread-safe; every method blocks.

    Methods answer, or raise `Problem` or `VerificationError`.
    """

    def __init__(
        self, store: Store, issuer: DeviceKey, policy: BackendPolicy, randomness: Randomness
    ) -> None:
        self._store = store
        self._issuer = issuer
        self._policy = policy
        self._randomness = randomness

    def info(self) -> Answer:
        """Who answers, and its time; that it answers shows that the database can be read."""
        with self._store.read() as records:
            now = records.now // 1000
        return json_answer(200, wire.Info(wire.SERVICE, wire.API_VERSION, self._issuer.public, now))

    def activate(self, request: Request) -> Answer:
        """Enrol the first laptop of an account, by an activation code."""
        claim = request.json(wire.Activation)
        public, label = claim.public_key, _label(claim.label)
        try:
            check_public_key(public)
        except KeyRefused as error:
            raise Problem(ServiceCode.MALFORMED, str(error)) from None
        signer = self._holder(request, public)
        code_hash = hash_code(claim.code)

        def act(records: Records) -> Answer:
            invite = records.invite(code_hash)
            account = rules.activate(
                invite,
                len(records.active_devices(invite.account)) if invite else 0,
                records.device(kid(public)) is not None,
                records.now,
            )
            device = Device(kid(public), public, account, label, DeviceState.ACTIVE)
            records.add_device(device)
            records.use_invite(code_hash, device.kid)
            records.log(account, "activated", device=device.kid, detail=label)
            return json_answer(201, _device(device))

        return self._once(request, signer, act)

    def device(self, request: Request) -> Answer:
        """How the account sees the asking laptop; a revoked one may ask too."""
        with self._store.read() as records:
            asking = records.device(kid(self._enrolled(request, records)))
            if asking is None:
                raise Problem(ServiceCode.UNKNOWN_DEVICE)
            return json_answer(200, _device(asking, records.alerts(asking.kid)))

    def start(self, request: Request) -> Answer:
        """Start a copy, or say where the one stands that the asking laptop has started."""
        request.json(wire.Nothing)

        def act(records: Records, asking: Device) -> Answer:
            live = records.live_ceremony(asking.account)
            ceremony = rules.start(
                asking, live, self._randomness(ID_SIZE), records.now, self._policy
            )
            if ceremony is live:
                return self._ceremony(200, records, ceremony)
            records.add_ceremony(ceremony)
            records.log(asking.account, "copy_started", device=asking.kid, ceremony=ceremony.id)
            return self._ceremony(201, records, ceremony)

        return self._once_as_device(request, act)

    def ceremony(self, request: Request, ceremony_id: str) -> Answer:
        """Where a copy of the asking laptop's account stands."""
        with self._store.read() as records:
            asking = rules.require_active(records.device(kid(self._enrolled(request, records))))
            return self._ceremony(200, records, _find(records, ceremony_id, asking))

    def cancel(self, request: Request, ceremony_id: str) -> Answer:
        """Cancel a copy: any active laptop of its account may."""
        request.json(wire.Nothing)

        def act(records: Records, asking: Device) -> Answer:
            ceremony = _find(records, ceremony_id, asking)
            cancelled = rules.cancel(ceremony)
            if cancelled is not ceremony:
                records.save_ceremony(cancelled)
                records.log(
                    asking.account, "copy_cancelled", device=asking.kid, ceremony=ceremony.id
                )
            return self._ceremony(200, records, cancelled)

        return self._once_as_device(request, act)

    def grant(self, request: Request, ceremony_id: str) -> Answer:
        """Issue a grant for one QR; the one before is void."""
        request.json(wire.Nothing)

        def act(records: Records, asking: Device) -> Answer:
            ceremony = _find(records, ceremony_id, asking)
            nbf = rules.issue(
                ceremony,
                asking,
                records.count_grants(ceremony.id),
                records.new_label(ceremony.id),
                records.now,
                self._policy,
            )
            cti = self._randomness(ID_SIZE)
            records.add_grant(cti, ceremony.id)
            records.log(asking.account, "grant_issued", device=asking.kid, ceremony=ceremony.id)
            token = issue_grant(
                self._issuer,
                iss=self._issuer.kid.hex(),
                cti=cti,
                nbf=nbf,
                old_public=asking.public,
                policy=Policy(rounds=self._policy.rounds),
            )
            return Answer(201, wire.GRANT, token)

        return self._once_as_device(request, act)

    def report(self, request: Request, ceremony_id: str) -> Answer:
        """Take OLD's word on a QR; a wrong code alerts every laptop of the account."""
        report = request.json(wire.Report)
        cti = _hex(report.cti)

        def act(records: Records, asking: Device) -> Answer:
            ceremony = _find(records, ceremony_id, asking)
            grant = records.grant(cti)
            void = rules.voids(ceremony, asking, grant, report.reason)
            if records.add_report(cti, report.reason):
                if void:
                    records.void_grants(ceremony.id)
                if report.reason is ReportReason.WRONG_CODE:
                    records.alert(asking.account, ceremony.id, report.reason)
                records.log(
                    asking.account,
                    "reported",
                    device=asking.kid,
                    ceremony=ceremony.id,
                    detail=report.reason,
                )
            return Answer(204)

        return self._once_as_device(request, act)

    def redeem(self, request: Request, named: str, label: str) -> Answer:
        """Judge a bundle (all 8 steps) and enrol the laptop that hands it in."""
        bundle = verify_bundle(request.body, self._issuer.public)
        account, label = _account(named), _label(label)
        try:
            signer = self._holder(request, bundle.new_public)
        except Problem as problem:
            if problem.code not in (ServiceCode.SIGNATURE, ServiceCode.UNKNOWN_DEVICE):
                raise
            signer = None

        def act(records: Records) -> Answer:
            facts = _facts(records, bundle, account, signer)
            match rules.redeem(bundle, facts, records.now, self._policy):
                case rules.WrongName() as wrong:
                    return _count_wrong_name(records, bundle, wrong)
                case rules.Spend(ceremony):
                    device = Device(
                        bundle.new_kid,
                        bundle.new_public,
                        ceremony.account,
                        label,
                        DeviceState.ACTIVE,
                    )
                    return _enrol(records, bundle, device, ceremony, request.body)

        if signer is None:
            with self._store.read() as records:
                return act(records)  # refuses: LATE or REQUEST_KEY
        return self._once(request, signer, act)

    # -- who asks, and whether it has been asked before -------------------------------------

    def _enrolled(self, request: Request, records: Records) -> bytes:
        """The public key of the enrolled laptop that signed the request."""

        def public_of(name: str) -> bytes | None:
            try:
                device = records.device(bytes.fromhex(name))
            except ValueError:
                return None
            return None if device is None else device.public

        return _verified(request, public_of, records.now)

    def _holder(self, request: Request, public: bytes) -> bytes:
        """`public`, if its holder signed the request."""
        with self._store.read() as records:
            now = records.now
        name = kid(public).hex()
        return _verified(request, lambda asked: public if asked == name else None, now)

    def _once_as_device(self, request: Request, act: Callable[[Records, Device], Answer]) -> Answer:
        """`_once` for an enrolled laptop, which must be active when its change is made."""
        with self._store.read() as records:
            signer = self._enrolled(request, records)

        def act_as_device(records: Records) -> Answer:
            return act(records, rules.require_active(records.device(kid(signer))))

        return self._once(request, signer, act_as_device)

    def _once(self, request: Request, signer: bytes, act: Callable[[Records], Answer]) -> Answer:
        """Act in one transaction, unless this signer's Idempotency-Key has been answered."""
        name, key, fingerprint = kid(signer), request.idempotency_key(), request.fingerprint()
        with self._store.write() as records:
            known = records.answer(name, key)
            if known is None:
                answer = act(records)
                records.remember(name, key, fingerprint, answer)
                return answer
        if known[0] != fingerprint:
            raise Problem(
                ServiceCode.IDEMPOTENCY_CONFLICT, "the Idempotency-Key belongs to another request"
            )
        return known[1]

    def _ceremony(self, status: int, records: Records, ceremony: Ceremony) -> Answer:
        content = wire.Ceremony(
            id=ceremony.id.hex(),
            state=ceremony.state,
            old=ceremony.old.hex(),
            started_at=ceremony.started // 1000,
            ready_at=ceremony.ready // 1000,
            deadline=ceremony.deadline // 1000,
            waits=rules.waits(ceremony, records.now),
            grants_left=max(0, self._policy.grants - records.count_grants(ceremony.id)),
            new_label=records.new_label(ceremony.id),
        )
        return json_answer(status, content)


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
    return hashlib.sha256(code).digest()


def _verified(request: Request, public_of: Callable[[str], bytes | None], now: int) -> bytes:
    try:
        return verify(request.message, request.body, public_of, now // 1000)
    except SignatureStale as error:
        raise Problem(ServiceCode.SIGNATURE_TIME, str(error)) from None
    except SignerUnknown:
        raise Problem(ServiceCode.UNKNOWN_DEVICE, "this laptop is not enrolled here") from None
    except SignatureRefused:
        raise Problem(ServiceCode.SIGNATURE, "the request's signature does not hold") from None


def _facts(
    records: Records, bundle: VerifiedBundle, named: str, signer: bytes | None
) -> rules.Redeeming:
    grant = records.grant(bundle.txn)
    ceremony = records.ceremony(grant.ceremony) if grant else None
    return rules.Redeeming(
        named=named,
        signer=signer,
        grant=grant,
        ceremony=ceremony,
        old=records.device(ceremony.old) if ceremony else None,
        new_known=records.device(bundle.new_kid) is not None,
    )


def _count_wrong_name(records: Records, bundle: VerifiedBundle, wrong: rules.WrongName) -> Answer:
    refusal = VerificationError(
        rules.STEP, RefusalCode.WRONG_ACCOUNT, "the old laptop is not of the account named"
    )
    if not wrong.counted:
        raise refusal
    records.save_ceremony(wrong.ceremony)
    records.log(
        wrong.ceremony.account,
        "wrong_name",
        device=bundle.new_kid,
        ceremony=wrong.ceremony.id,
        detail=f"{wrong.ceremony.wrong_names}{', the last' if wrong.ends else ''}",
    )
    return problem_answer(refusal)


def _enrol(
    records: Records, bundle: VerifiedBundle, device: Device, ceremony: Ceremony, raw: bytes
) -> Answer:
    records.add_device(device)
    records.spend(bundle.txn, device.kid, raw)
    records.save_ceremony(ceremony)
    records.log(
        device.account, "enrolled", device=device.kid, ceremony=ceremony.id, detail=device.label
    )
    return json_answer(201, _device(device))


def _find(records: Records, ceremony_id: str, asking: Device) -> Ceremony:
    """The ceremony, if it is of the asking laptop's account; to others it does not exist."""
    ceremony = records.ceremony(_hex(ceremony_id))
    if ceremony is None or ceremony.account != asking.account:
        raise Problem(ServiceCode.NOT_FOUND, "no such copy")
    return ceremony


def _device(device: Device, alerts: tuple[wire.Alert, ...] = ()) -> wire.Device:
    return wire.Device(device.account, device.kid.hex(), device.label, device.state, alerts)


def _account(text: str) -> str:
    try:
        return wire.account_name(text)
    except ValueError as error:
        raise Problem(ServiceCode.MALFORMED, str(error)) from None


def _label(text: str) -> str:
    try:
        check_label(text)
    except EncodingError as error:
        raise Problem(ServiceCode.MALFORMED, str(error)) from None
    return text


def _hex(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != ID_SIZE or value.hex() != text:
        raise Problem(ServiceCode.NOT_FOUND, "not an id")
    return value
