"""Findings as people and as programs read them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, Final

from nearproof.daemon.doctor.checks import Finding, Result, Role, Status
from nearproof.daemon.texts import Language

MARKS: Final[dict[Status, tuple[str, str]]] = {
    Status.OK: ("ok", "ok"),
    Status.WARN: ("warn", "obs"),
    Status.FAIL: ("FAIL", "FEJL"),
    Status.SKIPPED: ("-", "-"),
}
_COLOURS: Final = {Status.OK: 32, Status.WARN: 33, Status.FAIL: 31, Status.SKIPPED: 2}  # SGR

TITLES: Final[dict[Role, tuple[str, str]]] = {
    Role.OLD: ("This laptop as the old one:", "Denne bærbare som den gamle:"),
    Role.NEW: ("This laptop as the new one:", "Denne bærbare som den nye:"),
    Role.BACKEND: ("This machine as the backend:", "Denne maskine som server:"),
}

_NARROWEST: Final = 30  # columns for a text, however narrow the terminal is


def record(finding: Finding, language: Language) -> dict[str, Any]:
    """A finding for programs; `fix` is "" where there is nothing to mend."""
    return {
        "event": "checked",
        "id": finding.id,
        "status": finding.result.status,
        "text": _text(finding.result, language),
        "fix": finding.result.fix,
    }


def table(
    role: Role, findings: list[Finding], language: Language, *, width: int, colour: bool
) -> Iterator[str]:
    """The lines of a table `width` columns wide, and below it what it comes to.

    A fix has a line of its own that is never broken, so that it can be copied whole.
    """
    yield _in(language, TITLES[role])
    names = max((len(finding.id) for finding in findings), default=0)
    indent = " " * (6 + names + 2)
    for finding in findings:
        result = finding.result
        mark = f"{_in(language, MARKS[result.status]):<6}"
        if colour:
            mark = f"\033[{_COLOURS[result.status]}m{mark}\033[0m"
        text = textwrap.wrap(
            _printable(_text(result, language)),
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
        texts = (
            f"Not ready: {failed} to mend, {warned} that could be better.",
            f"Ikke klar: {failed} skal rettes, {warned} kunne være bedre.",
        )
    else:
        texts = (
            f"Ready; {warned} could be better." if warned else "Ready.",
            f"Klar; {warned} kunne være bedre." if warned else "Klar.",
        )
    return _in(language, texts)


def _text(result: Result, language: Language) -> str:
    return _in(language, (result.en, result.da))


def _printable(text: str) -> str:
    """Devices name themselves: no control characters of theirs reach the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _in(language: Language, texts: tuple[str, str]) -> str:
    english, danish = texts
    return english if language == "en" else danish
