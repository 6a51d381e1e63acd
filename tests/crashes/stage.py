"""One run: a backend, an old and a new laptop, and a person who does not give up.

The person starts a command again whenever it has ended without success, and types what the
laptops ask for.  That is all the help they get: nothing is cleaned up by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import selectors
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from crashes import actors
from crashes.actors import Actor, fork
from crashes.faults import Fault
from nearproof.config.home import Backend, Home
from nearproof.daemon.join import JoinLine

DEADLINE: Final = 60.0  # seconds for a whole run; most take one
PATIENCE: Final = 1.0  # seconds that the person waits for an SMS before asking again
PARTING: Final = 1.0  # seconds that OLD has to see that NEW has the proof
STARTS: Final = 12  # of one laptop's command
SLOW: Final = 1.5  # seconds until a dead backend is back, where it takes longer than clients retry

ACCOUNT, PHONE, PIN = "anna", "+4512345678", "839274"
_CODE: Final = re.compile(r"\b\d{6}\b")


class Stuck(Exception):
    """A run that does not end, or a process that ends as it must not."""


@dataclass
class Site:
    """Where a run takes place: its folder, and the database in place of SQLite's file."""

    folder: Path
    database: str | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def home(self, role: str) -> Home:
        return Home(self.folder / role)

    @property
    def heard(self) -> Path:
        return self.folder / "heard.jsonl"

    def traces(self, role: str) -> list[tuple[str, str]]:
        """What every process of this role has reached: kind, and what was done."""
        lines = []
        for path in sorted(self.folder.glob(f"trace-{role}-*")):
            lines += [tuple(line.split("\t")) for line in path.read_text().splitlines()]
        return [(kind, what) for kind, what in lines]


@dataclass
class Told:
    """What happened, for the judge and for the table."""

    events: list[dict[str, Any]] = field(default_factory=list)
    ends: list[tuple[str, int, str]] = field(default_factory=list)  # role, exit code, reason
    struck: str = ""

    def said(self, role: str, event: str) -> bool:
        return any((told["role"], told["event"]) == (role, event) for told in self.events)


