"""The backend at rest: one private folder.

    issuer.json   the issuer key's seed: who holds it makes grants
    tls.pem       the server's certificate and its key
    backend.db    the database (SQLite, with -wal and -shm beside it while it runs), if it is here
    sms.jsonl     what the file port has sent, if SMS go there
    policy.toml   the operator's limits, if there are any

All but the last is made at the first start, 0600 in a 0700 folder, and never overwritten: laptops
have pinned both keys.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from nearproof.config import files
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.primitives import Randomness
from nearproof.daemon.backend.certificate import self_signed
from nearproof.daemon.backend.errors import FileExposed
from nearproof.daemon.backend.store import Store

_ISSUER = "issuer.json"
_DATABASE = "backend.db"
_KIND = "issuer-key"
_VERSION = 1


class _Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seed: bytes

    def __repr__(self) -> str:
        return "_Issuer(...)"


@dataclass(frozen=True)
class DataDir:
    """An opened data folder; `pin` is the SHA-256 of the certificate (DER)."""

    path: Path
    issuer: DeviceKey
    store: Store
    pin: bytes

    @property
    def tls(self) -> Path:
        """Certificate and key, PEM."""
        return self.path / "tls.pem"


def holds_backend(path: Path) -> bool:
    """Whether a backend was ever started, or an account invited, in this folder.

    Raises PermissionError for a folder that this user may not look into.
    """
    try:
        (path / _ISSUER).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def holds_database(path: Path) -> bool:
    """Whether the backend of this folder has its database here, and not at an address."""
    return (path / _DATABASE).exists()


@contextmanager
def open_data_dir(
    path: Path, database: str | None = None, randomness: Randomness = os.urandom
) -> Iterator[DataDir]:
    """Open the folder, making what is missing; `database` is a URL in place of its SQLite file.

    Raises `FileDamaged` for a file that is not what it should be, `FileExposed` for one that
    others may read or write,
    `SchemaUnknown` for a database of a later version, `DatabaseForeign` for another program's,
    `DatabaseRefused` for another kind, `DatabaseDamaged` for a file that is none, `DatabaseAway`
    where it cannot be opened.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path):
        issuer = _issuer(path / _ISSUER, randomness)
        pin = _certificate_pin(path / "tls.pem")
        store = Store(database or _sqlite_url(path / _DATABASE))
    try:
        yield DataDir(path, issuer, store, pin)
    finally:
        store.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone in the folder, so that two first starts make one set of keys."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sqlite_url(path: Path) -> str:
    path.touch(mode=0o600)
    _require_private(path)
    return f"sqlite:///{path}"


def _issuer(path: Path, randomness: Randomness) -> DeviceKey:
    stored = files.load(path, _KIND, _VERSION, _Issuer)
    if stored is None:
        key = DeviceKey.generate(randomness)
        files.save(path, _KIND, _VERSION, _Issuer(key.seed()))
        return key
    _require_private(path)
    if len(stored.seed) != 32:
        raise files.FileDamaged(path, "an issuer key has 32 bytes")
    return DeviceKey.from_seed(stored.seed)


def _certificate_pin(path: Path) -> bytes:
    if not path.exists():
        files.write_bytes(path, self_signed())
    _require_private(path)
    pem = path.read_text(errors="replace")
    begin = pem.find(ssl.PEM_HEADER)
    try:
        der = ssl.PEM_cert_to_DER_cert(pem[begin:].partition(ssl.PEM_FOOTER)[0] + ssl.PEM_FOOTER)
    except ValueError:
        raise files.FileDamaged(path, "holds no certificate") from None
    return hashlib.sha256(der).digest()


def _require_private(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise FileExposed(path, "others may read or write it")
