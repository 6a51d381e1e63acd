"""Every error class and every reason has an exit code and a text."""

from __future__ import annotations

import builtins
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from enum import Enum

import pytest

import nearproof
from nearproof.ble.errors import BluetoothError, BluetoothReason
from nearproof.config.files import FileDamaged
from nearproof.crypto.errors import QrError, QrReason, RefusalCode, VerificationError
from nearproof.crypto.session.actions import Ended, EndReason
from nearproof.daemon.backend.wire import ServiceCode
from nearproof.daemon.control.errors import DaemonError, DaemonReason
from nearproof.daemon.desktop.errors import (
    FingerprintError,
    FingerprintReason,
    NotifierError,
    NotifierReason,
    ScreenExposed,
    ScreenReason,
)
from nearproof.daemon.join import JoinError, JoinReason
from nearproof.daemon.laptop import NotReady, Unready
from nearproof.daemon.locale import Language, filled
from nearproof.daemon.outcomes import TABLE, SessionEnded, explain, failure_of, key_of, report
from nearproof.daemon.outcomes.kinds import Exit
from nearproof.daemon.provider import ProviderError, ProviderReason
from nearproof.qr.errors import CameraError, CameraReason
from recording import Recorder

# Errors that never leave the module that raises them: their handlers turn them into others.
INSIDE = {
    "NotAsAgreed",  # becomes a failed check of the conformance suite
    "LeftOut",  # becomes one that was not tried
    "NotHttp",  # becomes ProviderError
    "SmsNotSent",  # tried again
    "HostFault",  # ends one host of the emulated air
    "BusLost",  # becomes NotifierError or FingerprintError
    "CallRefused",  # likewise
    "EndedElsewhere",  # told by its failure
    "Malformed",  # garbage on the socket: answered, or becomes DaemonError
    "Unread",  # a client of the daemon that is gone: nobody to tell
    "VarlinkError",  # the service's answer to a client
    "Stopped",  # told as what Ctrl-C is told as
    "Lost",  # the daemon hears nothing more, and says so in its log
    "ChildLost",  # becomes CameraError or costs a frame
    "Problem",  # the server's answer to a client
    "SignatureRefused",  # likewise
    "SignatureStale",
    "SignerUnknown",
    "PxpError",  # a base that nobody raises
    "SessionEnded",  # told by its EndReason
}


def error_classes() -> Iterator[type[Exception]]:
    for module in pkgutil.walk_packages(nearproof.__path__, "nearproof."):
        if module.name.endswith("__main__"):
            continue
        for _, member in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(member, Exception) and member.__module__.startswith("nearproof."):
                yield member


def test_every_error_class_is_explained() -> None:
    """No class of ours falls through to "this is a bug", but for those that stay inside."""
    with_reason = {
        BluetoothError,
        CameraError,
        ProviderError,
        JoinError,
        QrError,
        FingerprintError,
        NotifierError,
        ScreenExposed,
        NotReady,
        DaemonError,
    }
    missing = {
        error.__name__
        for error in error_classes()
        if error not in with_reason
        and error.__name__ not in INSIDE
        and not any(
            key_of(base) in TABLE
            for base in error.__mro__
            if base not in (Exception, BaseException, object)
        )
    }
    assert missing == set()


@pytest.mark.parametrize(
    "reasons",
    [
        EndReason,
        QrReason,
        BluetoothReason,
        CameraReason,
        JoinReason,
        ProviderReason,
        FingerprintReason,
        NotifierReason,
        ScreenReason,
        ServiceCode,
        Unready,
        DaemonReason,
    ],
)
def test_every_reason_is_explained(reasons: type[Enum]) -> None:
    """Each reason has its own row, so its own advice."""
    assert [reason for reason in reasons if key_of(reason) not in TABLE] == []


def test_no_text_wants_what_an_error_has_not() -> None:
    """Each can be filled in with what every error gives, in both languages."""
    languages: tuple[Language, ...] = ("en", "da")
    for outcome in TABLE.values():
        for language in languages:
            assert filled(outcome.text, language, detail="D", code="C", duration="1 s").strip()


