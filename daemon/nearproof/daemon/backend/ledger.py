"""What was said and done: the audit chain, events for laptops, remembered answers.

Each account has a chain of its own: a row's hash covers the row and the hash before it, and the
account knows where the chain ends, so that a row changed, taken out or cut off shows.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, func, select

from nearproof.crypto import cbor
from nearproof.crypto.primitives import sha256
from nearproof.daemon.backend.errors import AuditBroken
from nearproof.daemon.backend.exchange import Answer
from nearproof.daemon.backend.facts import Millis
from nearproof.daemon.backend.rows import Rows
from nearproof.daemon.backend.schema import accounts, answers, audit, devices, events
from nearproof.daemon.backend.wire import DeviceState, Event, EventKind

ANSWERS_KEPT: Final = 86_400_000  # ms; far longer than a signature can be replayed
EVENTS_SHOWN: Final = 100
GENESIS: Final = bytes(32)

_HEARERS = select(devices.c.kid).where(
    devices.c.account == bindparam("account"), devices.c.state == DeviceState.ACTIVE
)
_EVENTS = (
    select(events)
    .where(events.c.device == bindparam("device"), events.c.id > bindparam("after"))
    .order_by(events.c.id)
    .limit(EVENTS_SHOWN)
)
_STALE = delete(answers).where(
    answers.c.signer == bindparam("signer"), answers.c.at < bindparam("before")
)


class Ledger(Rows):
    """The rows that only ever grow."""

    # -- audit --------------------------------------------------------------------------------

    def log(
        self,
        account: str,
        event: str,
        *,
        device: bytes | None = None,
        ceremony: bytes | None = None,
        detail: str = "",
    ) -> None:
        """One audit row, at the end of the account's chain."""
        head = self._find(accounts, name=account)
        assert head is not None  # noqa: S101 - callers hold the account
        seq = head.audit_seq + 1
        digest = link(
            head.audit_head, account, seq, self.now, event, device or b"", ceremony or b"", detail
        )
        self._insert(
            audit,
            account=account,
            seq=seq,
            at=self.now,
            event=event,
            device=device,
            ceremony=ceremony,
            detail=detail,
            hash=digest,
        )
        self._update(accounts, {"name": account}, audit_seq=seq, audit_head=digest)

    def verify_audit(self) -> dict[str, int]:
        """How many rows the chain of each account has.  Raises `AuditBroken`."""
        return {row.name: self._verify_chain(row.name) for row in self._all(select(accounts))}

    def _verify_chain(self, account: str) -> int:
        head, seq = GENESIS, 0
        for row in self._all(select(audit).where(audit.c.account == account).order_by(audit.c.seq)):
            seq += 1
            head = link(
                head,
                account,
                seq,
                row.at,
                row.event,
                row.device or b"",
                row.ceremony or b"",
                row.detail,
            )
            if row.seq != seq or row.hash != head:
                raise AuditBroken(account, seq)
        ends = self._find(accounts, name=account)
        if ends is None or (ends.audit_seq, ends.audit_head) != (seq, head):
            raise AuditBroken(account, seq + 1)
        return seq

    # -- events -------------------------------------------------------------------------------

    def tell(
        self, account: str, kind: EventKind, *, ceremony: bytes | None = None, label: str = ""
    ) -> None:
        """Let every active laptop of the account hear of it.

        Under the account's lock, so that a cursor never passes an event that comes later.
        """
        for row in self._all(_HEARERS, account=account):
            self._insert(
                events, device=row.kid, kind=kind, ceremony=ceremony, label=label, at=self.now
            )

    def events(self, kid: bytes, after: int) -> tuple[Event, ...]:
        """What this laptop shall hear that came after the cursor, oldest first."""
        return tuple(
            Event(
                row.id,
                EventKind(row.kind),
                row.at // 1000,
                row.ceremony.hex() if row.ceremony else "",
                row.label,
            )
            for row in self._all(_EVENTS, device=kid, after=after)
        )

    # -- answers ------------------------------------------------------------------------------

    def answer(self, signer: bytes, key: str) -> tuple[bytes, Answer] | None:
        """What this signer's idempotency key has been answered: request fingerprint, answer."""
        row = self._find(answers, signer=signer, key=key)
        return row and (row.fingerprint, Answer(row.status, row.media, row.body))

    def remember(self, signer: bytes, key: str, fingerprint: bytes, answer: Answer) -> None:
        """Keep the answer for a day, and forget the signer's older ones."""
        self._write(_STALE, signer=signer, before=self.now - ANSWERS_KEPT)
        self._insert(
            answers,
            signer=signer,
            key=key,
            fingerprint=fingerprint,
            status=answer.status,
            media=answer.media,
            body=answer.body,
            at=self.now,
        )

    def count(self, table: str) -> int:
        """How many rows a table has."""
        query = select(func.count()).select_from(accounts.metadata.tables[table])
        return int(self._connection.execute(query).scalar_one())


def link(
    before: bytes,
    account: str,
    seq: int,
    at: Millis,
    event: str,
    device: bytes,
    ceremony: bytes,
    detail: str,
) -> bytes:
    """The hash of an audit row: SHA-256 over deterministic CBOR of the hash before and the row."""
    return sha256(cbor.encode([before, account, seq, at, event, device, ceremony, detail]))
