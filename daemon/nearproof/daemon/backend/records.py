"""What one transaction reads and writes: rows in, the facts of the rules out."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from nearproof.daemon.backend.facts import (
    Account,
    Ceremony,
    Device,
    Grant,
    GrantState,
    Invite,
    Millis,
)
from nearproof.daemon.backend.ledger import GENESIS
from nearproof.daemon.backend.outbox import Outbox
from nearproof.daemon.backend.rules import Standing, settled
from nearproof.daemon.backend.schema import (
    accounts,
    ceremonies,
    challenges,
    devices,
    grants,
    invites,
    redemptions,
    reports,
)
from nearproof.daemon.backend.wire import (
    OPEN,
    CeremonyKind,
    CeremonyState,
    DeviceState,
    EventKind,
    PinAction,
    ReportReason,
)

_ACTIVE = (
    select(devices)
    .where(devices.c.account == bindparam("account"), devices.c.state == DeviceState.ACTIVE)
    .order_by(devices.c.enrolled)
)
_OPEN = select(ceremonies).where(
    ceremonies.c.account == bindparam("account"), ceremonies.c.state.in_(OPEN)
)
_STARTED = select(ceremonies.c.started).where(
    ceremonies.c.old == bindparam("old"), ceremonies.c.started > bindparam("since")
)
_GRANTS = select(func.count()).where(grants.c.ceremony == bindparam("ceremony"))


class Records(Outbox):
    """The rows of one transaction."""

    # -- accounts and invites ---------------------------------------------------------------

    def add_account(self, name: str, phone: str = "") -> Account:
        """Make the account if it is not there."""
        account = self.account(name)
        if account is None:
            account = Account(name, phone, 0)
            self._insert(
                accounts, **asdict(account), created=self.now, audit_seq=0, audit_head=GENESIS
            )
        return account

    def account(self, name: str) -> Account | None:
        """The account of this name."""
        row = self._find(accounts, name=name)
        return row and Account(row.name, row.phone, row.phone_since)

    def set_phone(self, account: Account, phone: str) -> None:
        """Another number; the account's first one counts at once."""
        since = self.now if account.phone else 0
        self._update(accounts, {"name": account.name}, phone=phone, phone_since=since)

    def standing(self, account: Account) -> Standing:
        """How it stands for a ceremony; one that is overdue is put down as expired first."""
        return Standing(account, self.open_ceremony(account.name), self.active(account.name))

    def add_invite(self, code_hash: bytes, account: str, expires: Millis) -> None:
        """Store an activation code, by its hash."""
        self._insert(invites, hash=code_hash, account=account, created=self.now, expires=expires)

    def invite(self, code_hash: bytes) -> Invite | None:
        """The invite with this hash of its code."""
        row = self._find(invites, hash=code_hash)
        return row and Invite(row.account, row.expires, row.used_by is not None)

    def use_invite(self, code_hash: bytes, kid: bytes) -> None:
        """Mark it used, by this device."""
        self._update(invites, {"hash": code_hash}, used_by=kid)

    # -- devices ----------------------------------------------------------------------------

    def device(self, kid: bytes) -> Device | None:
        """The device of this kid, active or not."""
        row = self._find(devices, kid=kid)
        return row and _device(row)

    def active(self, account: str) -> list[Device]:
        """The account's active devices, oldest first."""
        return [_device(row) for row in self._all(_ACTIVE, account=account)]

    def add_device(self, device: Device) -> None:
        """A device that was not known."""
        self._insert(devices, **asdict(device))

    def save_device(self, device: Device) -> None:
        """A device that has changed."""
        self._update(devices, {"kid": device.kid}, **asdict(device))

    def retire(self, device: Device) -> None:
        """A device that is active no more; the open ceremony that it had started is cancelled."""
        self.save_device(device)
        ceremony = self.open_ceremony(device.account)
        if ceremony is not None and ceremony.old == device.kid:
            self.save_ceremony(replace(ceremony, state=CeremonyState.CANCELLED))
            self.tell(device.account, EventKind.CANCELLED, ceremony=ceremony.id)

    # -- challenges ---------------------------------------------------------------------------

    def put_challenge(
        self, device: bytes, action: PinAction, ceremony: bytes, challenge: bytes, expires: Millis
    ) -> None:
        """The one challenge for this action; an older one is void."""
        self.drop_challenge(device, action)
        self._insert(
            challenges,
            device=device,
            action=action,
            ceremony=ceremony,
            challenge=challenge,
            expires=expires,
        )

    def challenge(self, device: bytes, action: PinAction, ceremony: bytes) -> bytes | None:
        """The challenge (32 bytes) that is good now."""
        row = self._find(challenges, device=device, action=action)
        good = row is not None and row.ceremony == ceremony and self.now <= row.expires
        return bytes(row.challenge) if row is not None and good else None

    def drop_challenge(self, device: bytes, action: PinAction) -> None:
        """It has been used."""
        self._delete(challenges, device=device, action=action)

    # -- ceremonies ---------------------------------------------------------------------------

    def ceremony(self, ceremony_id: bytes) -> Ceremony | None:
        """The ceremony as it stands now."""
        return self._ceremony(self._find(ceremonies, id=ceremony_id))

    def open_ceremony(self, account: str) -> Ceremony | None:
        """The account's open ceremony; one that is overdue is put down as expired first."""
        ceremony = self.peek_ceremony(account)
        if ceremony is not None and not ceremony.open:
            self.save_ceremony(ceremony)
            return None
        return ceremony

    def peek_ceremony(self, account: str) -> Ceremony | None:
        """The account's ceremony that was open last time anybody wrote it down."""
        return self._ceremony(self._one(_OPEN, account=account))

    def starts(self, old: bytes, since: Millis) -> list[Millis]:
        """When this laptop has started copies after `since`."""
        return [row.started for row in self._all(_STARTED, old=old, since=since)]

    def add_ceremony(self, ceremony: Ceremony) -> None:
        """A new ceremony."""
        self._insert(ceremonies, **asdict(ceremony))

    def save_ceremony(self, ceremony: Ceremony) -> None:
        """A ceremony that has changed.

        When it is over, no grant of it stays current, no code is sent any more, and a laptop that
        has not become active by it never will.
        """
        self._update(ceremonies, {"id": ceremony.id}, **asdict(ceremony))
        if ceremony.open:
            return
        self.void_grants(ceremony.id)
        self.void_codes(ceremony.id)
        enrolling = {"kid": ceremony.new, "state": DeviceState.ENROLLING}
        self._update(devices, enrolling, state=DeviceState.ABANDONED)

    # -- grants -------------------------------------------------------------------------------

    def grant(self, cti: bytes) -> Grant | None:
        """The grant of this cti."""
        row = self._find(grants, cti=cti)
        return row and Grant(row.cti, row.ceremony, GrantState(row.state))

    def count_grants(self, ceremony_id: bytes) -> int:
        """How many grants the ceremony has had, however each ended."""
        return int(self._connection.execute(_GRANTS, {"ceremony": ceremony_id}).scalar_one())

    def add_grant(self, cti: bytes, ceremony_id: bytes) -> None:
        """Issue a grant; the one before is void."""
        self.void_grants(ceremony_id)
        self._insert(
            grants, cti=cti, ceremony=ceremony_id, state=GrantState.ISSUED, issued=self.now
        )

    def void_grants(self, ceremony_id: bytes) -> None:
        """Whatever grant of the ceremony is current is void."""
        current = {"ceremony": ceremony_id, "state": GrantState.ISSUED}
        self._update(grants, current, state=GrantState.VOIDED)

    def spend(self, cti: bytes, device: bytes, bundle: bytes) -> None:
        """The grant has led to this device."""
        self._update(grants, {"cti": cti}, state=GrantState.SPENT)
        self._insert(redemptions, cti=cti, device=device, bundle=bundle, at=self.now)

    def add_report(self, cti: bytes, reason: ReportReason) -> bool:
        """Store OLD's report; False if it has been made before."""
        if self._find(reports, cti=cti, reason=reason) is not None:
            return False
        self._insert(reports, cti=cti, reason=reason, at=self.now)
        return True

    def _ceremony(self, row: Row[Any] | None) -> Ceremony | None:
        if row is None:
            return None
        fields = dict(row._mapping)
        fields |= {"kind": CeremonyKind(row.kind), "state": CeremonyState(row.state)}
        return settled(Ceremony(**fields), self.now)


def _device(row: Row[Any]) -> Device:
    return Device(**dict(row._mapping) | {"state": DeviceState(row.state)})
