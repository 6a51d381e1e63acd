"""What one transaction reads and writes: rows in, the facts of `rules` out."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from nearproof.daemon.backend.exchange import Answer
from nearproof.daemon.backend.rules import (
    Ceremony,
    Device,
    Grant,
    GrantState,
    Invite,
    Millis,
    settled,
)
from nearproof.daemon.backend.schema import (
    accounts,
    alerts,
    answers,
    audit,
    ceremonies,
    devices,
    grants,
    invites,
    redemptions,
    reports,
)
from nearproof.daemon.backend.wire import Alert, CeremonyState, DeviceState, ReportReason

ANSWERS_KEPT: Final = 86_400_000  # ms; far longer than a signature can be replayed
ALERTS_SHOWN: Final = 20


class Records:
    """The rows of one transaction; `now` is the database's clock when it had its lock."""

    def __init__(self, connection: Connection, now: Millis) -> None:
        self._connection = connection
        self.now = now

    # -- accounts and invites ---------------------------------------------------------------

    def add_account(self, name: str) -> None:
        """Make the account if it is not there."""
        if self._one(select(accounts).where(accounts.c.name == name)) is None:
            self._write(insert(accounts).values(name=name, created=self.now))

    def add_invite(self, code_hash: bytes, account: str, expires: Millis) -> None:
        """Store an activation code, by its hash."""
        self._write(
            insert(invites).values(
                hash=code_hash, account=account, created=self.now, expires=expires
            )
        )

    def invite(self, code_hash: bytes) -> Invite | None:
        """The invite with this hash of its code."""
        row = self._one(select(invites).where(invites.c.hash == code_hash))
        return row and Invite(row.account, row.expires, row.used_by is not None)

    def use_invite(self, code_hash: bytes, kid: bytes) -> None:
        """Mark it used, by this device."""
        self._write(update(invites).where(invites.c.hash == code_hash).values(used_by=kid))

    # -- devices ----------------------------------------------------------------------------

    def device(self, kid: bytes) -> Device | None:
        """The device of this kid, active or not."""
        row = self._one(select(devices).where(devices.c.kid == kid))
        return row and Device(row.kid, row.public, row.account, row.label, DeviceState(row.state))

    def active_devices(self, account: str) -> list[bytes]:
        """The kids of the account's active devices."""
        query = select(devices.c.kid).where(
            devices.c.account == account, devices.c.state == DeviceState.ACTIVE
        )
        return [row.kid for row in self._connection.execute(query)]

    def add_device(self, device: Device) -> None:
        """Enrol a device."""
        self._write(
            insert(devices).values(
                kid=device.kid,
                public=device.public,
                account=device.account,
                label=device.label,
                state=device.state,
                enrolled=self.now,
            )
        )

    def revoke(self, kid: bytes) -> None:
        """The device is revoked from now on."""
        self._write(
            update(devices)
            .where(devices.c.kid == kid)
            .values(state=DeviceState.REVOKED, revoked=self.now)
        )

    # -- ceremonies ---------------------------------------------------------------------------

    def ceremony(self, ceremony_id: bytes) -> Ceremony | None:
        """The ceremony as it stands now."""
        return self._ceremony(select(ceremonies).where(ceremonies.c.id == ceremony_id))

    def live_ceremony(self, account: str) -> Ceremony | None:
        """The account's live ceremony; one that is overdue is put down as expired first."""
        ceremony = self._ceremony(
            select(ceremonies).where(
                ceremonies.c.account == account, ceremonies.c.state == CeremonyState.LIVE
            )
        )
        if ceremony is not None and ceremony.state is not CeremonyState.LIVE:
            self.save_ceremony(ceremony)
            return None
        return ceremony

    def add_ceremony(self, ceremony: Ceremony) -> None:
        """A new ceremony."""
        self._write(
            insert(ceremonies).values(
                id=ceremony.id,
                account=ceremony.account,
                old=ceremony.old,
                state=ceremony.state,
                started=ceremony.started,
                ready=ceremony.ready,
                deadline=ceremony.deadline,
                wrong_names=ceremony.wrong_names,
            )
        )

    def save_ceremony(self, ceremony: Ceremony) -> None:
        """Its state and count; when it is over, no grant of it stays current."""
        over = ceremony.state is not CeremonyState.LIVE
        self._write(
            update(ceremonies)
            .where(ceremonies.c.id == ceremony.id)
            .values(
                state=ceremony.state,
                wrong_names=ceremony.wrong_names,
                ended=self.now if over else None,
            )
        )
        if over:
            self.void_grants(ceremony.id)

    # -- grants -------------------------------------------------------------------------------

    def grant(self, cti: bytes) -> Grant | None:
        """The grant of this cti."""
        row = self._one(select(grants).where(grants.c.cti == cti))
        return row and Grant(row.cti, row.ceremony, GrantState(row.state))

    def count_grants(self, ceremony_id: bytes) -> int:
        """How many grants the ceremony has had, however each ended."""
        query = select(func.count()).where(grants.c.ceremony == ceremony_id)
        return int(self._connection.execute(query).scalar_one())

    def add_grant(self, cti: bytes, ceremony_id: bytes) -> None:
        """Issue a grant; the one before is void."""
        self.void_grants(ceremony_id)
        self._write(
            insert(grants).values(
                cti=cti, ceremony=ceremony_id, state=GrantState.ISSUED, issued=self.now
            )
        )

    def void_grants(self, ceremony_id: bytes) -> None:
        """Whatever grant of the ceremony is current is void."""
        self._write(
            update(grants)
            .where(grants.c.ceremony == ceremony_id, grants.c.state == GrantState.ISSUED)
            .values(state=GrantState.VOIDED)
        )

    def spend(self, cti: bytes, device: bytes, bundle: bytes) -> None:
        """The grant has enrolled this device."""
        self._write(update(grants).where(grants.c.cti == cti).values(state=GrantState.SPENT))
        self._write(insert(redemptions).values(cti=cti, device=device, bundle=bundle, at=self.now))

    def new_label(self, ceremony_id: bytes) -> str:
        """The label of the device that the ceremony has enrolled, "" if none."""
        query = (
            select(devices.c.label)
            .join(redemptions, redemptions.c.device == devices.c.kid)
            .join(grants, grants.c.cti == redemptions.c.cti)
            .where(grants.c.ceremony == ceremony_id)
        )
        return self._connection.execute(query).scalar() or ""

    # -- reports, alerts, audit ---------------------------------------------------------------

    def add_report(self, cti: bytes, reason: ReportReason) -> bool:
        """Store OLD's report; False if it has been made before."""
        made = select(reports).where(reports.c.cti == cti, reports.c.reason == reason)
        if self._one(made) is not None:
            return False
        self._write(insert(reports).values(cti=cti, reason=reason, at=self.now))
        return True

    def alert(self, account: str, ceremony_id: bytes, kind: str) -> None:
        """Alert every active device of the account."""
        for kid in self.active_devices(account):
            self._write(
                insert(alerts).values(device=kid, ceremony=ceremony_id, kind=kind, at=self.now)
            )

    def alerts(self, kid: bytes) -> tuple[Alert, ...]:
        """The newest alerts of a device, newest first."""
        query = (
            select(alerts)
            .where(alerts.c.device == kid)
            .order_by(alerts.c.id.desc())
            .limit(ALERTS_SHOWN)
        )
        return tuple(
            Alert(row.kind, row.ceremony.hex(), row.at // 1000)
            for row in self._connection.execute(query)
        )

    def log(
        self,
        account: str,
        event: str,
        *,
        device: bytes | None = None,
        ceremony: bytes | None = None,
        detail: str = "",
    ) -> None:
        """One audit row."""
        self._write(
            insert(audit).values(
                at=self.now,
                account=account,
                event=event,
                device=device,
                ceremony=ceremony,
                detail=detail,
            )
        )

    # -- answers ------------------------------------------------------------------------------

    def answer(self, signer: bytes, key: str) -> tuple[bytes, Answer] | None:
        """What this signer's idempotency key has been answered: request fingerprint, answer."""
        row = self._one(select(answers).where(answers.c.signer == signer, answers.c.key == key))
        return row and (row.fingerprint, Answer(row.status, row.media, row.body))

    def remember(self, signer: bytes, key: str, fingerprint: bytes, answer: Answer) -> None:
        """Keep the answer for a day, and forget those that are older."""
        self._write(delete(answers).where(answers.c.at < self.now - ANSWERS_KEPT))
        self._write(
            insert(answers).values(
                signer=signer,
                key=key,
                fingerprint=fingerprint,
                status=answer.status,
                media=answer.media,
                body=answer.body,
                at=self.now,
            )
        )

    # -- helpers ------------------------------------------------------------------------------

    def _ceremony(self, query: Select[Any]) -> Ceremony | None:
        row = self._one(query)
        return row and settled(
            Ceremony(
                id=row.id,
                account=row.account,
                old=row.old,
                state=CeremonyState(row.state),
                started=row.started,
                ready=row.ready,
                deadline=row.deadline,
                wrong_names=row.wrong_names,
            ),
            self.now,
        )

    def _one(self, query: Select[Any]) -> Row[Any] | None:
        return self._connection.execute(query).one_or_none()

    def _write(self, statement: Any) -> None:
        self._connection.execute(statement)