def test_waits_are_told_in_words() -> None:
    """A PIN that is locked for three hours is not locked for 10800 seconds."""
    recorder = Recorder(language="da")
    report(recorder.console, ProviderError(ProviderReason.WAITING, seconds=10800))
    assert "3 timer tilbage" in recorder.err.getvalue()


@pytest.mark.parametrize(
    ("error", "name", "exit_code"),
    [
        (SessionEnded(Ended(EndReason.NOT_NEAR)), "not_near", Exit.NOT_NEAR),
        (SessionEnded(Ended(EndReason.WRONG_CODE)), "wrong_code", Exit.WRONG_CODE),
        (BluetoothError(BluetoothReason.BLOCKED), "blocked", Exit.BLUETOOTH),
        (JoinError(JoinReason.UNREACHABLE), "unreachable", Exit.BACKEND),
        (ProviderError(ProviderReason.WAITING, seconds=9), "waiting", Exit.WAITING),
        (
            ProviderError(ProviderReason.REFUSED, code=ServiceCode.DEVICE_REVOKED),
            "device_revoked",
            Exit.REVOKED,
        ),
        (
            ProviderError(ProviderReason.REFUSED, code="late", step=8),
            "late",
            Exit.PROOF_REFUSED,
        ),
        (
            ProviderError(ProviderReason.REFUSED, code="a code of a later backend"),
            "refused",
            Exit.BACKEND,
        ),
        (
            VerificationError(2, RefusalCode.GRANT_SIGNATURE),
            "VerificationError",
            Exit.PROOF_REFUSED,
        ),
        (QrError(QrReason.FOREIGN), "foreign", Exit.QR_UNUSABLE),
        (FileNotFoundError(2, "No such file", "x"), "NoSuchFile", Exit.USAGE),
        (ZeroDivisionError(), "Bug", Exit.BUG),
        (KeyboardInterrupt(), "Stopped", Exit.CANCELLED),
    ],
)
def test_errors_map_to_their_exit_code(error: BaseException, name: str, exit_code: Exit) -> None:
    """Two enums may share a word: each error still finds its own row."""
    key, outcome = explain(error)
    assert (key, outcome.exit) == (name, exit_code)


def test_no_reason_is_a_name_of_pythons() -> None:
    """Programs are told in the words of this project, whatever it is written in."""
    pythons = [of for of, _ in TABLE if of.__module__ == "builtins"]
    assert OSError in pythons
    assert {explain(each())[0] for each in pythons} & set(dir(builtins)) == set()


def test_report_tells_the_program_and_the_person() -> None:
    """JSON carries reason, exit code, whose it is, and the verifier's step and code."""
    recorder = Recorder(as_json=True)
    error = VerificationError(5, RefusalCode.TXN_MISMATCH, "txn differs")
    assert report(recorder.console, error) == Exit.PROOF_REFUSED
    (event,) = recorder.events()
    assert event["event"] == "failed"
    assert (event["exit"], event["verifier_step"], event["code"]) == (17, 5, "txn_mismatch")
    assert "txn differs" in event["text"]


def test_a_verifiers_refusal_is_told_in_danish_by_its_code() -> None:
    """What the core says of it beyond is English, and for those who read English."""
    error = VerificationError(5, RefusalCode.TXN_MISMATCH, "txn differs")
    assert failure_of(error).en == "The proof does not hold: step 5: txn_mismatch (txn differs)."
    assert failure_of(error).da == "Beviset holder ikke: trin 5: txn_mismatch."


def test_report_is_in_the_language_of_the_console() -> None:
    """A Danish console gets the Danish text."""
    recorder = Recorder(language="da")
    report(recorder.console, SessionEnded(Ended(EndReason.CANCELLED)))
    assert recorder.err.getvalue() == "nearproof: Annulleret. Intet er kopieret.\n"


def test_a_damaged_file_names_itself(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The user must know which file to look at."""
    recorder = Recorder()
    report(recorder.console, FileDamaged(tmp_path / "device.json", "not ours"))
    assert "device.json" in recorder.err.getvalue()
