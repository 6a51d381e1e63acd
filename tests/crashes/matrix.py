"""The cells of the matrix, and one run of each: seeded, so that any of them can be played again."""

from __future__ import annotations

import functools
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import func, select

from crashes.actors import POLICY
from crashes.faults import KINDS, Fault
from crashes.judge import Judge
from crashes.stage import ACCOUNT, PHONE, Site, Stage, Stuck, Told, site_from
from nearproof.daemon.backend.admin import invite
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.schema import events, metadata, outbox, reports

COMMANDS: Final = {
    "copy": {"old": "old copy", "new": "new copy"},
    "activate": {"new": "new activate"},
}
ACTIVE: Final = {"copy": 3, "activate": 1}  # laptops in the end: a copy takes the last slot
ROLES: Final = ("backend", "old", "new")


@dataclass(frozen=True)
class Cell:
    """A fault in a story."""

    story: str
    fault: Fault


@dataclass
class Result:
    """One run."""

    number: int
    story: str
    database: str
    faults: list[dict[str, Any]]
    struck: list[str]
    """Which faults came about, and at what: a process may end before it gets there."""
    ended: str
    """"goes on": nothing was asked of the person but to start again what was killed; "again": a
    command ended with a named outcome and was given again; "anew": a new QR code or ceremony."""
    ends: list[str]
    seconds: float
    broken: list[str] = field(default_factory=list)


class Matrix:
    """Templates, measured points, and the runs on them."""

    def __init__(self, folder: Path, seed: int, cluster: Any = None) -> None:
        """`cluster` makes PostgreSQL databases; without one every run is on SQLite."""
        self._folder = folder
        self._seed = seed
        self._cluster = cluster
        self._templates = {"activate": self._blank(folder / "activate")}
        first = self._grown(folder / "first", self._templates["activate"])
        self._templates["copy"] = self._grown(folder / "copy", first, keep="old")
        self._databases = {name: self._copied(path) for name, path in self._templates.items()}

    # -- templates --------------------------------------------------------------------------------

    def _blank(self, folder: Path) -> Path:
        """A backend that nobody is enrolled at, and an invite."""
        (folder / "new").mkdir(parents=True)
        code = invite(folder / "data", ACCOUNT, POLICY, phone=PHONE)
        (folder / "invite").write_text(code)
        return folder

    def _grown(self, folder: Path, template: Path, keep: str = "") -> Path:
        """The template after one more laptop was activated; the first one becomes OLD."""
        shutil.copytree(template, folder)
        told, faults = play(Site(folder), "activate", [], Random(0), check=False)
        if faults:
            raise Stuck(f"no template: {faults}, {told.ends}")
        if keep:
            shutil.rmtree(folder / "new")
        else:
            (folder / "new").rename(folder / "old")
            (folder / "invite").write_text(invite(folder / "data", ACCOUNT, POLICY, phone=PHONE))
        (folder / "new").mkdir()
        (folder / "old" / "backend.json").unlink(missing_ok=True)
        for rest in [*folder.glob("*.log"), *folder.glob("trace-*"), folder / "heard.jsonl"]:
            rest.unlink()
        return folder

    def _copied(self, template: Path) -> str:
        """The template's rows in a PostgreSQL database, to be copied from."""
        if self._cluster is None:
            return ""
        url: str = self._cluster.database()
        copy_rows(Site(template, url))
        return url.partition("?")[0].rpartition("/")[2]

    # -- the cells --------------------------------------------------------------------------------

    @functools.cached_property
    def cells(self) -> list[Cell]:
        """Every way to strike at every point that a run without faults reaches."""
        found = []
        for story in COMMANDS:
            with self._site(story, "points", "sqlite") as site:
                _, broken = play(site, story, [], Random(0), active=ACTIVE[story])
                if broken:
                    raise Stuck(f"without any fault: {broken}")
                found += list(_cells(story, site))
        return found

    def run(self, number: int) -> Result:
        """Run `number`: its cell, perhaps a second fault, its database, all by the seed."""
        order = Random(self._seed).sample(range(len(self.cells)), len(self.cells))
        # Each cell in turn; from the second time around, with a second fault.
        cell = self.cells[order[number % len(order)]]
        random = Random(f"{self._seed}-{number}")
        faults = [cell.fault]
        if number >= len(order) or random.random() < 0.25:
            others = [each for each in self.cells if each.story == cell.story]
            faults.append(random.choice(others).fault)
        kind = "postgresql" if self._cluster and random.random() < 0.25 else "sqlite"
        return self._play(number, cell.story, kind, faults, random)

    def again(self, kept: Result) -> Result:
        """The same run: points may have moved a little since, what was struck is the same."""
        faults = [Fault(**fault) for fault in kept.faults]
        random = Random(f"{self._seed}-{kept.number}")
        return self._play(kept.number, kept.story, kept.database, faults, random)

    def _play(
        self, number: int, story: str, kind: str, faults: list[Fault], random: Random
    ) -> Result:
        began = time.monotonic()
        with self._site(story, f"run-{number}", kind) as site:
            try:
                told, broken = play(site, story, faults, random, active=ACTIVE[story])
            except Stuck as error:
                told, broken = Told(), [str(error)]
            struck = _struck(site)
        return Result(
            number,
            story,
            kind,
            [asdict(fault) for fault in faults],
            struck,
            _ended(told),
            [f"{role} {code} {reason}".strip() for role, code, reason in told.ends],
            round(time.monotonic() - began, 2),
            broken,
        )

    def random(self) -> Random:
        """For a run that draws nothing else."""
        return Random(self._seed)

    @contextmanager
    def _site(self, story: str, name: str, kind: str) -> Iterator[Site]:
        template = self._templates[story]
        with site_from(template, self._folder / name) as site:
            if kind == "postgresql":
                site.database = self._cluster.database(self._databases[story])
            try:
                yield site
            finally:
                if site.database is not None:
                    self._cluster.drop(site.database)


