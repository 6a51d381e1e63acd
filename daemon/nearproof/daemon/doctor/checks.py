"""The shape of an examination: areas gather facts, checks judge them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Generic, TypeVar

from nearproof.config.home import Home
from nearproof.config.settings import Settings
from nearproof.daemon.locale import Language, filled
from nearproof.daemon.outcomes.kinds import Exit

Facts = TypeVar("Facts")


class Role(StrEnum):
    """What the machine is to be."""

    OLD = "old"
    NEW = "new"
    BACKEND = "backend"


LAPTOPS: Final = frozenset({Role.OLD, Role.NEW})


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"  # it works, but not as well as it could
    FAIL = "fail"  # the ceremony would end here
    SKIPPED = "skipped"  # there is nothing to judge, or it cannot be told yet


@dataclass(frozen=True, slots=True)
class Result:
    """A check's verdict: an English sentence with its fields, which the catalogue translates.

    `fix` is one shell line, there if the check did not pass.
    """

    status: Status
    said: str
    fields: Mapping[str, object]
    fix: str = ""

    def text(self, language: Language) -> str:
        """The sentence for a person."""
        return filled(self.said, language, **self.fields)


def ok(said: str, **fields: object) -> Result:
    """All is well."""
    return Result(Status.OK, said, fields)


def skipped(said: str, **fields: object) -> Result:
    """Nothing to judge."""
    return Result(Status.SKIPPED, said, fields)


def warn(said: str, fix: str, **fields: object) -> Result:
    """It works, but could do better."""
    return Result(Status.WARN, said, fields, fix)


def fail(said: str, fix: str, **fields: object) -> Result:
    """The ceremony would end here."""
    return Result(Status.FAIL, said, fields, fix)


NOT_YET: Final = skipped("cannot be told while another check fails")


@dataclass(frozen=True, slots=True)
class Target:
    """What is examined: the role, and this machine's folders and settings.

    `data` is the backend's folder.
    """

    role: Role
    home: Home
    settings: Settings
    data: Path


@dataclass(frozen=True, slots=True)
class Check(Generic[Facts]):
    """One question.  `id` is stable; `exit` is the program's exit code if the answer is no."""

    id: str
    roles: frozenset[Role]
    exit: Exit
    judge: Callable[[Facts], Result]


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's answer on this machine."""

    id: str
    exit: Exit
    result: Result


@dataclass(frozen=True, slots=True)
class Area(Generic[Facts]):
    """Checks that judge the same facts."""

    gather: Callable[[Target], Awaitable[Facts]]
    checks: tuple[Check[Facts], ...]

    async def examine(self, target: Target) -> list[Finding]:
        """The findings for the target's role; looks at nothing that the role does not need."""
        wanted = [check for check in self.checks if target.role in check.roles]
        if not wanted:
            return []
        facts = await self.gather(target)
        return [Finding(check.id, check.exit, check.judge(facts)) for check in wanted]
