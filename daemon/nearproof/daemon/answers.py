"""What a backend has answered: how far it is believed, and what its refusals say."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from nearproof.daemon.backend import wire
from nearproof.daemon.backend.client import Reply
from nearproof.daemon.join import HANDSHAKE_CUT

T = TypeVar("T")

MAX_DETAIL: Final = 200  # characters of a server's text that are shown
MAX_NUMBER: Final = 2**53  # what JSON carries everywhere


class ProviderReason(StrEnum):
    """Why the backend did not do what it was asked."""

    UNREACHABLE = "unreachable"  # no connection, or no whole answer in time
    WRONG_CERTIFICATE = "wrong_certificate"  # something else than the joined backend answers
    OTHER_VERSION = "other_version"  # it is a nearproof backend, and speaks another version
    LYING = "lying"  # an answer that is malformed, too large, or does not fit the question
    UNAVAILABLE = "unavailable"  # it answers that it cannot work now
    WAITING = "waiting"  # ask again in `seconds`
    REFUSED = "refused"  # it says no: `code`, and `step` if it is the verifier that refuses


class ProviderError(Exception):
    """The backend could not be reached, could not be believed, or said no.

    `code` is a `wire.ServiceCode` or a `RefusalCode` (as text: a later backend may know more).
    `tries_left` after a wrong PIN or SMS code; `devices` are the laptops that hold every slot.
    """

    def __init__(
        self,
        reason: ProviderReason,
        detail: str = "",
        *,
        code: str = "",
        step: int | None = None,
        seconds: int = 0,
        tries_left: int | None = None,
        devices: tuple[wire.Listed, ...] = (),
    ) -> None:
        self.reason = reason
        self.detail = detail
        self.code = code
        self.step = step
        self.seconds = seconds
        self.tries_left = tries_left
        self.devices = devices
        super().__init__(": ".join(part for part in (str(reason), code, detail) if part))

    @property
    def passing(self) -> bool:
        """Whether the backend is but away: who has to wait anyway may ask again."""
        return self.reason in (ProviderReason.UNREACHABLE, ProviderReason.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    media: str
    body: bytes


def judged(reply: Reply) -> Answer:
    """The answer, if it is one that a request of ours can have; raises `ProviderError`."""
    if "content-encoding" in reply.headers:
        raise lying("an encoded answer, which nobody asked for")
    if 300 <= reply.status < 400:
        raise lying("a redirect")
    media = wire.essence(reply.headers.get("content-type", ""))
    answer = Answer(reply.status, media, reply.body)
    if reply.status >= 400:
        raise _problem(answer)
    return answer


def _problem(answer: Answer) -> ProviderError:
    """What a refusal says (RFC 9457), or LYING if it is none."""
    if answer.media != wire.PROBLEM:
        if answer.status >= 500:
            return failure(ProviderReason.UNAVAILABLE, f"status: {answer.status}")
        return lying(f"a refusal without a reason: {answer.status}")
    problem = _decode(answer.body, wire.ProblemDetails)
    if problem.code == wire.ServiceCode.WAITING:
        reason = ProviderReason.WAITING
    else:
        reason = ProviderReason.REFUSED if answer.status < 500 else ProviderReason.UNAVAILABLE
    return ProviderError(
        reason,
        _printable(problem.detail),
        code=_printable(problem.code),
        step=problem.step,
        seconds=max(0, problem.seconds or 0),
        tries_left=problem.tries_left,
        devices=tuple(
            msgspec.structs.replace(each, label=_printable(each.label)) for each in problem.devices
        ),
    )


def connection_failure(error: Exception) -> ProviderError:
    """What a connection that failed says of the server."""
    # A server that goes away in mid-handshake has shown no wrong certificate.
    if isinstance(error, ssl.SSLError) and not isinstance(error, HANDSHAKE_CUT):
        return failure(ProviderReason.WRONG_CERTIFICATE, "not the backend that was joined")
    return failure(ProviderReason.UNREACHABLE, str(error) or type(error).__name__)


def decoded(answer: Answer, shape: type[T]) -> T:
    """Its JSON, strictly; raises `ProviderError` (LYING).

    Whatever text is in it may be shown as it is: printable, and not endless.
    """
    if answer.status not in (200, 201) or answer.media != wire.JSON:
        raise lying(f"another kind of answer: {answer.status} {answer.media}")
    content = _decode(answer.body, shape)
    _check_shown(content, shape.__name__)
    return content


def _check_shown(value: Any, name: str) -> None:
    match value:
        case str() if not value.isprintable() or len(value) > MAX_DETAIL:
            raise lying(f"{name}: cannot be shown")
        case int() if abs(value) > MAX_NUMBER:
            raise lying(f"{name}: out of bounds")
        case tuple():
            for each in value:
                _check_shown(each, name)
        case msgspec.Struct():
            for field in value.__struct_fields__:
                _check_shown(getattr(value, field), f"{name}.{field}")
        case _:
            pass


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise lying(f"not what it should be: {shape.__name__}: {error}") from None


def failure(reason: ProviderReason, detail: str) -> ProviderError:
    """An error with a detail that a terminal may show."""
    return ProviderError(reason, _printable(detail))


def lying(detail: str) -> ProviderError:
    """It cannot be believed."""
    return failure(ProviderReason.LYING, detail)


def _printable(text: str) -> str:
    """Text from outside as a terminal may show it: no control characters, not endless."""
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_DETAIL])
