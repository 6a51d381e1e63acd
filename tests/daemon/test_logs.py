"""Secrets do not reach the logs: canaries in every place where one could slip in."""

from __future__ import annotations

import pytest

from nearproof.config.home import Device, Enrolment
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import QrPayload
from nearproof.crypto.session import actions as do
from nearproof.daemon.logs import log

CANARY = b"canary-in-a-coal-mine-0123456789"
FORMS = (CANARY.decode(), CANARY.hex(), repr(CANARY), CANARY.hex().upper())


@pytest.mark.parametrize(
    "fields",
    [
        {"message": CANARY},
        {"seed": CANARY.decode()},
        {"check_code": CANARY.decode()},
        {"eid": CANARY.hex()},
        {"nested": {"deep": [CANARY], "psk": CANARY.hex()}},
        {"key": DeviceKey.from_seed(CANARY)},
        {"thing": DeviceKey.from_seed(CANARY)},
        {"qr": QrPayload(CANARY[:16], bytes(32), bytes(16), 0)},
        {"device": Device(CANARY, "anna", "x", CANARY, CANARY[:16])},
        {"enrolment": Enrolment(CANARY, "x", CANARY, CANARY, CANARY[:16])},
        {"event_": do.CodeShown("canary-in-a-coal-mine-0123456789")},
        {"event_": do.Advertise(CANARY)},
        {"event_": do.SendMessage("link", "m1", CANARY)},
        {"event_": do.ProofReceived(CANARY)},
    ],
)
def test_a_canary_is_not_logged(
    fields: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """By its type, its name or its own repr, each is redacted, at every level."""
    log.configure(verbose=True)
    log.info("something happened", **fields)
    printed = capsys.readouterr().err
    assert "something happened" in printed
    for form in (*FORMS, CANARY[:16].decode(), CANARY[:16].hex()):
        assert form not in printed


def test_a_traceback_shows_no_locals(capsys: pytest.CaptureFixture[str]) -> None:
    """A crash prints code lines, never the values of variables."""
    log.configure(verbose=True)
    try:
        hidden = CANARY.decode()
        raise ValueError(len(hidden))
    except ValueError as error:
        log.error("bug", exc_info=error)
    assert CANARY.decode() not in capsys.readouterr().err


def test_a_traceback_on_a_terminal_shows_no_locals_either(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where rich is installed, which would print them."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    log.configure(verbose=True)
    try:
        hidden = CANARY.decode()
        raise ValueError(len(hidden))
    except ValueError as error:
        log.error("bug", exc_info=error)
    printed = capsys.readouterr().err
    assert "ValueError" in printed and CANARY.decode() not in printed


def test_logs_are_json_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, for whoever collects them."""
    import json

    log.configure()
    log.warning("hello", link="link-1")
    record = json.loads(capsys.readouterr().err)
    assert (record["event"], record["level"], record["link"]) == ("hello", "warning", "link-1")
