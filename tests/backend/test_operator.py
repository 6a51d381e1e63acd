"""What the operator types wrong, or finds broken: a named end in both languages, never a bug."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from nearproof.daemon.backend.admin import invite, set_phone
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.facts import Ceremony
from nearproof.daemon.backend.outbox import SmsKind
from nearproof.daemon.backend.policy import BackendPolicy, bounds
from nearproof.daemon.backend.wire import CeremonyKind, CeremonyState
from nearproof.daemon.cli import main
from nearproof.daemon.cli.backend import serve
from nearproof.daemon.outcomes.kinds import Exit

KID = "00" * 16
IN_FOLDER = ("outbox", "cancel anna", "phone anna +4511111111", f"revoke {KID}", "audit verify")
OPENS = (*IN_FOLDER, "invite anna", "serve --listen 127.0.0.1:0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backend's folder with the account anna."""
    data = tmp_path_factory.mktemp("operator") / "data"
    invite(data, "anna", BackendPolicy(), phone="+4512345678")
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it that a test may spoil."""
    yield Path(shutil.copytree(made, tmp_path / "data"))


def run(data: Path, command: str, *more: str, lang: str = "en") -> Result:
    arguments = ["--lang", lang, "backend", *command.split(), "--data", str(data), *more]
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("command", "en", "da"),
    [
        ("phone bob +4511111111", "There is no account “bob”.", "Der er ingen konto “bob”."),
        ("cancel bob", "There is no account “bob”.", "Der er ingen konto “bob”."),
        ("cancel a!b", "a user ID has letters, digits", "et bruger-ID har kun bogstaver"),
        ("phone a!b +4511111111", "a user ID has letters", "et bruger-ID har kun bogstaver"),
        ("phone anna 11111111", "a phone number has a plus", "et telefonnummer har plus"),
        ("phone anna +45", "a phone number has a plus", "et telefonnummer har plus"),
        ("invite --phone 7 bob", "a phone number has a plus", "et telefonnummer har plus"),
        ("invite bob", "a new account needs its phone", "en ny konto skal have"),
        ("invite anna --phone +4511111111", "leave --phone out", "udelad --phone"),
        ("invite a!b", "a user ID has letters", "et bruger-ID har kun bogstaver"),
        (f"revoke {KID}", f"No laptop has the key id {KID}.", f"har nøgle-id'et {KID}."),
        ("revoke 00", "a key id is 32 hex digits", "32 hexcifre"),
        (f"revoke {'zz' * 16}", "a key id is 32 hex digits", "32 hexcifre"),
        ("serve --wait -1", "is not in the range", "er ikke i området"),
        ("serve --wait 31622401", "is not in the range", "er ikke i området"),
        ("serve --listen 8443", "use HOST:PORT", "brug HOST:PORT"),
        ("serve --listen localhost:65536", "use HOST:PORT", "brug HOST:PORT"),
        ("serve --sms pigeon", "use file, console", "brug file, console"),
        ("serve --sms webhook:http://192.0.2.1/", "a webhook is https", "en webhook er https"),
        ("serve --policy missing.toml", "no such file: missing.toml", "Filen findes ikke"),
        ("policy --policy missing.toml", "no such file: missing.toml", "Filen findes ikke"),
    ],
)
def test_what_was_typed_wrong(data: Path, command: str, en: str, da: str) -> None:
    """Wrong usage, said in words that name it; nothing is changed."""
    english, danish = run(data, command), run(data, command, lang="da")
    assert (english.exit_code, danish.exit_code) == (Exit.USAGE, Exit.USAGE)
    assert en in english.output
    assert da in danish.output


def test_a_number_that_does_not_count_yet(data: Path) -> None:
    """No invitation on a number that was just changed; the operator is told how long."""
    set_phone(data, "anna", "+4511111111")
    refused = run(data, "invite anna")
    assert refused.exit_code == Exit.WAITING
    assert "it counts in 120 hours" in refused.output
    assert "det gælder om 120 timer" in run(data, "invite anna", lang="da").output


@pytest.mark.parametrize("command", IN_FOLDER)
def test_a_folder_without_a_backend(tmp_path: Path, command: str) -> None:
    """A slip in --data makes no second backend, whose audit chain would hold."""
    for absent in (tmp_path / "absent", tmp_path):
        refused = run(absent, command)
        assert refused.exit_code == Exit.USAGE
        assert f"There is no backend in {absent}." in refused.output
    assert "Der er ingen server i " in run(tmp_path, command, lang="da").output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", OPENS)
@pytest.mark.parametrize("damage", ["foreign", "torn"])
def test_a_damaged_database(data: Path, command: str, damage: str) -> None:
    """Another program's file, or one that has lost its end: named, and left as it is."""
    file = data / "backend.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    connection.close()
    for beside in data.glob("backend.db-*"):
        beside.unlink()
    spoilt = b"not a database " * 999 if damage == "foreign" else file.read_bytes()[:9000]
    file.write_bytes(spoilt)
    refused = run(data, command, lang="da" if damage == "torn" else "en")
    assert refused.exit_code == Exit.DAMAGED
    assert ("The database is damaged" if damage == "foreign" else "beskadiget") in refused.output
    assert file.read_bytes() == spoilt


