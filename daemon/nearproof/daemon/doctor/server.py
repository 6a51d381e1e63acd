"""The backend's own machine: its folder and its certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nearproof.daemon.doctor.checks import (
    NOT_YET,
    Area,
    Check,
    Result,
    Role,
    Target,
    fail,
    ok,
    skipped,
)
from nearproof.daemon.doctor.home import away, exposed, private
from nearproof.daemon.locale import marked
from nearproof.daemon.outcomes.kinds import Exit


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is in the backend's folder.

    `unreadable` are files that this user may not read, `exposed` those that others may read or
    write; `certificate` is "" if TLS can be served with it, else why not, and None without one.
    """

    path: Path
    unreadable: tuple[Path, ...] = ()
    exposed: tuple[Path, ...] = ()
    certificate: str | None = None


async def gather(target: Target) -> ServerFacts:
    """Look at the files; the database is not opened."""
    files = [target.data / name for name in ("issuer.json", "tls.pem", "backend.db")]
    refused = tuple(path for path in files if not _readable(path))
    return ServerFacts(target.data, refused, exposed(files), _certificate(target.data / "tls.pem"))


def _readable(path: Path) -> bool:
    try:
        path.open("rb").close()
    except FileNotFoundError:
        return True  # it is made at the first start
    except OSError:
        return False
    return True


def _certificate(path: Path) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(path)
    except (FileNotFoundError, PermissionError):
        return None
    except OSError as error:  # ssl.SSLError is one
        return error.strerror or str(error)
    return ""


def files(facts: ServerFacts) -> Result:
    """The issuer key, the certificate's key and the database are this user's alone."""
    if wrong := facts.unreadable or facts.exposed:
        names = ", ".join(path.name for path in wrong)
        said = (
            marked("this user may not read {names} in {path}")
            if facts.unreadable
            else marked("others may read or change {names} in {path}; the backend refuses to start")
        )
        return fail(said, private(wrong), names=names, path=facts.path)
    return ok("{path} is in order", path=facts.path)


def certificate(facts: ServerFacts) -> Result:
    """TLS can be served with what is in tls.pem."""
    if facts.unreadable:
        return NOT_YET
    if facts.certificate is None:
        return skipped("the certificate is made at the first start")
    if facts.certificate:
        path = facts.path / "tls.pem"
        return fail(
            "{path} cannot be used ({certificate}); without a copy of it the backend "
            "makes a new one at its next start, and every laptop has to join again",
            away(path),
            path=path,
            certificate=facts.certificate,
        )
    return ok("the certificate and its key fit")


_BACKEND: Final = frozenset({Role.BACKEND})

SERVER: Final = Area(
    gather,
    (
        Check("backend.files", _BACKEND, Exit.PERMISSION, files),
        Check("backend.certificate", _BACKEND, Exit.BACKEND, certificate),
    ),
)
