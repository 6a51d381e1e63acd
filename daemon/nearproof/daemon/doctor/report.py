"""Findings as people and as programs read them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, Final

from nearproof.daemon.doctor.checks import Finding, Role, Status
from nearproof.daemon.locale import Language, filled, marked

MARKS: Final[dict[Status, str]] = {
    Status.OK: marked("ok"),
    Status.WARN: marked("warn"),
    Status.FAIL: marked("FAIL"),
    Status.SKIPPED: "-",
}
_COLOURS: Final = {Status.OK: 32, Status.WARN: 33, Status.FAIL: 31, Status.SKIPPED: 2}  # SGR

TITLES: Final[dict[Role, str]] = {
    Role.OLD: marked("This laptop as the old one:"),
    Role.NEW: marked("This laptop as the new one:"),
    Role.BACKEND: marked("This machine as the backend:"),
}

_NARROWEST: Final = 30  # columns for a text, however narrow the terminal is


def record(finding: Finding, language: Language) -> dict[str, Any]:
    """A finding for programs; `fix` is "" where there is nothing to mend."""
    return {
        "event": "checked",
        "id": finding.id,
        "status": finding.result.status,
        "text": finding.result.text(language),
        "fix": finding.result.fix,
        "exit": finding.exit.name,
    }


def table(
    role: Role, findings: list[Finding], language: Language, *, width: int, colour: bool
) -> Iterator[str]:
    """The lines of a table `width` columns wide, and below it what it comes to.

    A fix has a line of its own that is never broken, so that it can be copied whole.
    """
    yield filled(TITLES[role], language)
    names = max((len(finding.id) for finding in findings), default=0)
    indent = " " * (6 + names + 2)
    for finding in findings:
        result = finding.result
        mark = f"{filled(MARKS[result.status], language):<6}"
        if colour:
            mark = f"\033[{_COLOURS[result.status]}m{mark}\033[0m"
        text = textwrap.wrap(
            _printable(result.text(language)),
            max(width - len(indent), _NARROWEST),
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield f"{mark}{finding.id:<{names}}  {text[0]}"
        yield from (indent + line for line in text[1:])
        if result.fix:
            yield f"{indent}$ {result.fix}"
    yield _summary(findings, language)


def _summary(findings: list[Finding], language: Language) -> str:
    count = {status: 0 for status in Status}
    for finding in findings:
        count[finding.result.status] += 1
    failed, warned = count[Status.FAIL], count[Status.WARN]
    if failed:
        summary = marked("Not ready: {failed} to mend, {warned} that could be better.")
    elif warned:
        summary = marked("Ready; {warned} could be better.")
    else:
        summary = marked("Ready.")
    return filled(summary, language, failed=failed, warned=warned)


def _printable(text: str) -> str:
    """Devices name themselves: no control characters of theirs reach the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
