"""Durable files: private, atomic, versioned.

A file is one JSON object `{"kind": ..., "version": ..., "data": {...}}`.  It is written whole
beside its place, synced, then renamed over it, so that a crash leaves the old or the new
content and never half of one.  A file that is damaged or of another kind or version is
reported and never overwritten.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

MAX_FILE = 1 << 20
LEFTOVER = ".new"


class FileDamaged(Exception):
    """A file of ours that cannot be read as what it should be: why, and the fields of that."""

    def __init__(self, path: Path, why: str, **fields: object) -> None:
        self.path = path
        self.why = why
        self.fields = fields
        super().__init__(f"{path}: {why.format(**fields) if fields else why}")


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    version: int
    data: Any


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` durably with `content`, mode 0600, its folder made 0700 if missing."""
    with _temporary(path, content) as temporary:
        temporary.replace(path)
    _sync_folder(path.parent)


def probe(path: Path, size: int = 8192) -> None:
    """Raise `OSError` now if `path` could not be written later: a full disk, a wrong folder."""
    with _temporary(path, bytes(size)):
        pass


@contextlib.contextmanager
def _temporary(path: Path, content: bytes) -> Iterator[Path]:
    """A synced private file beside `path`, of a name that nobody can have put there before."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{LEFTOVER}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written in `folder`."""
    for leftover in folder.glob(f".*{LEFTOVER}"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def remove(path: Path) -> None:
    """Remove `path` durably; nothing happens if it is not there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save(path: Path, kind: str, version: int, data: msgspec.Struct) -> None:
    """Write `data` as the file of this kind and version.

    Raises `FileDamaged` if what stands there now is not such a file, so that nothing foreign
    is ever overwritten.
    """
    if path.exists():
        _envelope(path, kind, version)
    write_bytes(path, msgspec.json.format(msgspec.json.encode(_Envelope(kind, version, data))))


def load(path: Path, kind: str, version: int, shape: type[T]) -> T | None:
    """Read the file of this kind and version, or None where there is none.

    Raises `FileDamaged` where it is something else.
    """
    try:
        envelope = _envelope(path, kind, version)
    except FileNotFoundError:
        return None
    try:
        return msgspec.convert(envelope.data, shape)
    except msgspec.ValidationError as error:
        raise FileDamaged(path, str(error)) from None


def _envelope(path: Path, kind: str, version: int) -> _Envelope:
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise FileDamaged(path, "too large to be ours")
    try:
        envelope = msgspec.json.decode(content, type=_Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise FileDamaged(path, "not a nearproof file of the kind “{kind}”", kind=kind) from None
    if envelope.kind != kind:
        raise FileDamaged(path, "holds “{found}”, not “{kind}”", found=envelope.kind, kind=kind)
    if envelope.version != version:
        raise FileDamaged(
            path,
            "has version {found}, this program reads {version}",
            found=envelope.version,
            version=version,
        )
    return envelope
