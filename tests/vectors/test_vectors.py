"""The case files in `crypto/vectors`: two implementations agree on every one of them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearproof.crypto.errors import RefusalCode
from nearproof.crypto.session.actions import EndReason
from vectors import files, pxp1
from vectors.generate.__main__ import LAYERS, stale
from vectors.ours.judge import judge as judge_by_ours
from vectors.pxp1.judge import judge as judge_by_second

CASES = files.load()
EVERY = pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])


@EVERY
def test_the_second_implementation_agrees(case: files.Case) -> None:
    """What was written from the SPEC alone accepts, refuses and answers as the case says."""
    assert judge_by_second(case) == files.wanted(case)


@EVERY
def test_our_implementation_agrees(case: files.Case) -> None:
    """So does ours, with the same values and the same refusals."""
    assert judge_by_ours(case) == files.wanted(case)


def test_the_second_implementation_is_one() -> None:
    """Nothing of nearproof is imported by it, directly or through another module here."""
    for path in Path(pxp1.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for name in names:
                assert not name.startswith("nearproof"), path
                assert not name.startswith("vectors") or name.startswith("vectors.pxp1"), path


def test_the_files_are_what_the_generator_writes() -> None:
    """`scripts/vectors --check` finds nothing to say."""
    assert stale() == []


def test_a_changed_a_missing_and_a_foreign_file_are_found(tmp_path: Path) -> None:
    """The check compares whole files, by name."""
    for path in files.FOLDER.glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    assert stale(tmp_path) == []
    changed = (tmp_path / "qr.json").read_text("utf-8").replace("qr-valid", "qr-sound")
    (tmp_path / "qr.json").write_text(changed, "utf-8")
    (tmp_path / "keys.json").unlink()
    (tmp_path / "other.json").write_text("{}", "utf-8")
    assert stale(tmp_path) == ["keys.json", "other.json", "qr.json"]


def test_every_case_says_what_it_is() -> None:
    """Unique ids that begin with the layer, a description, and exactly one verdict."""
    assert len({case["id"] for case in CASES}) == len(CASES)
    for case in CASES:
        assert case["id"].startswith(case["layer"] + "-")
        assert case["description"] and case["do"]
        assert ("expect" in case) != ("refuse" in case)
        assert "expect" in case or case["refuse"]["layer"] in LAYERS


def test_at_least_half_of_the_cases_must_fail() -> None:
    """An implementation that accepts everything fails most of them."""
    refused = [case for case in CASES if "refuse" in case]
    assert len(CASES) >= 60
    assert len(refused) * 2 >= len(CASES)


def test_every_refusal_of_the_offline_verifier_occurs() -> None:
    """Each code of steps 1 to 7 and of --at, at its own step."""
    found = {
        (case["refuse"]["step"], case["refuse"]["code"])
        for case in CASES
        if "refuse" in case and case["layer"] == "verifier"
    }
    codes = [str(code) for code in RefusalCode]
    offline = set(codes[: codes.index(RefusalCode.EXPIRED) + 1])
    assert {code for _, code in found} == offline
    assert len(found) == len(offline)


def test_every_ending_of_a_session_occurs() -> None:
    """Both roles, each reason for which a session ends without a proof."""
    found = {c["refuse"]["code"] for c in CASES if c["layer"] == "session" and "refuse" in c}
    assert found == set(EndReason) | {"no_qr"}


def test_the_headers_say_how_to_read_the_files() -> None:
    """Each file names its protocol, format and layer."""
    for path in files.FOLDER.glob("*.json"):
        header = json.loads(path.read_text("utf-8"))
        assert header["layer"] == path.stem
        assert {name: header[name] for name in files.HEADER} == files.HEADER


SPOILABLE = [
    (case, name)
    for case in CASES
    for name in ("token", "bundle", "plaintext", "data", "public", "m1", "m2", "message")
    if case["layer"] != "session" and case["do"] not in ("cut", "seal") and case.get(name)
]


@given(st.sampled_from(SPOILABLE), st.data())
def test_the_two_agree_on_spoilt_cases(
    spoilable: tuple[files.Case, str], data: st.DataObject
) -> None:
    """A byte changed, inserted or removed anywhere: both refuse at the same place, or neither."""
    case, name = spoilable
    whole = bytes.fromhex(case[name])
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(start + 2, len(whole))))
    spoilt = whole[:start] + data.draw(st.binary(max_size=2)) + whole[stop:]
    changed = case | {name: spoilt.hex()}
    assert judge_by_second(changed) == judge_by_ours(changed)
