"""What must hold after every run: read from the database, both homes, and what laptops heard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from sqlalchemy import select

from backend.world import damage
from crashes.actors import Heard, quick_user_key
from crashes.stage import ACCOUNT, PIN, Site, Told
from nearproof.crypto.grant import verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import schema, wire
from nearproof.daemon.backend.data_dir import DataDir, open_data_dir
from nearproof.daemon.backend.errors import AuditBroken
from nearproof.daemon.backend.policy import SLOTS
from nearproof.daemon.backend.records import Records

Row = Any


class Judge:
    """Reads what a run has left behind; `faults` are the rules that it breaks."""

    def __init__(self, site: Site, told: Told, active: int) -> None:
        self._site = site
        self._told = told
        self._active = active

    def faults(self) -> list[str]:
        """Every rule that is broken, in words."""
        with open_data_dir(self._site.data, self._site.database) as data:
            with data.store.read() as records:
                self._records = records
                self._rows = {
                    name: records._all(select(table))
                    for name, table in schema.metadata.tables.items()
                }
                return [
                    *self._sound(),
                    *self._audit(records),
                    *self._enrolled_once(),
                    *self._acknowledged(data),
                    *self._sms(),
                    *self._homes(),
                ]

    # -- the database -----------------------------------------------------------------------------

    def _sound(self) -> Iterator[str]:
        """The file itself is whole; PostgreSQL answers for its own."""
        if self._site.database is None:
            yield from (f"database: {row}" for row in damage(self._site.data / "backend.db"))

    def _audit(self, records: Records) -> Iterator[str]:
        """The chains hold, and read from their beginning there was never a laptop too many."""
        try:
            records.verify_audit()
        except AuditBroken as error:
            yield f"audit: {error}"
        active = 0
        for row in sorted(self._rows["audit"], key=lambda row: row.seq):
            active += {"activated": 1, "revoked": -1}.get(row.event, 0)
            if active > SLOTS:
                yield f"the audit chain has {active} active laptops"

    def _enrolled_once(self) -> Iterator[str]:
        active = [row for row in self._rows["devices"] if row.state == "active"]
        if len(active) != self._active:
            yield f"{len(active)} active laptops, not {self._active}"
        if len({row.slot for row in active}) != len(active):
            yield "two laptops in one slot"
        done = [row for row in self._rows["ceremonies"] if row.state == "done"]
        if len(done) != self._active or len({row.new for row in done}) != len(done):
            yield f"{len(done)} ceremonies are done, for {len(active)} laptops"
        activations = Counter(row.device for row in self._rows["audit"] if row.event == "activated")
        if set(activations.values()) - {1} or len(activations) != self._active:
            yield f"activated {sum(activations.values())} times"
        spent = Counter(row.ceremony for row in self._rows["grants"] if row.state == "spent")
        if set(spent.values()) - {1}:
            yield "two grants of one ceremony are spent"

    def _sms(self) -> Iterator[str]:
        """What was struck off as sent was handed over."""
        path = self._site.data / "sms.jsonl"
        whole = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        handed = {msgspec.json.decode(line)["id"] for line in whole if line.endswith(b"\n")}
        for row in self._rows["outbox"]:
            if row.state == "sent" and row.id not in handed and not self._outdated(row):
                yield f"SMS {row.id} ({row.kind}) is struck off and was never handed over"

    def _outdated(self, sms: Row) -> bool:
        """A code that a later one has replaced is struck off unsent."""
        ceremony = next(row for row in self._rows["ceremonies"] if row.id == sms.ceremony)
        return bool(sms.kind == "code" and sms.code != ceremony.code)

    # -- what was acknowledged --------------------------------------------------------------------

    def _acknowledged(self, data: DataDir) -> Iterator[str]:
        """Whatever a laptop has heard is still so."""
        path = self._site.heard
        answers = {(row.signer.hex(), row.key): row for row in self._rows["answers"]}
        for line in path.read_bytes().splitlines() if path.exists() else ():
            heard = msgspec.json.decode(line, type=Heard)
            if heard.method != "POST" or heard.status >= 300:
                continue
            parts = heard.target.partition("?")[0].strip("/").split("/")
            if parts[1] == "challenges":
                continue
            kept = answers.get((heard.kid, heard.key))
            if kept is None or (kept.status, bytes(kept.body)) != (heard.status, heard.body):
                yield f"{heard.target} was answered, and the answer is not kept"
            if not self._fact(data, heard, parts[-1]):
                yield f"{heard.target} was acknowledged, and is not so"

    def _fact(self, data: DataDir, heard: Heard, what: str) -> bool:
        kid = bytes.fromhex(heard.kid)
        rows = self._rows
        judged: dict[str, Callable[[], bool]] = {
            "ceremonies": lambda: any(
                row.id.hex() == _of(heard, wire.Ceremony).id and row.old == kid
                for row in rows["ceremonies"]
            ),
            "grants": lambda: any(
                row.cti == verify_grant(heard.body, data.issuer.public).cti
                for row in rows["grants"]
            ),
            "redemptions": lambda: any(row.device == kid for row in rows["redemptions"]),
            "reports": lambda: bool(rows["reports"]),
            "activations": lambda: any(row.used_by == kid for row in rows["invites"]),
            "name": lambda: self._logged("named", kid),
            "codes": lambda: self._logged("code_asked", kid),
            "code": lambda: self._logged("code_right", kid),
            "pin": lambda: self._logged("activated", kid),
            "cancel": lambda: any(
                row.id.hex() == _of(heard, wire.Ceremony).id and row.state == "cancelled"
                for row in rows["ceremonies"]
            ),
        }
        return judged[what]()

    def _logged(self, event: str, kid: bytes) -> bool:
        return any((row.event, row.device) == (event, kid) for row in self._rows["audit"])

    # -- the homes --------------------------------------------------------------------------------

    def _homes(self) -> Iterator[str]:
        home = self._site.home("new")
        device = home.device()
        if device is None or home.enrolment() is not None:
            yield "the new laptop's home is not that of an active one"
            return
        key = DeviceKey.from_seed(device.seed)
        row = next((row for row in self._rows["devices"] if row.kid == key.kid), None)
        if row is None or row.state != "active" or device.account != ACCOUNT:
            yield "the new laptop believes to be active, and is not"
        elif row.user_public != quick_user_key(device.secret, device.salt, PIN).public:
            yield "the PIN that was chosen is not the one that counts"
        for role in ("old", "new"):
            for path in self._site.home(role).path.glob("*"):
                if path.stat().st_mode & 0o077:
                    yield f"{role}/{path.name} is not private"
        if leftovers := [path.name for path in home.path.glob(".*")]:
            yield f"left behind: {leftovers}"
        delivered = self._told.said("old", "delivered")
        if delivered and not any(r.device == key.kid for r in self._rows["redemptions"]):
            yield "OLD was told that its proof arrived, and it was not that one"


def _of(heard: Heard, shape: type[Any]) -> Any:
    return msgspec.json.decode(heard.body, type=shape)


def as_line(value: object) -> str:
    """One line of a report file."""
    return json.dumps(value, ensure_ascii=False)
