"""Danish is complete and true to the English, and the catalogue says so where it is not."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from messages import catalogue, code
from messages.code import Found
from nearproof.daemon.locale import Counted, filled, translated
from nearproof.daemon.texts import TEXTS

FOUND = [
    Found("Hello {name}.", "a.py"),
    Found("Bluetooth is off.", "a.py"),
    Found(Counted("one try", "{count} tries", "count"), "b.py"),
]
GOOD = catalogue.HEADER + (
    """#: a.py
#, python-brace-format
msgid "Hello {name}."
msgstr "Hej {name}."

#: a.py
msgid "Bluetooth is off."
msgstr "Bluetooth er slået fra."

#: b.py
#, python-brace-format
msgid "one try"
msgid_plural "{count} tries"
msgstr[0] "ét forsøg"
msgstr[1] "{count} forsøg"

""".encode()
)


def test_danish_is_complete() -> None:
    """Every sentence in the code has its Danish, no Danish is stale, every key is used."""
    found = list(code.sentences())
    po, mo = catalogue.PO.read_bytes(), catalogue.MO.read_bytes()
    assert [*catalogue.faults(po, mo, found), *catalogue.faults_of_code()] == []


def test_the_sentences_are_all_found() -> None:
    """One of each place that has sentences: none of them falls out of the search unseen."""
    found = {form for each in code.sentences() for form in each.forms}
    assert {
        "Bluetooth is ready.",  # texts.py
        "{count} hours",  # a plural
        "Cancelled. Nothing was copied.",  # outcomes
        "the system bus answers",  # doctor
        "FAIL",  # its table
        "Print the settings in force, as `config.toml` would have them.",  # help of a command
        "Type the text above the QR code.",  # help of a flag
        "choose one of --camera, --image and --typed",  # wrong usage
        "not measured",  # verify
        "Show this message and exit.",  # click
        "not the server of this line",  # a detail of an error
    } <= found
    assert any("temporary code is {code}" in each for each in found)  # SMS


def judged(po: bytes, mo: bytes | None = None, found: list[Found] = FOUND) -> list[str]:
    return list(catalogue.faults(po, catalogue.compiled(po) if mo is None else mo, found))


def test_a_good_catalogue_has_no_faults() -> None:
    """So each fault below is the one that was put in."""
    assert judged(GOOD) == []


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ("Hej {name}.", "", "no Danish: 'Hello {name}.'"),
        ("{count} forsøg", "", "no Danish: 'one try'"),
        ("Hej {name}.", "Hej.", "the Danish has other fields: 'Hello {name}.'"),
        ("Hej {name}.", "Hej {navn}.", "the Danish has other fields: 'Hello {name}.'"),
        ("{count} forsøg", "mange forsøg", "the Danish has other fields: 'one try'"),
        ("Bluetooth is off.", "Bluetooth is out.", "is gone from the code: 'Bluetooth is out.'"),
        ("Bluetooth is off.", "Bluetooth is out.", "not in the catalogue: 'Bluetooth is off.'"),
        ("#: a.py\nmsgid", "#: a.py\n#, fuzzy\nmsgid", "(fuzzy): 'Bluetooth is off.'"),
        ("#: a.py\nmsgid", "#: z.py\nmsgid", "is not as scripts/messages writes it"),
    ],
)
def test_every_fault_is_told(good: str, bad: str, fault: str) -> None:
    """Missing, stale, fuzzy, or with other fields: one change to a good catalogue each."""
    assert good.encode() in GOOD
    assert any(fault in each for each in judged(GOOD.replace(good.encode(), bad.encode())))


def test_a_stale_compilation_is_told() -> None:
    """The program reads the .mo: it must be of this very .po."""
    changed = GOOD.replace("slået fra".encode(), b"slukket")
    assert judged(changed, catalogue.compiled(GOOD)) == ["nearproof.mo is older than nearproof.po"]


def test_a_changed_sentence_keeps_its_danish_for_the_translator() -> None:
    """As fuzzy, so that it is looked at; the program speaks English until then."""
    changed = [Found("Bluetooth is off!", "a.py"), FOUND[0], FOUND[2]]
    refreshed = catalogue.refreshed(GOOD, changed)
    assert "slået fra" in refreshed.decode()
    assert "slået fra".encode() not in catalogue.compiled(refreshed)
    assert judged(refreshed, found=changed) == [
        "the English was changed, look at the Danish (fuzzy): 'Bluetooth is off!'"
    ]


def test_a_key_that_nobody_uses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence that is never said needs no translation: it goes."""
    monkeypatch.setitem(TEXTS, "nobody_tells_this", "Never.")
    assert "nobody uses the key 'nobody_tells_this' of texts.py" in catalogue.faults_of_code()