@pytest.mark.parametrize("command", OPENS)
@pytest.mark.parametrize(
    ("url", "exit", "en", "da"),
    [
        ("anything", Exit.USAGE, "an address is", "en adresse er"),
        ("mysql://db/x", Exit.USAGE, "an address is", "en adresse er"),
        ("postgresql://[::1", Exit.USAGE, "an address is", "en adresse er"),
        ("postgresql://db:port/x", Exit.USAGE, "an address is", "en adresse er"),
        ("postgresql://a:b@db/x", Exit.USAGE, "no password in", "ingen adgangskode i"),
        (
            "postgresql://127.0.0.1:1/x",
            Exit.TRY_AGAIN,
            "The database cannot be opened",
            "Databasen kan ikke åbnes",
        ),
        (
            "sqlite:////proc/none/backend.db",
            Exit.TRY_AGAIN,
            "The database cannot be opened",
            "Databasen kan ikke åbnes",
        ),
    ],
)
def test_an_address_that_is_no_database(
    data: Path, command: str, url: str, exit: Exit, en: str, da: str
) -> None:
    """Not an address, or one where nothing answers; the address's password is not repeated."""
    refused = run(data, command, "--database", url)
    assert refused.exit_code == exit
    assert en in refused.output
    assert "\n\t" not in refused.output  # what the driver explains below its first line
    assert da in run(data, command, "--database", url, lang="da").output


def test_a_driver_that_is_not_installed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is an extra of the package: the error says which."""
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    refused = run(data, "outbox", "--database", "postgresql://db/x")
    assert refused.exit_code == Exit.USAGE
    assert "nearproof[postgresql]" in refused.output


def test_programs_are_told_too(data: Path) -> None:
    """With --json the failure is an event with its reason."""
    refused = run(data, "cancel bob", "--json")
    event = json.loads(refused.stdout)
    assert (event["event"], event["reason"]) == ("failed", "AccountUnknown")
    assert (event["exit"], event["whose"]) == (Exit.USAGE, "yours")


def test_the_bounds_of_wait_are_the_policys() -> None:
    """The flag would not load the policy for its help: the number is written twice."""
    flag = next(param for param in serve.params if param.name == "wait")
    assert isinstance(flag.type, click.IntRange)
    assert (flag.type.min, flag.type.max) == bounds("wait")


@pytest.mark.parametrize("command", [*IN_FOLDER, "invite anna"])
def test_a_server_whose_database_is_elsewhere(data: Path, command: str) -> None:
    """Without its address the folder's own file is meant: where none is, none is made."""
    (data / "backend.db").unlink()
    for lang, says in (("en", "name that with --database"), ("da", "angiv den med --database")):
        refused = run(data, command, lang=lang)
        assert refused.exit_code == Exit.USAGE
        assert says in refused.output
    assert not (data / "backend.db").exists()


def test_a_refused_first_invite_makes_nothing(tmp_path: Path) -> None:
    """Neither a folder nor keys, for which somebody else's would be searched in vain."""
    for command in ("invite bob", "invite --phone 7 bob", "invite a!b"):
        assert run(tmp_path / "data", command).exit_code == Exit.USAGE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "en", "da"),
    [
        ("issuer.json", "rubbish", "not a nearproof file of", "ikke en nearproof-fil"),
        ("tls.pem", "rubbish", "holds no certificate", "indeholder intet certifikat"),
        ("policy.toml", "wiat = 1", "perhaps you mean “wait”", "måske mener du “wait”"),
        ("policy.toml", "wait = -1", "is a whole number from 0", "er et helt tal fra 0"),
    ],
)
def test_a_damaged_file_is_named_in_both_languages(
    data: Path, name: str, content: str, en: str, da: str
) -> None:
    """With what is wrong in it; it is left as it is."""
    (data / name).write_text(content)
    for lang, says in (("en", en), ("da", da)):
        refused = run(data, "invite anna", lang=lang)
        mended_by_editing = name == "policy.toml"
        assert refused.exit_code == (Exit.USAGE if mended_by_editing else Exit.DAMAGED)
        assert says in refused.output
        assert str(data / name) in refused.output
    assert (data / name).read_text() == content


@pytest.mark.parametrize("command", OPENS)
def test_a_database_that_others_can_read(data: Path, command: str) -> None:
    """Not used; what makes it private again is said."""
    (data / "backend.db").chmod(0o644)
    refused = run(data, command)
    assert refused.exit_code == Exit.PERMISSION
    assert "chmod 600" in refused.output
    assert "chmod 600" in run(data, command, lang="da").output


def test_a_port_that_is_taken(data: Path) -> None:
    """Named, with the flag that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        there = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = run(data, f"serve --listen {there}")
        assert refused.exit_code == Exit.TRY_AGAIN
        assert f"Nobody can listen at {there}: Address already in use." in refused.output
        assert (
            "vælg et andet sted med --listen"
            in run(data, f"serve --listen {there}", lang="da").output
        )
    assert (
        "Nobody can listen at no.host.invalid:1: "
        in run(data, "serve --listen no.host.invalid:1").output
    )


def test_the_outbox_reads_like_a_log(data: Path) -> None:
    """When, for whom, what, and whether it has gone; none is said, too."""
    assert "There is no SMS yet." in run(data, "outbox").output
    assert "Der er ingen SMS endnu." in run(data, "outbox", lang="da").output
    with open_data_dir(data) as opened, opened.store.write("anna") as records:
        account = records.account("anna")
        assert account is not None
        ceremony = Ceremony(
            bytes(16),
            "anna",
            CeremonyKind.COPY,
            None,
            state=CeremonyState.LIVE,
            slot=1,
            started=records.now,
            ready=records.now,
            deadline=records.now,
        )
        records.add_ceremony(ceremony)
        records.queue_sms(account, ceremony, SmsKind.COPY_STARTED)
    line = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  anna: "
    assert re.search(f"{line}a copy has begun: waits to be handed over", run(data, "outbox").stdout)
    danish = run(data, "outbox", lang="da").stdout
    assert re.search(f"{line}en kopiering er begyndt: venter på at blive afleveret", danish)
