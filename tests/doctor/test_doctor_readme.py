"""The table of checks beside the doctor's code, and how the findings look in a terminal."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from doctor.machines import CASES, CHECKS
from nearproof.daemon import doctor
from nearproof.daemon.doctor import report
from nearproof.daemon.doctor.checks import Finding, Role
from nearproof.daemon.locale import Language

README = Path(doctor.__file__).with_name("README.md")


def rows() -> list[str]:
    """Each check as the README must have it: id, roles, exit code, what it asks."""
    return [
        f"| `{check.id}` | {', '.join(role for role in Role if role in check.roles)} "
        f"| {int(check.exit)} "
        f"| {inspect.cleandoc(check.judge.__doc__ or '').partition(chr(10))[0]} |"
        for check in CHECKS.values()
    ]


def test_the_readme_has_every_check() -> None:
    """In the order in which they are told, and none besides."""
    written = [line for line in README.read_text().splitlines() if line.startswith("| `")]
    assert written == rows()


@pytest.mark.parametrize("language", ["en", "da"])
def test_findings_fit_a_terminal_of_80_columns(language: Language) -> None:
    """Every text that there is; only a fix may be longer, since it is copied whole."""
    findings = [Finding(id, CHECKS[id].exit, CHECKS[id].judge(facts)) for id, facts, _ in CASES]
    for line in report.table(Role.NEW, findings, language, width=80, colour=False):
        assert len(line) <= 80 or line.lstrip().startswith("$ "), line


def test_no_reason_of_the_code_is_shown_to_a_person() -> None:
    """Words such as "lying" or "reader_failed" are for programs where there is a better one."""
    told = {CHECKS[id].judge(facts).text("en") for id, facts, _ in CASES}
    assert "the backend cannot be used now (why); ask who runs it" in told
    assert not any("lying" in text or "typed," in text for text in told)