class Stage:
    """The processes of one run, and the person."""

    def __init__(
        self, site: Site, commands: dict[str, str], faults: list[Fault], random: Random
    ) -> None:
        self.site = site
        self.told = Told()
        self._commands = commands
        self._faults = faults
        self._random = random
        self._air = f"{os.getpid()}-{site.folder.name}"
        self._port = 0
        self._processes: dict[str, Actor] = {}
        self._starts: dict[str, int] = {}
        self._running: dict[str, str] = {}  # the command of each laptop
        self._buffers: dict[str, bytes] = {}
        self._selector = selectors.DefaultSelector()
        self._until = time.monotonic() + DEADLINE
        self._done: set[str] = set()
        self._asked: dict[str, str] = {}  # what each laptop waits for
        self._asked_at: dict[str, float] = {}
        self._qr, self._typed_qr, self._code = "", "", ""
        self._proof_made = False
        self._codes_before = len(self._sms())
        self._later: list[tuple[float, Callable[[], None]]] = []
        self.invited = ""

    # -- processes --------------------------------------------------------------------------------

    def run(self) -> Told:
        """Until the new laptop is active; leaves no process."""
        try:
            self._start_backend()
            for role in self._commands:
                self._start(role)
            while not self._over():
                self._step()
            self._stop_backend()
        finally:
            for role in list(self._processes):
                self._kill(role)
            self._selector.close()
        return self.told

    def _over(self) -> bool:
        return "new" in self._done and "old" not in self._processes

    def _fault_of(self, role: str) -> Fault | None:
        mine = [fault for fault in self._faults if fault.role == role]
        if not mine:
            return None
        self._faults.remove(mine[0])
        return mine[0]

    def _launch(self, role: str, work: Callable[[int, int], int]) -> None:
        actor = fork(role, work, self.site.folder / f"{role}.log")
        self._processes[role] = actor
        self._buffers[role] = b""
        self._selector.register(actor.tells, selectors.EVENT_READ, role)

    def _trace(self, role: str) -> Path:
        self._starts[role] = self._starts.get(role, 0) + 1
        return self.site.folder / f"trace-{role}-{self._starts[role]:02}"

    def _start_backend(self) -> None:
        site = self.site
        work = actors.backend(
            site.data, self._port, site.database, self._trace("backend"), self._fault_of("backend")
        )
        self._launch("backend", work)
        before = len(self.told.events)
        while "backend" in self._processes and len(self.told.events) == before:
            self._wait_for("backend")

    def _start(self, role: str, command: str = "") -> None:
        if self._starts.get(role, 0) >= STARTS:
            raise Stuck(f"{role} was started {STARTS} times: {self.told.ends[-4:]}")
        self._asked.pop(role, None)
        self._running[role] = command = command or self._commands[role]
        if role == "old":
            self._proof_made = False
        if role == "new":
            self._typed_qr = self._code = ""
        site = self.site
        work = actors.laptop(
            role,
            command,
            site.home(role).path,
            self._air,
            site.heard,
            self._trace(role),
            self._fault_of(role),
        )
        self._launch(role, work)

    def _stop_backend(self) -> None:
        """In order, after a start if it is dead."""
        self._later.clear()
        while not self.told.ends or self.told.ends[-1][:2] != ("backend", 0):
            if "backend" not in self._processes:  # struck, perhaps just now
                self._start_backend()
            with contextlib.suppress(KeyError):
                os.kill(self._processes["backend"].pid, signal.SIGTERM)
            while "backend" in self._processes:
                self._wait_for("backend")

    def _kill(self, role: str) -> None:
        actor = self._processes.pop(role)
        with contextlib.suppress(ProcessLookupError):
            os.kill(actor.pid, signal.SIGKILL)
        os.waitpid(actor.pid, 0)
        os.close(actor.tells)
        os.close(actor.types)

    # -- what happens -----------------------------------------------------------------------------

    def _step(self) -> None:
        now = time.monotonic()
        if now > self._until:
            stands = {role: self._asked.get(role, "") for role in self._processes}
            raise Stuck(f"not over after {DEADLINE} s: {stands}, {self.told.ends}")
        for due in [each for each in self._later if each[0] <= now]:
            self._later.remove(due)
            due[1]()
        for key, _ in self._selector.select(0.02):
            if key.data in self._processes:
                self._read(key.data)
        wanted = "old" in self._commands and "old" not in self._processes
        if wanted and not self._new_has_the_proof():
            self._start("old")
        self._answer()

    def _wait_for(self, role: str) -> None:
        """One thing that this process tells, or its end, before anything else is looked at."""
        left = self._until - time.monotonic()
        if not select.select([self._processes[role].tells], [], [], max(left, 0))[0]:
            raise Stuck(f"{role} neither ends nor says anything\n{self.log(role)}")
        self._read(role)

    def _read(self, role: str) -> None:
        actor = self._processes[role]
        content = os.read(actor.tells, 65536)
        if not content:
            self._ended(role)
            return
        *lines, self._buffers[role] = (self._buffers[role] + content).split(b"\n")
        for line in lines:
            self._hear(role, json.loads(line))

    def _hear(self, role: str, event: dict[str, Any]) -> None:
        self.told.events.append({"role": role, **event})
        match event["event"]:
            case "ready":
                self._port = int(event["url"].rpartition(":")[2])
                self._join(event)
            case "asked":
                self._asked[role] = event["what"]
                self._asked_at[role] = time.monotonic()
            case "qr_text":
                self._qr = event["text"]
            case "proof_made":
                self._proof_made = True
            case "code":
                self._code = event["code"]
            case "code_hidden":
                self._code = ""
            case _:
                pass

    def _join(self, ready: dict[str, Any]) -> None:
        pem, _, _ = (self.site.data / "tls.pem").read_text().partition("-----BEGIN PRIVATE")
        issuer = JoinLine.parse(ready["join"]).issuer
        for role in self._commands:
            home = self.site.home(role)
            joined = Backend(ready["url"], pem, issuer)
            if home.backend() != joined:
                home.save_backend(joined)

    def _ended(self, role: str) -> None:
        actor = self._processes.pop(role)
        self._selector.unregister(actor.tells)
        os.close(actor.tells)
        os.close(actor.types)
        _, status = os.waitpid(actor.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        failed = (role, "failed")
        reasons = [e["reason"] for e in self.told.events if (e["role"], e["event"]) == failed]
        reason = str(reasons[-1]) if code > 0 and reasons else ""
        self.told.ends.append((role, code, reason))
        if code in (actors.DIED, 70):
            raise Stuck(f"{role} failed: {reason}\n{self.log(role)}")
        if role == "backend":
            self._backend_ended(code)
        else:
            self._laptop_ended(role, code, reason)

    def log(self, role: str) -> str:
        """The end of what the processes of this role have printed."""
        path = self.site.folder / f"{role}.log"
        return path.read_text()[-4000:] if path.exists() else ""

    def _backend_ended(self, code: int) -> None:
        if code == 0:
            return
        if code != -signal.SIGKILL:
            raise Stuck(f"the backend ended with {code}\n{self.log('backend')}")
        slow = SLOW if self._random.random() < 0.25 else 0.0
        self._later.append((time.monotonic() + slow, self._start_backend))

    def _laptop_ended(self, role: str, code: int, reason: str) -> None:
        if role == "old":
            self._qr = ""
        if self._running[role] == "old cancel" and code == 0:
            self._codes_before = len(self._sms())  # older codes are for what was cancelled
            self._start(role)
            return
        if role == "new" and (code == 0 or reason == "AlreadyEnrolled"):
            self._done.add(role)
            self._later.append((time.monotonic() + PARTING, self._part))
        elif role == "new":
            if self._proof_made and not self._new_has_the_proof():
                # OLD waits for a laptop that has lost its half: the person ends that.
                self._part()
            self._start(role)
        elif reason in ("grants_used_up", "ceremony_over"):
            self._start("old", "old cancel")
        elif "new" in self._processes and self._typed_qr and not self._new_has_the_proof():
            # It looks for a QR code that is gone: the person begins again there too.
            os.kill(self._processes["new"].pid, signal.SIGTERM)

    def _new_has_the_proof(self) -> bool:
        if "new" in self._done:
            return True
        home = self.site.home("new")
        kept = home.enrolment()
        return home.device() is not None or (kept is not None and bool(kept.bundle))

    def _part(self) -> None:
        """An OLD that waits for nobody is closed by its person."""
        if "old" in self._processes:
            os.kill(self._processes["old"].pid, signal.SIGTERM)

    # -- the person -------------------------------------------------------------------------------

    def _answer(self) -> None:
        for role, what in list(self._asked.items()):
            if role not in self._processes:
                continue
            answer = self._typed(role, what)
            if answer is None:
                continue
            del self._asked[role]
            with contextlib.suppress(BrokenPipeError):
                os.write(self._processes[role].types, answer.encode() + b"\n")

    def _typed(self, role: str, what: str) -> str | None:
        """What the person types, None while there is nothing to type yet."""
        match what:
            case "start" | "consent" | "qr_is_shown":
                return "yes"
            case "fingerprint" | "notifications":
                return "no"
            case "pin" | "new_pin" | "new_pin_again":
                return PIN
            case "user":
                return ACCOUNT
            case "activation_code":
                return self.invited
            case "qr_text":
                self._typed_qr = self._qr
                return self._qr or None
            case "code":
                return self._code or None
            case "sms_code":
                return self._sms_code(role)
            case _:
                raise Stuck(f"{role} asks for {what}")

    def _sms_code(self, role: str) -> str | None:
        """The newest code; after a while without one, an empty line: send it again."""
        codes = [
            found.group()
            for sms in self._sms()[self._codes_before :]
            if (found := _CODE.search(sms["text"]))
        ]
        if codes:
            return codes[-1]
        if time.monotonic() - self._asked_at[role] > PATIENCE:
            return ""
        return None

    def _sms(self) -> list[dict[str, Any]]:
        path = self.site.data / "sms.jsonl"
        if not path.exists():
            return []
        whole = path.read_bytes().rpartition(b"\n")[0]
        return [msgspec.json.decode(line) for line in whole.splitlines()]


@contextlib.contextmanager
def site_from(template: Path, folder: Path, database: str | None = None) -> Iterator[Site]:
    """A copy of a template to play in; gone afterwards."""
    shutil.copytree(template, folder)
    try:
        yield Site(folder, database)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
