"""What `--hil` says: which two laptops, how each is reached, and their radios.

    rig                           the two virtual laptops of tests/rig (the default)
    local:hci0,hci1               two adapters of this machine: OLD's and NEW's
    ssh:user@host[,OPTION...]     this laptop and one that ssh reaches without a password
    exec:COMMAND[,OPTION...]      the same through any command whose last word is a shell's line

Options: `radio=hci0`, the other laptop's; `here=hci0`, this one's; `role=new`, or old, the
other laptop's part; `checkout=PATH` of this repository there; `backend=ADDRESS` by which NEW
reaches OLD's machine, where the backend runs; `old=COMMAND`, which reaches OLD if that is not
this laptop either.  A radio is an adapter of BlueZ or what `nearproof --radio` takes.
"""

from __future__ import annotations

import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPO: Final = Path(__file__).resolve().parents[2]
OPTIONS: Final = frozenset({"radio", "here", "role", "checkout", "backend", "old"})
SSH: Final = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
LOOPBACK: Final = "127.0.0.1"


class PlanError(Exception):
    """A `--hil` that cannot be understood, or that this machine cannot fulfil."""


@dataclass(frozen=True, slots=True)
class Part:
    """One laptop: the command that reaches it (none: this machine), its radio, its checkout."""

    reach: tuple[str, ...]
    radio: str
    checkout: str = str(REPO)


@dataclass(frozen=True, slots=True)
class Plan:
    """OLD and NEW, and OLD's address for NEW."""

    old: Part
    new: Part
    address: str = LOOPBACK


def parse(spec: str) -> Plan | None:
    """Understand a `--hil`; None is the rig.  Raises `PlanError`."""
    kind, _, rest = spec.partition(":")
    match kind:
        case "rig" if not rest:
            return None
        case "local":
            adapters = rest.split(",")
            if len(set(adapters)) != 2 or not all(adapters):
                raise PlanError("two different adapters, please: --hil local:hci0,hci1")
            old, new = (Part((), radio(name)) for name in adapters)
            return Plan(old, new)
        case "ssh" | "exec" if rest:
            target, *words = rest.split(",")
            options = dict(_option(word) for word in words)
            if kind == "exec":
                return _two(tuple(shlex.split(target)), LOOPBACK, options)
            return _two((*SSH, target), target.rpartition("@")[2], options)
    raise PlanError(f"--hil {spec}: not one of these:{(__doc__ or '').partition(':')[2]}")


def _option(word: str) -> tuple[str, str]:
    name, found, value = word.partition("=")
    if name not in OPTIONS or not found or not value:
        known = ", ".join(sorted(OPTIONS))
        raise PlanError(f"--hil: {word!r} is not an option=value; the options are {known}")
    return name, value


def _two(reach: tuple[str, ...], host: str, options: Mapping[str, str]) -> Plan:
    role = options.get("role", "new")
    if role not in ("old", "new"):
        raise PlanError(f"--hil: role={role} is neither old nor new")
    other = Part(reach, radio(options.get("radio", "hci0")), options.get("checkout", str(REPO)))
    first = tuple(shlex.split(options.get("old", "")))
    here = Part(first, radio(options.get("here", "hci0")), other.checkout if first else str(REPO))
    if role == "old":
        return Plan(other, here, options.get("backend", host))
    return Plan(here, other, options.get("backend") or _own_address(host))


def radio(name: str) -> str:
    """What `nearproof --radio` takes: an adapter is BlueZ's."""
    return name if ":" in name else f"bluez:{name}"


def _own_address(host: str) -> str:
    """The address of this machine on the way to `host`; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect((host, 9))
        except OSError as error:
            raise PlanError(
                f"--hil: no way to {host} is known ({error}); if ssh knows one, say "
                "backend=ADDRESS, by which it reaches this machine"
            ) from None
        return str(way.getsockname()[0])
