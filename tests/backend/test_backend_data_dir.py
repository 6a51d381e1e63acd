"""The data folder: made once, private, never overwritten."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from backend.world import World, backend
from nearproof.config.files import FileDamaged
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.errors import FileExposed
from nearproof.daemon.backend.facts import Problem
from nearproof.daemon.backend.schema import HEAD
from nearproof.daemon.backend.store import Store
from nearproof.daemon.backend.wire import ServiceCode


def test_everything_in_it_is_private(tmp_path: Path) -> None:
    """0700 and 0600, whatever the umask, while it runs too."""
    folder = tmp_path / "deep" / "data"
    with open_data_dir(folder) as data:
        with data.store.write() as records:
            records.add_account("alice")
        files = [folder, *folder.iterdir()]
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
    assert modes.pop("data") == 0o700
    assert set(modes) >= {"issuer.json", "tls.pem", "backend.db", "backend.db-wal"}
    assert set(modes.values()) == {0o600}


def test_it_is_made_once(tmp_path: Path) -> None:
    """Opened again it has the same keys; eight first openings at once make one set."""

    def opened(_number: int) -> tuple[bytes, bytes]:
        with open_data_dir(tmp_path) as data:
            return data.issuer.public, data.pin

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(opened, range(8)))) == 1


@pytest.mark.parametrize("name", ["issuer.json", "tls.pem", "backend.db"])
def test_what_others_can_read_is_not_used(tmp_path: Path, name: str) -> None:
    """`FileExposed` names the file."""
    with open_data_dir(tmp_path):
        pass
    (tmp_path / name).chmod(0o644)
    with pytest.raises(FileExposed, match=name), open_data_dir(tmp_path):
        pass


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("issuer.json", b"{}"),
        ("issuer.json", b'{"kind":"issuer-key","version":1,"data":{"seed":"AAAA"}}'),
        ("tls.pem", b""),
        ("tls.pem", b"\xff" * 100),
    ],
)
def test_a_damaged_file_stays_as_it_is(tmp_path: Path, name: str, content: bytes) -> None:
    """`FileDamaged`, and not one byte is overwritten."""
    with open_data_dir(tmp_path):
        pass
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileDamaged), open_data_dir(tmp_path):
        pass
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_empty_database_is_migrated_once(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Four workers that start at once on an empty database: one of them makes the tables.

    Opened again, by the program that it is for, it is only looked at.
    """
    url = f"sqlite:///{tmp_path}/backend.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").database()
    program = (
        "import sys\n"
        "from nearproof.daemon.backend.store import Store\n"
        "with Store(sys.argv[1]).write() as records:\n"
        "    records.add_account(sys.argv[2])\n"
    )
    starts = [subprocess.Popen([sys.executable, "-c", program, url, name]) for name in "abcd"]
    assert [process.wait(60) for process in starts] == [0] * 4
    store = Store(url)
    with store.read() as records:
        assert records.count("accounts") == 4
        version = records._connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        assert version.scalars().all() == [HEAD]
    store.close()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Any exception rolls the whole transaction back, and the lock is free again."""
    store = Store(f"sqlite:///{tmp_path}/backend.db")
    with pytest.raises(ZeroDivisionError), store.write() as records:
        records.add_account("alice")
        raise ZeroDivisionError
    with store.write() as records:
        records.add_account("alice")
    store.close()


def test_a_full_disk_is_busy_and_loses_nothing(tmp_path: Path) -> None:
    """SQLITE_FULL is BUSY: nothing of the transaction is there, what was there still is."""
    store = Store(f"sqlite:///{tmp_path}/backend.db")
    with store.write() as records:
        records.add_account("before")
    with pytest.raises(Problem) as caught, store.write() as records:
        records._connection.exec_driver_sql("PRAGMA max_page_count = 1")  # the disk is full
        for number in range(1000):
            records.add_account(f"{number}" * 60)
    store.close()
    assert caught.value.code is ServiceCode.BUSY
    with closing(sqlite3.connect(tmp_path / "backend.db")) as other:
        assert other.execute("SELECT name FROM accounts").fetchall() == [("before",)]


async def test_seeds_and_codes_stay_out_of_what_the_server_prints(tmp_path: Path) -> None:
    """The ready line is all that it writes; the issuer's seed is not in it."""
    with backend(tmp_path) as running:
        here = World(tmp_path, running)
        await here.activated("alice")
        with open_data_dir(tmp_path) as data:
            seed = data.issuer.seed()
        assert data.issuer.public.hex() not in running.line
        assert seed.hex() not in running.line
        assert repr(data).find(seed.hex()) == -1
        running.process.terminate()
        stdout = running.process.stdout
        assert stdout is not None
        assert await asyncio.to_thread(stdout.read) == b""
