"""What a backend's operator may have to mend; light to import, because the outcomes name it."""

from __future__ import annotations

from typing import Any

from nearproof.config.files import FileDamaged


class SchemaUnknown(Exception):
    """The database is at a revision that this program does not know; nothing was changed."""


class DatabaseForeign(Exception):
    """The database has tables, and none of ours says its revision; nothing was changed."""


class AuditBroken(Exception):
    """An account's audit chain does not hold from this row on."""

    def __init__(self, account: str, seq: int) -> None:
        self.account = account
        self.seq = seq
        super().__init__(f"{account}, {seq}")


class DatabaseRefused(Exception):
    """The database named cannot be used: not SQLite or PostgreSQL, or with a password in it."""


class SmsPortUnknown(Exception):
    """A port is file, console, webhook:URL or modem."""


class PolicyRefused(Exception):
    """The policy file is no TOML, or says what no limit can be: a sentence, and its fields."""

    def __init__(self, detail: str, **fields: Any) -> None:
        self.detail = detail
        self.fields = fields
        super().__init__(detail.format(**fields))


class FileExposed(FileDamaged):
    """A secret file of the backend's that others may read or write; it was not used."""


class CannotListen(Exception):
    """Nobody can listen at this address: HOST:PORT, and what the system says."""


class NoBackendHere(Exception):
    """The folder holds no backend; nothing was made in it."""


class NoDatabaseHere(Exception):
    """The folder is a backend's, whose database is not in it; none was made."""


class AccountUnknown(Exception):
    """No account has this user ID."""


class DeviceUnknown(Exception):
    """No laptop has this key id."""


class DatabaseDamaged(Exception):
    """The file is no database, or no longer a whole one; nothing was changed."""


class DatabaseAway(Exception):
    """The database cannot be opened now."""


class WorkerDied(Exception):
    """A worker of the server ended before it answered anything; its own error is on the screen."""


class NotConforming(Exception):
    """A backend fails checks of the conformance suite: how many, of how many."""