def play(
    site: Site,
    story: str,
    faults: list[Fault],
    random: Random,
    *,
    active: int = 0,
    check: bool = True,
) -> tuple[Told, list[str]]:
    """One run of this story, and the rules that it broke."""
    stage = Stage(site, COMMANDS[story], list(faults), random)
    if story == "activate":
        stage.invited = (site.folder / "invite").read_text()
    told = stage.run()
    return told, Judge(site, told, active).faults() if check else []


def copy_rows(site: Site) -> None:
    """The template's rows into a PostgreSQL database."""
    with (
        open_data_dir(site.data) as source,
        open_data_dir(site.data, site.database) as target,
        source.store.read() as rows,
        target.store.write() as records,
    ):
        for table in metadata.sorted_tables:
            if found := [dict(row._mapping) for row in rows._all(table.select())]:
                records._connection.execute(table.insert(), found)
        for table in (events, outbox, reports):
            sequence = func.pg_get_serial_sequence(table.name, "id")
            newest = select(func.coalesce(func.max(table.c.id), 0) + 1).scalar_subquery()
            records._connection.execute(select(func.setval(sequence, newest)))


def _cells(story: str, site: Site) -> Iterator[Cell]:
    for role in ROLES:
        seen = dict.fromkeys(KINDS, 0)
        for kind, _ in site.traces(role):
            at = seen[kind]
            seen[kind] += 1
            for how in KINDS[kind]:
                yield Cell(story, Fault(role, kind, at, how))
                if (kind, how) == ("file", "disk full") and role != "backend":
                    yield Cell(story, Fault(role, kind, at, how, sticky=True))


def _struck(site: Site) -> list[str]:
    return [
        f"{role}: {kind[1:]}: {what}"
        for role in ROLES
        for kind, what in site.traces(role)
        if kind.startswith("!")
    ]


def _ended(told: Told) -> str:
    if sum(event["event"] == "qr_text" for event in told.events) > 1:
        return "anew"
    named = [code for role, code, _ in told.ends if role != "backend" and code > 0]
    return "again" if named else "goes on"


@contextmanager
def matrix(seed: int, *, postgres: bool = True) -> Iterator[Matrix]:
    """A matrix in memory (/dev/shm): what is killed is a process, never the machine."""
    from backend.postgres import cluster, programs

    shared = Path("/dev/shm")  # noqa: S108
    folder = tempfile.mkdtemp(prefix="np-crashes-", dir=shared if shared.is_dir() else None)
    binaries = programs() if postgres else None
    try:
        if binaries is None:
            yield Matrix(Path(folder), seed)
        else:
            with cluster(binaries) as running:
                yield Matrix(Path(folder), seed, running)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
