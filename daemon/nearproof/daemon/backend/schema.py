"""The tables.  Times are milliseconds since the epoch on the database's clock.

What may never happen is refused by the schema too: two open ceremonies of an account, a slot
held twice, an active laptop without one, two issued or two spent grants of a ceremony, a key or
a grant used twice.  `migrations/` makes these tables; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from nearproof.daemon.backend.facts import GrantState
from nearproof.daemon.backend.policy import SLOTS
from nearproof.daemon.backend.wire import OPEN, CeremonyKind, CeremonyState, DeviceState

HEAD: Final = "0001"
"""The newest revision in `migrations/versions`."""

metadata = MetaData()

_MILLIS = BigInteger().with_variant(Integer, "sqlite")
_SERIAL = BigInteger().with_variant(Integer, "sqlite")


def _table(name: str, *parts: Any) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({_listed(values)})")


def _unique_where(name: str, condition: str, *columns: Column[Any]) -> None:
    Index(
        name,
        *columns,
        unique=True,
        sqlite_where=text(condition),
        postgresql_where=text(condition),
    )


accounts = _table(
    "accounts",
    Column("name", Text, primary_key=True),
    Column("phone", Text, nullable=False),
    Column("phone_since", _MILLIS, nullable=False),  # 0: the first number
    Column("created", _MILLIS, nullable=False),
    Column("audit_seq", Integer, nullable=False),  # where the account's audit chain ends
    Column("audit_head", LargeBinary, nullable=False),
)

devices = _table(
    "devices",
    Column("kid", LargeBinary, primary_key=True),
    Column("public", LargeBinary, nullable=False, unique=True),
    Column("user_public", LargeBinary, nullable=False),  # of the PIN; empty while enrolling
    Column("account", Text, ForeignKey("accounts.name"), nullable=False),
    Column("label", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("slot", Integer),
    Column("enrolled", _MILLIS, nullable=False),
    Column("newcomer_until", _MILLIS, nullable=False),
    Column("wrong_pins", Integer, nullable=False),
    Column("wrong_before", Integer, nullable=False),
    Column("locked_until", _MILLIS, nullable=False),
    _one_of("state", DeviceState),
    CheckConstraint(
        f"CASE WHEN state = 'active' THEN slot BETWEEN 1 AND {SLOTS} AND slot IS NOT NULL"
        " ELSE slot IS NULL END"
    ),
)
Index("devices_account", devices.c.account)
_unique_where("devices_one_a_slot", "state = 'active'", devices.c.account, devices.c.slot)

invites = _table(
    "invites",
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the code's 16 random bytes
    Column("account", Text, ForeignKey("accounts.name"), nullable=False),
    Column("created", _MILLIS, nullable=False),
    Column("expires", _MILLIS, nullable=False),
    Column("used_by", LargeBinary, ForeignKey("devices.kid")),
)

ceremonies = _table(
    "ceremonies",
    Column("id", LargeBinary, primary_key=True),
    Column("account", Text, ForeignKey("accounts.name"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("old", LargeBinary, ForeignKey("devices.kid")),
    Column("new", LargeBinary, ForeignKey("devices.kid"), unique=True),
    Column("state", Text, nullable=False),
    Column("slot", Integer, nullable=False),  # reserved while it is open
    Column("started", _MILLIS, nullable=False),
    Column("ready", _MILLIS, nullable=False),
    Column("deadline", _MILLIS, nullable=False),
    Column("named", Text, nullable=False),
    Column("names", Integer, nullable=False),
    Column("code", Integer, nullable=False),
    Column("code_made", _MILLIS, nullable=False),
    Column("code_sent", _MILLIS, nullable=False),
    Column("code_wrong", Integer, nullable=False),
    Column("wrong_codes", Integer, nullable=False),
    Column("pin_at", _MILLIS, nullable=False),
    _one_of("state", CeremonyState),
    _one_of("kind", CeremonyKind),
    CheckConstraint(f"slot BETWEEN 1 AND {SLOTS}"),
)
Index("ceremonies_old", ceremonies.c.old)
_unique_where("ceremonies_one_open", f"state IN ({_listed(OPEN)})", ceremonies.c.account)

grants = _table(
    "grants",
    Column("cti", LargeBinary, primary_key=True),
    Column("ceremony", LargeBinary, ForeignKey("ceremonies.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("issued", _MILLIS, nullable=False),
    _one_of("state", GrantState),
)
Index("grants_ceremony", grants.c.ceremony)
for _single in (GrantState.ISSUED, GrantState.SPENT):
    _unique_where(f"grants_one_{_single}", f"state = '{_single}'", grants.c.ceremony)

redemptions = _table(
    "redemptions",
    Column("cti", LargeBinary, ForeignKey("grants.cti"), primary_key=True),
    Column("device", LargeBinary, ForeignKey("devices.kid"), nullable=False, unique=True),
    Column("bundle", LargeBinary, nullable=False),  # the evidence, as it was handed in
    Column("at", _MILLIS, nullable=False),
)

reports = _table(
    "reports",
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("cti", LargeBinary, ForeignKey("grants.cti"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", _MILLIS, nullable=False),
    UniqueConstraint("cti", "reason"),
)

challenges = _table(
    "challenges",  # one of a kind a laptop
    Column("device", LargeBinary, ForeignKey("devices.kid"), primary_key=True),
    Column("action", Text, primary_key=True),
    Column("ceremony", LargeBinary, nullable=False),  # empty for an action outside of one
    Column("challenge", LargeBinary, nullable=False),
    Column("expires", _MILLIS, nullable=False),
)

events = _table(
    "events",
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("device", LargeBinary, ForeignKey("devices.kid"), nullable=False),  # who shall hear
    Column("kind", Text, nullable=False),
    Column("ceremony", LargeBinary, ForeignKey("ceremonies.id")),
    Column("label", Text, nullable=False),
    Column("at", _MILLIS, nullable=False),
)
Index("events_device", events.c.device, events.c.id)

outbox = _table(
    "outbox",  # SMS to hand over; the code of one is derived, not stored
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("account", Text, ForeignKey("accounts.name"), nullable=False),
    Column("ceremony", LargeBinary, ForeignKey("ceremonies.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("code", Integer, nullable=False),  # the number of the ceremony's code, or 0
    Column("phone", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", _MILLIS, nullable=False),
    Column("at", _MILLIS, nullable=False),
)
Index("outbox_due", outbox.c.state, outbox.c.due)

answers = _table(
    "answers",  # what an idempotency key has been answered
    Column("signer", LargeBinary, primary_key=True),  # kid
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),  # keyed hash of the request
    Column("status", Integer, nullable=False),
    Column("media", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", _MILLIS, nullable=False),
)

audit = _table(
    "audit",
    Column("account", Text, ForeignKey("accounts.name"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", _MILLIS, nullable=False),
    Column("event", Text, nullable=False),
    Column("device", LargeBinary),  # kid of who did it; null for the operator
    Column("ceremony", LargeBinary),
    Column("detail", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),  # over the row and the hash before it
)
