"""How a command ends: every error to its exit code, its event and its text.

This is the one place where errors meet people.  The texts say which step, why, and what to do;
`whose` tells the user's own mistake, the other laptop's, the backend's and ours apart.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from nearproof.config.files import FileDamaged
from nearproof.crypto.errors import RefusalCode, VerificationError
from nearproof.crypto.session.actions import Ended
from nearproof.daemon.backend.facts import Problem
from nearproof.daemon.backend.wire import Listed, ServiceCode
from nearproof.daemon.console import Front
from nearproof.daemon.locale import Language, filled, marked
from nearproof.daemon.logs import log
from nearproof.daemon.outcomes import (
    control,
    desktop,
    local,
    pictures,
    radios,
    service,
    sessions,
    unfit,
)
from nearproof.daemon.outcomes.kinds import Exit, Failure, Outcome
from nearproof.daemon.provider import ProviderError, ProviderReason
from nearproof.daemon.texts import duration

Key = tuple[type, object]

_VERIFIER: Final = marked("step {step}: {code}")


def key_of(reason: Enum | type[BaseException]) -> Key:
    """A key by type and value: members of two `StrEnum`s with one text are equal otherwise."""
    return (type(reason), reason.value) if isinstance(reason, Enum) else (reason, None)


TABLE: dict[Key, Outcome] = {
    key_of(outcome.of): outcome
    for rows in (
        sessions.SESSION,
        pictures.QR,
        radios.BLUETOOTH,
        service.BACKEND,
        desktop.DESKTOP,
        control.CONTROL,
        local.LAPTOP,
        unfit.UNFIT,
    )
    for outcome in rows
}


class SessionEnded(Exception):
    """A session that ended without the proof in NEW's hands; `reason` is an `EndReason`."""

    def __init__(self, end: Ended) -> None:
        self.reason = end.reason
        self.detail = end.detail
        super().__init__(f"{end.reason}: {end.detail}" if end.detail else str(end.reason))


_NAMES: dict[Enum | type[BaseException], str] = {
    KeyboardInterrupt: "Stopped",
    FileNotFoundError: "NoSuchFile",
    PermissionError: "NotPermitted",
    OSError: "SystemRefused",
    BaseException: "Bug",
}
"""What programs are told where the class is Python's: its name is nobody's vocabulary."""


def run_to_outcome(story: Callable[[], Awaitable[None]]) -> BaseException | None:
    """Run `story` in an event loop of its own: None if it ended well, else what it raised.

    SIGINT, SIGTERM and SIGHUP cancel it, so that radios and files are put back first.  A crash
    leaves no core: seeds would be in it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    async def whole() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - inside asyncio.run there is one
        for number in (signal.SIGTERM, signal.SIGHUP):  # the latter: the terminal was closed
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await story()

    try:
        asyncio.run(whole())
    except asyncio.CancelledError:
        return KeyboardInterrupt()
    except BaseException as error:
        return error
    return None


class EndedElsewhere(Exception):
    """What was asked of the laptop's service has failed there; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.reason)


def report(console: Front, error: BaseException | None) -> int:
    """Tell how the command ended; returns its exit code."""
    if error is None:
        return Exit.DONE
    failure = error.failure if isinstance(error, EndedElsewhere) else failure_of(error)
    if failure.verifier_step is None:
        refusal: dict[str, int | str | None] = {}
    else:
        refusal = {"verifier_step": failure.verifier_step, "code": failure.code}
    try:
        tell_slots(console, error)
        console.failed(
            failure.en if console.language == "en" else failure.da,
            event="failed",
            reason=failure.reason,
            exit=failure.exit,
            whose=failure.whose,
            **refusal,
        )
    except OSError:  # nobody listens any more; Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return failure.exit


def failure_of(error: BaseException) -> Failure:
    """The error as people are told of it; a bug of ours is logged."""
    key, outcome = explain(error)
    if outcome.exit is Exit.BUG:
        log.error("bug", exc_info=error)
    else:
        log.info("failed", problem=str(error))
    en, da = sentence(error, "en"), sentence(error, "da")
    return Failure(key, int(outcome.exit), str(outcome.whose), en, da, *_refusal(error))


def sentence(error: BaseException, language: Language) -> str:
    """What a person is told of this error."""
    _, outcome = explain(error)
    return filled(
        outcome.text,
        language,
        detail=_told(error, language),
        code=getattr(error, "code", ""),
        duration=duration(getattr(error, "seconds", None) or 0, language),
    )


def tell_slots(front: Front, error: BaseException) -> None:
    """Which laptops hold every slot of the account, if that is what is wrong."""
    for each in getattr(error, "devices", ()):
        front.tell("slot_taken", "b", label=each.label, kid=each.kid, since=_day(each))


def _day(listed: Listed) -> str:
    return f"{datetime.fromtimestamp(listed.enrolled_at, UTC):%Y-%m-%d}"


def explain(error: BaseException) -> tuple[str, Outcome]:
    """The name of what went wrong, and its outcome: by reason if it has one, else by class."""
    for key in _keys(error):
        if outcome := TABLE.get(key_of(key)):
            return _NAMES.get(key, str(key) if isinstance(key, Enum) else key.__name__), outcome
    raise AssertionError  # BaseException is in the table


def _keys(error: BaseException) -> list[Enum | type[BaseException]]:
    keys: list[Enum | type[BaseException]] = []
    match error:
        case VerificationError():
            keys.append(error.code)
        case ProviderError(reason=ProviderReason.REFUSED) if error.step is not None:
            # The backend's verifier refused: told as the verifier's own refusal.
            keys += [RefusalCode(error.code)] if error.code in set(RefusalCode) else []
            keys.append(VerificationError)
        case ProviderError(reason=ProviderReason.REFUSED) if error.code in set(ServiceCode):
            keys.append(ServiceCode(error.code))
        case Problem():  # at the operator's console there is no client between
            keys.append(error.code)
        case _:
            pass
    reason = getattr(error, "reason", None)
    if isinstance(reason, Enum):
        keys.append(reason)
    return [*keys, *type(error).__mro__]


def _refusal(error: BaseException) -> tuple[int, str] | tuple[()]:
    """The verifier's step and code, for programs."""
    if isinstance(error, VerificationError) or (
        isinstance(error, ProviderError) and error.step is not None
    ):
        return error.step or 0, str(error.code)
    return ()


def _told(error: BaseException, language: Language) -> str:
    """What the error says of itself; some say sentences of ours with fields."""
    detail = _detail(error, language)
    if fields := getattr(error, "fields", None):
        detail = filled(detail, language, **fields)
    return f"{error.path}: {detail}" if isinstance(error, FileDamaged) else detail


def _detail(error: BaseException, language: Language) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        return str(error.filename)
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
    if isinstance(error, VerificationError) or (
        isinstance(error, ProviderError) and error.step is not None
    ):
        # What stands behind the code is the core's, in English; the code is in SPEC, section 9.
        core = f" ({error.detail})" if error.detail and language == "en" else ""
        return filled(_VERIFIER, language, step=error.step, code=error.code) + core
    if isinstance(error, FileDamaged):
        return error.why
    return str(getattr(error, "detail", "") or error or type(error).__name__)
