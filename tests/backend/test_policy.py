"""The operator's limits: shown, set by a file, and refused in words where they make no sense."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from nearproof.daemon.backend.errors import PolicyRefused
from nearproof.daemon.backend.policy import BackendPolicy, load_policy, policy_in
from nearproof.daemon.cli import main


def shown(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["backend", *arguments])


@pytest.mark.parametrize(
    "changes",
    [{"wait": -1}, {"rounds": -1}, {"rounds": 17}, {"lifetime": 0}, {"grants": 0}, {"codes": 1001}],
)
def test_a_policy_without_sense_is_refused(changes: dict[str, int]) -> None:
    """ValueError when it is made, not a surprise when it is used."""
    with pytest.raises(ValueError, match=f"{next(iter(changes))} is a whole number from"):
        BackendPolicy(**changes)


@pytest.mark.parametrize("lang", ["en", "da"])
def test_what_is_shown_can_be_served_with(tmp_path: Path, lang: str) -> None:
    """Every limit, a meaning for each, and what is printed reads back as the same policy."""
    result = shown("policy", "--data", str(tmp_path), "--lang", lang)
    assert result.exit_code == 0
    (tmp_path / "policy.toml").write_text(result.stdout)
    assert load_policy(tmp_path / "policy.toml") == BackendPolicy()
    assert all(" # " in line and line.split(" # ")[1] for line in result.stdout.splitlines())


def test_a_file_changes_what_it_names_alone(tmp_path: Path) -> None:
    """The file named wins, else `policy.toml` in the folder, else the defaults hold."""
    assert policy_in(tmp_path, None) == BackendPolicy()
    (tmp_path / "policy.toml").write_text("wait = 60\n")
    (tmp_path / "other.toml").write_text("codes = 2\n")
    assert policy_in(tmp_path, None) == BackendPolicy(wait=60)
    assert policy_in(tmp_path, tmp_path / "other.toml") == BackendPolicy(codes=2)

    result = shown("policy", "--data", str(tmp_path), "--json")
    event = msgspec.json.decode(result.stdout)
    assert asdict(BackendPolicy(wait=60)).items() <= event.items()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("wait = 60\nwait = 61\n", "policy.toml"),
        ("wiat = 60\n", "there is no limit “wiat”, perhaps you mean “wait”"),
        ("devices = 4\n", "there is no limit “devices”"),
        ("wait = '60'\n", "wait is a whole number from 0 to"),
        ("wait = true\n", "wait is a whole number from 0 to"),
        ("wait = 1.5\n", "wait is a whole number from 0 to"),
        ("wait = 99999999999\n", "wait is a whole number from 0 to"),
        ("[wait]\nseconds = 1\n", "wait is a whole number from 0 to"),
    ],
)
def test_a_bad_file_is_refused_in_words(tmp_path: Path, content: str, told: str) -> None:
    """The file, the limit and what it may be are named, before anything is served."""
    path = tmp_path / "policy.toml"
    path.write_text(content)
    with pytest.raises(PolicyRefused) as refused:
        load_policy(path)
    assert str(path) in str(refused.value)
    assert told in str(refused.value)

    for command in (("serve",), ("invite", "anna"), ("policy",)):
        result = shown(*command, "--data", str(tmp_path), "--policy", str(path))
        assert result.exit_code == 2
        assert told in " ".join(result.stderr.split())
    assert [found.name for found in tmp_path.iterdir()] == ["policy.toml"]


def test_a_file_that_is_not_there_is_no_default(tmp_path: Path) -> None:
    """Served with the defaults, a typing error in the file's name would go unseen."""
    result = shown("serve", "--data", str(tmp_path), "--policy", str(tmp_path / "none.toml"))
    assert result.exit_code == 2
    assert "none.toml" in result.stderr
