"""The tables.  Times are milliseconds since the epoch on the database's clock.

What may never happen is refused by the schema too: two live ceremonies of an account, two
issued or two spent grants of a ceremony, a key or a grant used twice.
"""

from __future__ import annotations

from enum import StrEnum
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

from nearproof.daemon.backend.rules import GrantState
from nearproof.daemon.backend.wire import CeremonyState, DeviceState

VERSION: Final = 1  # of this schema, kept in SQLite's user_version

metadata = MetaData()

_MILLIS = BigInteger().with_variant(Integer, "sqlite")
_SERIAL = BigInteger().with_variant(Integer, "sqlite")


def _table(name: str, *parts: Any) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True)


def _state(states: type[StrEnum]) -> tuple[Column[str], CheckConstraint]:
    listed = ", ".join(f"'{state}'" for state in states)
    return Column("state", Text, nullable=False), CheckConstraint(f"state IN ({listed})")


accounts = _table(
    "accounts",
    Column("name", Text, primary_key=True),
    Column("created", _MILLIS, nullable=False),
)

invites = _table(
    "invites",
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the code's 16 random bytes
    Column("account", Text, ForeignKey("accounts.name"), nullable=False),
    Column("created", _MILLIS, nullable=False),
    Column("expires", _MILLIS, nullable=False),
    Column("used_by", LargeBinary, ForeignKey("devices.kid")),
)

devices = _table(
    "devices",
    Column("kid", LargeBinary, primary_key=True),
    Column("public", LargeBinary, nullable=False, unique=True),
    Column("account", Text, ForeignKey("accounts.name"), nullable=False),
    Column("label", Text, nullable=False),
    *_state(DeviceState),
    Column("enrolled", _MILLIS, nullable=False),
    Column("revoked", _MILLIS),
    Index("devices_account", "account"),
)

ceremonies = _table(
    "ceremonies",
    Column("id", LargeBinary, primary_key=True),
    Column("account", Text, ForeignKey("accounts.name"), nullable=False),
    Column("old", LargeBinary, ForeignKey("devices.kid"), nullable=False),
    *_state(CeremonyState),
    Column("started", _MILLIS, nullable=False),
    Column("ready", _MILLIS, nullable=False),
    Column("deadline", _MILLIS, nullable=False),
    Column("wrong_names", Integer, nullable=False),
    Column("ended", _MILLIS),
)
Index(
    "ceremonies_one_live",
    ceremonies.c.account,
    unique=True,
    sqlite_where=text("state = 'live'"),
    postgresql_where=text("state = 'live'"),
)

grants = _table(
    "grants",
    Column("cti", LargeBinary, primary_key=True),
    Column("ceremony", LargeBinary, ForeignKey("ceremonies.id"), nullable=False),
    *_state(GrantState),
    Column("issued", _MILLIS, nullable=False),
    Index("grants_ceremony", "ceremony"),
)
for _single in (GrantState.ISSUED, GrantState.SPENT):
    Index(
        f"grants_one_{_single}",
        grants.c.ceremony,
        unique=True,
        sqlite_where=text(f"state = '{_single}'"),
        postgresql_where=text(f"state = '{_single}'"),
    )

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

alerts = _table(
    "alerts",
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("device", LargeBinary, ForeignKey("devices.kid"), nullable=False),
    Column("ceremony", LargeBinary, ForeignKey("ceremonies.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", _MILLIS, nullable=False),
    Index("alerts_device", "device"),
)

answers = _table(
    "answers",  # what an idempotency key has been answered
    Column("signer", LargeBinary, primary_key=True),  # kid
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),  # SHA-256 of the request
    Column("status", Integer, nullable=False),
    Column("media", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", _MILLIS, nullable=False),
    Index("answers_at", "at"),
)

audit = _table(
    "audit",
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("at", _MILLIS, nullable=False),
    Column("account", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("device", LargeBinary),  # kid of who did it; null for the operator
    Column("ceremony", LargeBinary),
    Column("detail", Text, nullable=False),
    Index("audit_account", "account", "id"),
)
