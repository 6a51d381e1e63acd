"""The home folder of one laptop: where its keys and its progress are kept.

    config.toml      what the owner set
    backend.json     the backend that this laptop has joined
    device.json      the device key (Ed25519 seed) and whose account it is enrolled in
    enrolment.json   NEW: the keys made for this enrolment, and its proof
    events.json      how far the daemon has heard of the account's events

Everything is 0600 (`files.py`); the seeds are redacted from every repr.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nearproof.config import files
from nearproof.config.settings import Settings, load_settings


class Backend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The backend joined: its URL, its certificate (PEM), its issuer key (32 bytes)."""

    url: str
    certificate: str
    issuer: bytes


class _Seeded(msgspec.Struct, frozen=True):
    """A file with a seed in it: the seed never shows in a repr."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Device(_Seeded, frozen=True, forbid_unknown_fields=True):
    """This laptop's enrolled device key: 32-byte seed and the account it belongs to.

    `secret` (32 bytes) and `salt` (16) become the user key together with the PIN, and tell
    nothing of it: no file here depends on the PIN.  What its owner chose at the end of the
    enrolment: whether a `fingerprint` may order a copy (step 5), and whether `notifications` of
    the account's events are shown here (step 25).
    """

    seed: bytes
    account: str
    label: str
    secret: bytes
    salt: bytes
    fingerprint: bool = False
    notifications: bool = False


class Enrolment(_Seeded, frozen=True, forbid_unknown_fields=True):
    """NEW: what was made for this enrolment and the proof it got, not yet a device's key.

    `bundle` is empty for an enrolment by activation code; `id` is the backend's name of it, empty
    before it is known.
    """

    seed: bytes
    label: str
    bundle: bytes
    secret: bytes
    salt: bytes
    id: str = ""


class Heard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to which event the account's were heard, by the device key of this id (hex)."""

    kid: str
    cursor: int


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class HomeBusy(Exception):
    """Another command works with this home folder."""


class Home:
    """The home folder; reads give None where nothing is stored yet, and raise `FileDamaged`."""

    VERSION = 1
    KEYS_VERSION = 2  # of device.json and enrolment.json: 2 has the PIN's secret and salt

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for one command, until the block or the process ends.

        Raises `HomeBusy` where another one holds it, `OSError` where nothing can be written.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.path / "lock", "wb", opener=_private) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeBusy from None
            files.sweep(self.path)
            files.probe(self.path / "probe")
            yield

    def settings(self) -> Settings:
        """What `config.toml` says."""
        return load_settings(self.path / "config.toml")

    def backend(self) -> Backend | None:
        """The backend joined."""
        return files.load(self.path / "backend.json", "backend", self.VERSION, Backend)

    def save_backend(self, backend: Backend) -> None:
        """Remember the backend joined."""
        files.save(self.path / "backend.json", "backend", self.VERSION, backend)

    def device(self) -> Device | None:
        """The enrolled device key."""
        return files.load(self.path / "device.json", "device", self.KEYS_VERSION, Device)

    def save_device(self, device: Device) -> None:
        """Remember the enrolled device key."""
        files.save(self.path / "device.json", "device", self.KEYS_VERSION, device)

    def enrolment(self) -> Enrolment | None:
        """NEW: the enrolment under way."""
        return files.load(self.path / "enrolment.json", "enrolment", self.KEYS_VERSION, Enrolment)

    def save_enrolment(self, enrolment: Enrolment | None) -> None:
        """NEW: remember the enrolment under way, or that there is none."""
        if enrolment is None:
            files.remove(self.path / "enrolment.json")
        else:
            files.save(self.path / "enrolment.json", "enrolment", self.KEYS_VERSION, enrolment)

    def heard(self) -> Heard | None:
        """How far the account's events were heard."""
        return files.load(self.path / "events.json", "events", self.VERSION, Heard)

    def save_heard(self, heard: Heard) -> None:
        """Remember how far the account's events were heard."""
        files.save(self.path / "events.json", "events", self.VERSION, heard)
