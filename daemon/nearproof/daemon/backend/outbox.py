"""SMS on their way: queued in the transaction that wants them sent, handed over afterwards.

At least once: a worker takes what is due on a lease, hands it over, and only then strikes it
off; if it dies in between, the lease ends and the same text goes out again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sqlalchemy import func, select

from nearproof.daemon.backend.facts import Account, Ceremony, Millis
from nearproof.daemon.backend.ledger import Ledger
from nearproof.daemon.backend.schema import outbox

LEASE: Final = 60_000  # ms that a worker has for handing one over
BACKOFF: Final = 5_000  # ms before the second try, doubled for each that follows
MAX_BACKOFF: Final = 300_000
BATCH: Final = 20


class SmsKind(StrEnum):
    """What an SMS says."""

    COPY_STARTED = "copy_started"
    ACTIVATION_STARTED = "activation_started"
    CODE = "code"
    ACTIVATED = "activated"


class SmsState(StrEnum):
    """Where an SMS stands."""

    WAITING = "waiting"
    SENT = "sent"
    VOID = "void"  # not to be sent: its ceremony is over, or the user ID was wrong


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS; `code` is the number of the ceremony's code that it carries, 0 for none."""

    id: int
    account: str
    ceremony: bytes
    kind: SmsKind
    code: int
    phone: str = field(repr=False)
    state: SmsState
    tries: int
    at: Millis


class Outbox(Ledger):
    """The queue."""

    def queue_sms(self, account: Account, ceremony: Ceremony, kind: SmsKind) -> None:
        """Send this to the account's phone.

        Behind a wrong user ID the same row is written, void, so that it takes the same time.
        """
        meant = kind is not SmsKind.CODE or ceremony.named == account.name
        self._insert(
            outbox,
            account=account.name,
            ceremony=ceremony.id,
            kind=kind,
            code=ceremony.code if kind is SmsKind.CODE else 0,
            phone=account.phone if meant else "",
            state=SmsState.WAITING if meant else SmsState.VOID,
            tries=0,
            due=self.now,
            at=self.now,
        )

    def void_codes(self, ceremony: bytes) -> None:
        """Codes of this ceremony that have not been sent need not be."""
        waiting = {"ceremony": ceremony, "kind": SmsKind.CODE, "state": SmsState.WAITING}
        self._update(outbox, waiting, state=SmsState.VOID)

    def sms_due(self) -> bool:
        """Whether there is anything to hand over now."""
        due = (outbox.c.state == SmsState.WAITING, outbox.c.due <= self.now)
        return self._one(select(outbox.c.id).where(*due).limit(1)) is not None

    def lease_sms(self) -> list[Sms]:
        """What is due, for this worker alone for `LEASE`; each of them has one try more."""
        due = (
            select(outbox)
            .where(outbox.c.state == SmsState.WAITING, outbox.c.due <= self.now)
            .order_by(outbox.c.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        rows = self._all(due)
        for row in rows:
            self._update(outbox, {"id": row.id}, due=self.now + LEASE, tries=row.tries + 1)
        return [_sms(row) for row in rows]

    def settle_sms(self, sms: Sms, *, sent: bool) -> None:
        """It was handed over; or it was not, and is due again after a while."""
        pause = min(BACKOFF << min(sms.tries, 16), MAX_BACKOFF)
        key = {"id": sms.id, "state": SmsState.WAITING}
        if sent:
            self._update(outbox, key, state=SmsState.SENT)
        else:
            self._update(outbox, key, due=self.now + pause)

    def sms(self, *, limit: int = 100) -> list[Sms]:
        """The newest SMS, newest first."""
        return [
            _sms(row) for row in self._all(select(outbox).order_by(outbox.c.id.desc()).limit(limit))
        ]

    def sms_waiting(self) -> int:
        """How many have not been handed over yet."""
        query = select(func.count()).where(outbox.c.state == SmsState.WAITING)
        return int(self._connection.execute(query).scalar_one())


def _sms(row: object) -> Sms:
    fields = dict(row._mapping)  # type: ignore[attr-defined]
    del fields["due"]
    fields |= {"kind": SmsKind(fields["kind"]), "state": SmsState(fields["state"])}
    return Sms(**fields)
