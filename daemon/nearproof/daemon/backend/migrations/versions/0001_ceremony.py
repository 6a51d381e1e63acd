"""Accounts, laptops, ceremonies, grants, PINs, SMS, events, audit chains."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


MILLIS = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "accounts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("phone_since", MILLIS, nullable=False),
        sa.Column("created", MILLIS, nullable=False),
        sa.Column("audit_seq", sa.Integer(), nullable=False),
        sa.Column("audit_head", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_table(
        "answers",
        sa.Column("signer", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", MILLIS, nullable=False),
        sa.PrimaryKeyConstraint("signer", "key"),
        sqlite_strict=True,
    )
    op.create_table(
        "audit",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", MILLIS, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("device", sa.LargeBinary(), nullable=True),
        sa.Column("ceremony", sa.LargeBinary(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"],
            ["accounts.name"],
        ),
        sa.PrimaryKeyConstraint("account", "seq"),
        sqlite_strict=True,
    )
    op.create_table(
        "devices",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("user_public", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("enrolled", MILLIS, nullable=False),
        sa.Column("newcomer_until", MILLIS, nullable=False),
        sa.Column("wrong_pins", sa.Integer(), nullable=False),
        sa.Column("wrong_before", sa.Integer(), nullable=False),
        sa.Column("locked_until", MILLIS, nullable=False),
        sa.CheckConstraint(
            "CASE WHEN state = 'active' THEN slot BETWEEN 1 AND 3 AND slot IS NOT NULL"
            " ELSE slot IS NULL END"
        ),
        sa.CheckConstraint("state IN ('enrolling', 'active', 'revoked', 'dead', 'abandoned')"),
        sa.ForeignKeyConstraint(
            ["account"],
            ["accounts.name"],
        ),
        sa.PrimaryKeyConstraint("kid"),
        sa.UniqueConstraint("public"),
        sqlite_strict=True,
    )
    op.create_index("devices_account", "devices", ["account"], unique=False)
    op.create_index(
        "devices_one_a_slot",
        "devices",
        ["account", "slot"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "ceremonies",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("old", sa.LargeBinary(), nullable=True),
        sa.Column("new", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("started", MILLIS, nullable=False),
        sa.Column("ready", MILLIS, nullable=False),
        sa.Column("deadline", MILLIS, nullable=False),
        sa.Column("named", sa.Text(), nullable=False),
        sa.Column("names", sa.Integer(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("code_made", MILLIS, nullable=False),
        sa.Column("code_sent", MILLIS, nullable=False),
        sa.Column("code_wrong", sa.Integer(), nullable=False),
        sa.Column("wrong_codes", sa.Integer(), nullable=False),
        sa.Column("pin_at", MILLIS, nullable=False),
        sa.CheckConstraint("kind IN ('copy', 'invite')"),
        sa.CheckConstraint(
            "state IN ('live', 'proved', 'named', 'confirmed', 'done',"
            " 'cancelled', 'expired', 'refused')"
        ),
        sa.CheckConstraint("slot BETWEEN 1 AND 3"),
        sa.ForeignKeyConstraint(
            ["account"],
            ["accounts.name"],
        ),
        sa.ForeignKeyConstraint(
            ["new"],
            ["devices.kid"],
        ),
        sa.ForeignKeyConstraint(
            ["old"],
            ["devices.kid"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("new"),
        sqlite_strict=True,
    )
    op.create_index("ceremonies_old", "ceremonies", ["old"], unique=False)
    op.create_index(
        "ceremonies_one_open",
        "ceremonies",
        ["account"],
        unique=True,
        sqlite_where=sa.text("state IN ('live', 'proved', 'named', 'confirmed')"),
        postgresql_where=sa.text("state IN ('live', 'proved', 'named', 'confirmed')"),
    )
    op.create_table(
        "challenges",
        sa.Column("device", sa.LargeBinary(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("ceremony", sa.LargeBinary(), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("expires", MILLIS, nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.kid"],
        ),
        sa.PrimaryKeyConstraint("device", "action"),
        sqlite_strict=True,
    )
    op.create_table(
        "invites",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("created", MILLIS, nullable=False),
        sa.Column("expires", MILLIS, nullable=False),
        sa.Column("used_by", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account"],
            ["accounts.name"],
        ),
        sa.ForeignKeyConstraint(
            ["used_by"],
            ["devices.kid"],
        ),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_strict=True,
    )
    op.create_table(
        "events",
        sa.Column("id", MILLIS, autoincrement=True, nullable=False),
        sa.Column("device", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ceremony", sa.LargeBinary(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("at", MILLIS, nullable=False),
        sa.ForeignKeyConstraint(
            ["ceremony"],
            ["ceremonies.id"],
        ),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.kid"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("events_device", "events", ["device", "id"], unique=False)
    op.create_table(
        "grants",
        sa.Column("cti", sa.LargeBinary(), nullable=False),
        sa.Column("ceremony", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("issued", MILLIS, nullable=False),
        sa.CheckConstraint("state IN ('issued', 'voided', 'spent')"),
        sa.ForeignKeyConstraint(
            ["ceremony"],
            ["ceremonies.id"],
        ),
        sa.PrimaryKeyConstraint("cti"),
        sqlite_strict=True,
    )
    op.create_index("grants_ceremony", "grants", ["ceremony"], unique=False)
    op.create_index(
        "grants_one_issued",
        "grants",
        ["ceremony"],
        unique=True,
        sqlite_where=sa.text("state = 'issued'"),
        postgresql_where=sa.text("state = 'issued'"),
    )
    op.create_index(
        "grants_one_spent",
        "grants",
        ["ceremony"],
        unique=True,
        sqlite_where=sa.text("state = 'spent'"),
        postgresql_where=sa.text("state = 'spent'"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", MILLIS, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("ceremony", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due", MILLIS, nullable=False),
        sa.Column("at", MILLIS, nullable=False),
        sa.ForeignKeyConstraint(
            ["account"],
            ["accounts.name"],
        ),
        sa.ForeignKeyConstraint(
            ["ceremony"],
            ["ceremonies.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("outbox_due", "outbox", ["state", "due"], unique=False)
    op.create_table(
        "redemptions",
        sa.Column("cti", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.LargeBinary(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.Column("at", MILLIS, nullable=False),
        sa.ForeignKeyConstraint(
            ["cti"],
            ["grants.cti"],
        ),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.kid"],
        ),
        sa.PrimaryKeyConstraint("cti"),
        sa.UniqueConstraint("device"),
        sqlite_strict=True,
    )
    op.create_table(
        "reports",
        sa.Column("id", MILLIS, autoincrement=True, nullable=False),
        sa.Column("cti", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", MILLIS, nullable=False),
        sa.ForeignKeyConstraint(
            ["cti"],
            ["grants.cti"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cti", "reason"),
        sqlite_strict=True,
    )
