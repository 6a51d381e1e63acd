"""What can be wrong on this laptop or with what it was given."""

from __future__ import annotations

from nearproof.config.files import FileDamaged
from nearproof.config.home import HomeBusy
from nearproof.crypto.errors import LocalError, MalformedCode, PeerError, VerificationError
from nearproof.daemon.backend.errors import (
    AccountUnknown,
    AuditBroken,
    CannotListen,
    DatabaseAway,
    DatabaseDamaged,
    DatabaseForeign,
    DatabaseRefused,
    DeviceUnknown,
    FileExposed,
    NoBackendHere,
    NoDatabaseHere,
    NotConforming,
    PolicyRefused,
    SchemaUnknown,
    SmsPortUnknown,
    WorkerDied,
)
from nearproof.daemon.console import InputNeeded
from nearproof.daemon.demo.errors import ActorFailed, AttackSucceeded
from nearproof.daemon.laptop import (
    AlreadyEnrolled,
    Declined,
    EnrolmentDone,
    EnrolmentEnded,
    NotEnrolled,
    NotJoined,
)
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose
from nearproof.daemon.views import UnknownView

_E, _W = Exit, Whose

LAPTOP: Rows = (
    Outcome(
        NotJoined,
        _E.USAGE,
        _W.YOURS,
        "This laptop has not joined a backend. Run `nearproof join LINE` with the line that "
        "`nearproof backend serve` printed.",
    ),
    Outcome(
        NotEnrolled,
        _E.USAGE,
        _W.YOURS,
        "This laptop has no activated authenticator. Run `nearproof new copy`, or "
        "`nearproof new activate` for an account's first laptop.",
    ),
    Outcome(
        AlreadyEnrolled,
        _E.USAGE,
        _W.YOURS,
        "This laptop already has an activated authenticator.",
    ),
    Outcome(
        EnrolmentDone,
        _E.USAGE,
        _W.YOURS,
        "The backend has made this laptop active already, so nothing was given up. Finish with "
        "`nearproof new copy` or `nearproof new activate`, whichever it was; then `nearproof "
        "devices revoke` takes it off the account.",
    ),
    Outcome(
        HomeBusy,
        _E.TRY_AGAIN,
        _W.YOURS,
        "Another nearproof works with this laptop's keys. Finish or stop that one first.",
    ),
    Outcome(
        Declined,
        _E.CANCELLED,
        _W.NOBODY,
        "Nothing is being copied.",
    ),
    Outcome(
        EnrolmentEnded,
        _E.CANCELLED,
        _W.NOBODY,
        "This laptop's enrolment is over ({detail}). Start again: on the old laptop, or with a new "
        "activation code.",
    ),
    Outcome(
        AuditBroken,
        _E.BACKEND,
        _W.BACKEND,
        "The audit chain does not hold from this account and entry on: {detail}. Somebody has "
        "changed the database.",
    ),
    Outcome(
        DatabaseRefused,
        _E.USAGE,
        _W.YOURS,
        "That database cannot be used: {detail}.",
    ),
    Outcome(
        DatabaseAway,
        _E.TRY_AGAIN,
        _W.BACKEND,
        "The database cannot be opened ({detail}). Nothing was changed.",
    ),
    Outcome(
        DatabaseDamaged,
        _E.DAMAGED,
        _W.BACKEND,
        "The database is damaged ({detail}). It was left as it is: restore it from a backup.",
    ),
    Outcome(
        NoBackendHere,
        _E.USAGE,
        _W.YOURS,
        "There is no backend in {detail}. Name its folder with --data, or start one there with "
        "`nearproof backend serve`.",
    ),
    Outcome(
        NoDatabaseHere,
        _E.USAGE,
        _W.YOURS,
        "There is no database in {detail}. Where the server has it at an address, name that with "
        "--database; where it was lost, restore it from a backup.",
    ),
    Outcome(
        CannotListen,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "Nobody can listen at {detail}. Stop what listens there, or choose another place with "
        "--listen.",
    ),
    Outcome(
        AccountUnknown,
        _E.USAGE,
        _W.YOURS,
        "There is no account “{detail}”. `nearproof backend invite` makes one.",
    ),
    Outcome(
        DeviceUnknown,
        _E.USAGE,
        _W.YOURS,
        "No laptop has the key id {detail}.",
    ),
    Outcome(
        PolicyRefused,
        _E.USAGE,
        _W.YOURS,
        "That policy cannot be used: {detail}. `nearproof backend policy` shows every limit.",
    ),
    Outcome(
        WorkerDied,
        _E.BACKEND,
        _W.BACKEND,
        "A worker of the server could not start. What it ran into stands above.",
    ),
    Outcome(
        NotConforming,
        _E.BACKEND,
        _W.BACKEND,
        "That backend does not do what the contract says: {detail} checks failed.",
    ),
    Outcome(
        SmsPortUnknown,
        _E.USAGE,
        _W.YOURS,
        "That is no way to send SMS: {detail}.",
    ),
    Outcome(
        InputNeeded,
        _E.USAGE,
        _W.YOURS,
        "Something has to be typed here ({detail}), and there is nobody to type it.",
    ),
    Outcome(
        FileExposed,
        _E.PERMISSION,
        _W.YOURS,
        "Nothing was done, because the file holds secrets: {detail}. If you trust what it holds, "
        "run chmod 600 on it.",
    ),
    Outcome(
        FileDamaged,
        _E.DAMAGED,
        _W.LAPTOP,
        "A file of this laptop cannot be read: {detail}. It was left as it is; restore it or "
        "move it away.",
    ),
    Outcome(
        UnknownView,
        _E.USAGE,
        _W.YOURS,
        "No such view: {detail}. Use terminal, window, png:FILE or svg:FILE.",
    ),
    Outcome(
        OSError,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "The system refused: {detail}.",
    ),
    Outcome(
        FileNotFoundError,
        _E.USAGE,
        _W.YOURS,
        "There is no such file: {detail}.",
    ),
    Outcome(
        PermissionError,
        _E.PERMISSION,
        _W.LAPTOP,
        "This user may not do that: {detail}.",
    ),
    Outcome(
        VerificationError,
        _E.PROOF_REFUSED,
        _W.PEER,
        "The proof does not hold: {detail}.",
    ),
    Outcome(MalformedCode, _E.USAGE, _W.YOURS, "The code is six digits."),
    Outcome(
        PeerError,
        _E.PEER,
        _W.PEER,
        "The other side sent something that does not hold.",
    ),
    Outcome(
        LocalError,
        _E.USAGE,
        _W.YOURS,
        "That cannot be done here: {detail}.",
    ),
    Outcome(
        SchemaUnknown,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "A later version of this program has made the backend's database (its schema is {detail}). "
        "It was left as it is: update nearproof, or run the version that made it.",
    ),
    Outcome(
        DatabaseForeign,
        _E.USAGE,
        _W.YOURS,
        "That database belongs to another program (it has tables named {detail}). It was left as "
        "it is: name an empty one.",
    ),
    Outcome(
        ActorFailed,
        _E.TRY_AGAIN,
        _W.LAPTOP,
        "The demo stopped: {detail}",
    ),
    Outcome(
        AttackSucceeded,
        _E.ATTACK_SUCCEEDED,
        _W.OURS,
        "The attack was NOT refused where it must be: {detail}. This is a security bug: please "
        "report it.",
    ),
    Outcome(KeyboardInterrupt, _E.CANCELLED, _W.NOBODY, "Stopped."),
    Outcome(
        BaseException,
        _E.BUG,
        _W.OURS,
        "Something went wrong inside nearproof ({detail}). This is a bug: please report it; "
        "run with -v for more.",
    ),
)
