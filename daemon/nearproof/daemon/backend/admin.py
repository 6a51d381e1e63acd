"""What the backend's operator does at the console, beside or without a running server."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from nearproof.crypto.primitives import Randomness
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.copies import end
from nearproof.daemon.backend.data_dir import (
    DataDir,
    holds_backend,
    holds_database,
    open_data_dir,
)
from nearproof.daemon.backend.enrolments import CODE_SIZE, hash_code
from nearproof.daemon.backend.errors import (
    AccountUnknown,
    DeviceUnknown,
    NoBackendHere,
    NoDatabaseHere,
)
from nearproof.daemon.backend.outbox import Sms
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.rules import require_settled
from nearproof.daemon.backend.service import retire
from nearproof.daemon.backend.wire import CeremonyState, DeviceState, EventKind
from nearproof.daemon.locale import marked

_GROUP: Final = 4  # characters of a code between hyphens
_NEEDS_PHONE: Final = marked("a new account needs its phone number: --phone +4512345678")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164


def invite(
    data_dir: Path,
    account: str,
    policy: BackendPolicy,
    *,
    phone: str | None = None,
    database: str | None = None,
    randomness: Randomness = os.urandom,
) -> str:
    """A new activation code for a laptop of `account`, which is made if it is new.

    128 random bits in base32, in groups of four; once, for `policy.invite_lifetime` seconds.
    Only its hash is stored: it can be shown here and never again.  `phone` (E.164) is where an
    account that is new gets its SMS.  An account's active laptops are told when it is used.
    The folder is made if it is missing.  Raises ValueError for a user ID or number that is none,
    or where the account has no number, `Problem` (PHONE_CHANGED) while that is too new,
    `NoDatabaseHere`.
    """
    name, number = wire.account_name(account), _phone(phone) if phone else ""
    if holds_backend(data_dir):
        _require_database(data_dir, database)
    elif not number and database is None:
        raise ValueError(_NEEDS_PHONE)  # and nothing is made for it
    encoded = base64.b32encode(randomness(CODE_SIZE)).decode().rstrip("=")
    code = "-".join(encoded[at : at + _GROUP] for at in range(0, len(encoded), _GROUP))
    with open_data_dir(data_dir, database) as data, data.store.write(name) as records:
        known = records.add_account(name, number)
        if not known.phone:
            raise ValueError(_NEEDS_PHONE)
        if number and known.phone != number:
            raise ValueError(
                marked(
                    "the account has another phone number: leave --phone out, or change the "
                    "number first with `nearproof backend phone`"
                )
            )
        require_settled(known, records.now, policy)
        records.add_invite(hash_code(code), name, records.now + policy.invite_lifetime * 1000)
        records.log(name, "invited")
    return code


def set_phone(data_dir: Path, account: str, phone: str, *, database: str | None = None) -> None:
    """Change an account's phone number (E.164): counts after `policy.phone_settles` seconds.

    An open ceremony is cancelled, and every laptop told.  Raises ValueError for a number that
    is none, `AccountUnknown`, `NoBackendHere`, `NoDatabaseHere`.
    """
    name, number = wire.account_name(account), _phone(phone)
    with _opened(data_dir, database) as data, data.store.write(name) as records:
        known = records.account(name)
        if known is None:
            raise AccountUnknown(name)
        if known.phone == number:
            return
        records.set_phone(known, number)
        records.log(name, "phone_changed")
        records.tell(name, EventKind.PHONE_CHANGED)
        if ceremony := records.open_ceremony(name):
            cancelled = replace(ceremony, state=CeremonyState.CANCELLED)
            end(records, cancelled, EventKind.CANCELLED, None)


def cancel(data_dir: Path, account: str, *, database: str | None = None) -> bool:
    """Cancel the account's open ceremony, for somebody who calls; whether there was one.

    Raises ValueError for a user ID that is none, `AccountUnknown`, `NoBackendHere`,
    `NoDatabaseHere`.
    """
    name = wire.account_name(account)
    with _opened(data_dir, database) as data, data.store.write(name) as records:
        if records.account(name) is None:
            raise AccountUnknown(name)
        ceremony = records.open_ceremony(name)
        if ceremony is None:
            return False
        cancelled = replace(ceremony, state=CeremonyState.CANCELLED)
        end(records, cancelled, EventKind.CANCELLED, None)
        return True


def revoke(data_dir: Path, kid: bytes, *, database: str | None = None) -> None:
    """Revoke the device of this kid (16 bytes) at once; a copy that it has started is cancelled.

    A device that is not active stays as it is.  Raises `DeviceUnknown`, `NoBackendHere`,
    `NoDatabaseHere`.
    """
    with _opened(data_dir, database) as data:
        with data.store.read() as records:
            found = records.device(kid)
        if found is None:
            raise DeviceUnknown(kid.hex())
        with data.store.write(found.account) as records:
            device = records.device(kid)
            if device is not None and device.state is DeviceState.ACTIVE:
                revoked = replace(device, state=DeviceState.REVOKED, slot=None)
                retire(records, revoked, by=None)


def outbox(data_dir: Path, *, database: str | None = None) -> list[Sms]:
    """The newest SMS, newest first; their codes are not among it.

    Raises `NoBackendHere`, `NoDatabaseHere`.
    """
    with _opened(data_dir, database) as data, data.store.read() as records:
        return records.sms()


def verify_audit(data_dir: Path, *, database: str | None = None) -> dict[str, int]:
    """How many entries the audit chain of each account has.

    Raises `AuditBroken`, `NoBackendHere`, `NoDatabaseHere`.
    """
    with _opened(data_dir, database) as data, data.store.read() as records:
        return records.verify_audit()


@contextmanager
def _opened(data_dir: Path, database: str | None) -> Iterator[DataDir]:
    """The folder of a backend that is there: a slip of the operator's must not make another."""
    if not holds_backend(data_dir):
        raise NoBackendHere(str(data_dir))
    _require_database(data_dir, database)
    with open_data_dir(data_dir, database) as data:
        yield data


def _require_database(data_dir: Path, database: str | None) -> None:
    """A server on PostgreSQL has none in its folder: an empty one made there would mislead."""
    if database is None and not holds_database(data_dir):
        raise NoDatabaseHere(str(data_dir))


def _phone(text: str) -> str:
    if not _PHONE.fullmatch(text):
        raise ValueError(marked("a phone number has a plus and its country, such as +4512345678"))
    return text