def test_a_key_without_a_sentence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end the command that tells it."""
    monkeypatch.delitem(TEXTS, "bound")
    assert "'bound' is told or asked, but is not in texts.py" in catalogue.faults_of_code()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('raise BluetoothError(reason, f"{path} is gone")', "apart by ': ': '{} is gone'"),
        ('raise JoinError(reason, f"{url}: no server {name}")', "apart by ': ': 'no server {}'"),
        ('raise click.UsageError("choose one")', "put _() around"),
        ('ok(f"{adapter} is on")', "give the fields of this f-string by name"),
    ],
)
def test_what_nobody_could_translate_is_told(
    line: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence with its data in it, which the catalogue cannot have, and one that is not asked
    for in it.
    """
    monkeypatch.setattr(code, "product_files", lambda: iter(["a.py"]))
    monkeypatch.setattr(code, "tree", lambda _file: ast.parse(line))
    (told,) = code.unfit()
    assert fault in told


def test_the_words_of_a_detail_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part by itself, whichever of two it is; data is none."""
    line = 'raise JoinError(reason, f"{path}: too large: {n} s" if n else "gone: away")'
    monkeypatch.setattr(code, "product_files", lambda: iter(["a.py"]))
    monkeypatch.setattr(code, "tree", lambda _file: ast.parse(line))
    found = {each.sentence for each in code.sentences() if each.file == "a.py"}
    assert found == {"too large", "gone", "away"}
    assert list(code.unfit()) == []


def test_a_detail_is_translated_part_by_part() -> None:
    """Its words, and not its data, nor another program's words."""
    detail = "https://a:1: not the server of this line: gone"
    assert filled("{detail}!", "en", detail=detail) == f"{detail}!"
    danish = "https://a:1: ikke serveren fra denne linje: gone!"
    assert filled("{detail}!", "da", detail=detail) == danish
    assert filled("{detail}!", "da", detail="") == "!"
    words = "no password in the address: use PGPASSFILE or peer authentication"
    whole = filled("{detail}", "da", detail=f"x: {words}: y")
    assert whole.startswith("x: ingen adgangskode i adressen: brug PGPASSFILE")
    assert whole.endswith(": y")
    assert filled("{label}!", "da", label="gone away") == "gone away!"


def test_numbers_have_the_decimal_sign_of_the_language() -> None:
    """1.5 is 1,5 in Danish; a whole number has none."""
    assert filled("{a} {b}", "en", a=1.5, b=2) == "1.5 2"
    assert filled("{a} {b}", "da", a=1.5, b=2) == "1,5 2"


def test_english_needs_no_catalogue() -> None:
    """Help is quick: neither gettext's parser nor the file is touched."""
    program = (
        "import sys, nearproof.daemon.locale as l; l.filled('yes', 'en'); "
        "sys.exit('gettext' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_has_no_danish_is_said_in_english() -> None:
    """At run time a missing text must not end anything."""
    assert translated("no such sentence", "da") == "no such sentence"


def test_the_catalogue_is_installed_with_the_program() -> None:
    """The compiled file is what wheels are built with: it is not ignored by git."""
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", str(catalogue.MO)], cwd=Path(__file__).parent, check=False
    )
    assert ignored.returncode == 1
    assert importlib.metadata.version("nearproof")
