"""The old laptop's side: starting a copy, its grants, reports, cancelling."""

from __future__ import annotations

from dataclasses import replace

from nearproof.crypto.grant import Policy, issue_grant
from nearproof.daemon.backend import pins, rules, wire
from nearproof.daemon.backend.desk import ID_SIZE, Desk, WrongPin, find_ceremony, read_id
from nearproof.daemon.backend.exchange import Answer, Request, json_answer
from nearproof.daemon.backend.facts import Ceremony, Device, Problem
from nearproof.daemon.backend.outbox import SmsKind
from nearproof.daemon.backend.records import Records
from nearproof.daemon.backend.wire import (
    EventKind,
    PinAction,
    ReportReason,
    ServiceCode,
    Verification,
)


class Copies(Desk):
    """What OLD and the other laptops of its account ask."""

    def start(self, request: Request) -> Answer:
        """Start a copy, or say where the one stands that the asking laptop has started.

        Refused for any other reason, it costs no PIN try.
        """
        body = request.json(wire.Start)
        if not body.consent:
            raise Problem(ServiceCode.CONSENT, "the person must want to copy")

        def act(records: Records, asking: Device) -> Answer:
            account = records.account(asking.account)
            assert account is not None  # noqa: S101 - a foreign key
            standing = records.standing(account)
            started = records.starts(asking.kid, records.now - rules.DAY)
            drawn = self._randomness(ID_SIZE)
            ceremony = rules.start(asking, standing, started, drawn, records.now, self._policy)
            if ceremony is standing.open:
                return self._ceremony(200, records, ceremony, asking)
            if body.uv is Verification.PIN:
                verdict = self._check_pin(records, asking, body.proof, PinAction.COPY)
                if isinstance(verdict, WrongPin):
                    return verdict.answer
                asking = verdict
            else:
                pins.require_unlocked(asking, records.now)
            records.add_ceremony(ceremony)
            records.log(
                asking.account,
                "copy_started",
                device=asking.kid,
                ceremony=ceremony.id,
                detail=f"uv {body.uv}, consent given",
            )
            records.tell(
                asking.account, EventKind.COPY_STARTED, ceremony=ceremony.id, label=asking.label
            )
            records.queue_sms(account, ceremony, SmsKind.COPY_STARTED)
            return self._ceremony(201, records, ceremony, asking)

        return self._once_as_active(request, act)

    def ceremony(self, request: Request, ceremony_id: str) -> Answer:
        """Where a ceremony of the asking laptop's account stands."""
        signed = self._signed(request)
        with self._store.read() as records:
            asking = rules.require_active(self._asking(signed, records))
            ceremony = find_ceremony(records, ceremony_id, asking)
            return self._ceremony(200, records, ceremony, asking)

    def cancel(self, request: Request, ceremony_id: str) -> Answer:
        """Cancel a ceremony: any active laptop of its account may, and the one being enrolled."""
        request.json(wire.Nothing)

        def act(records: Records, asking: Device) -> Answer:
            ceremony = find_ceremony(records, ceremony_id, asking)
            cancelled = rules.cancel(ceremony, asking, records.now)
            if cancelled is not ceremony:
                end(records, cancelled, EventKind.CANCELLED, asking)
            return self._ceremony(200, records, cancelled, asking)

        return self._once_as_known(request, act)

    def grant(self, request: Request, ceremony_id: str) -> Answer:
        """Issue a grant for one QR; the one before is void."""
        body = request.json(wire.GrantRequest)

        def act(records: Records, asking: Device) -> Answer:
            ceremony = find_ceremony(records, ceremony_id, asking)
            grants = records.count_grants(ceremony.id)
            label = new_label(records, ceremony)
            nbf = rules.issue(ceremony, asking, grants, label, records.now, self._policy)
            if body.proof:
                verdict = self._check_pin(records, asking, body.proof, PinAction.GRANT, ceremony.id)
                if isinstance(verdict, WrongPin):
                    return verdict.answer
                ceremony = replace(ceremony, pin_at=records.now)
                records.save_ceremony(ceremony)
            else:
                pins.require_unlocked(asking, records.now)
                if not pins.is_fresh(ceremony, records.now, self._policy):
                    raise Problem(ServiceCode.PIN_NEEDED, "a grant needs the PIN")
            return self._issue(records, ceremony, asking, nbf)

        return self._once_as_active(request, act)

    def _issue(self, records: Records, ceremony: Ceremony, asking: Device, nbf: int) -> Answer:
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

    def report(self, request: Request, ceremony_id: str) -> Answer:
        """Take OLD's word on a QR; a wrong code alerts every laptop of the account."""
        report = request.json(wire.Report)
        cti = read_id(report.cti)

        def act(records: Records, asking: Device) -> Answer:
            ceremony = find_ceremony(records, ceremony_id, asking)
            void = rules.voids(ceremony, asking, records.grant(cti), report.reason)
            if not records.add_report(cti, report.reason):
                return Answer(204)
            if void:
                records.void_grants(ceremony.id)
            if report.reason is ReportReason.WRONG_CODE:
                records.tell(
                    asking.account, EventKind.FRAUD_ALERT, ceremony=ceremony.id, label=asking.label
                )
            records.log(
                asking.account,
                "reported",
                device=asking.kid,
                ceremony=ceremony.id,
                detail=report.reason,
            )
            return Answer(204)

        return self._once_as_active(request, act)

    def _ceremony(
        self, status: int, records: Records, ceremony: Ceremony, asking: Device
    ) -> Answer:
        content = wire.Ceremony(
            id=ceremony.id.hex(),
            state=ceremony.state,
            old=ceremony.old.hex() if ceremony.old else "",
            started_at=ceremony.started // 1000,
            ready_at=ceremony.ready // 1000,
            deadline=ceremony.deadline // 1000,
            waits=rules.waits(ceremony, records.now),
            grants_left=max(0, self._policy.grants - records.count_grants(ceremony.id)),
            new_label=new_label(records, ceremony),
            kind=ceremony.kind,
            wrong_pins=asking.wrong_before,
        )
        return json_answer(status, content)


def new_label(records: Records, ceremony: Ceremony) -> str:
    """What the new laptop calls itself, "" before it is known."""
    device = records.device(ceremony.new) if ceremony.new else None
    return device.label if device else ""


def end(records: Records, ceremony: Ceremony, kind: EventKind, by: Device | None) -> None:
    """Put down a ceremony that has ended without a new laptop, and let everybody know."""
    records.save_ceremony(ceremony)
    records.log(
        ceremony.account,
        f"ceremony_{ceremony.state}",
        device=by.kid if by else None,
        ceremony=ceremony.id,
    )
    records.tell(ceremony.account, kind, ceremony=ceremony.id, label=by.label if by else "")
