"""The laptop's side of the backend: an HTTP client with one typed method an endpoint.

Contract: `backend/openapi.yaml`.  Answers are bounded in size and time and believed only as far
as they fit the question; a grant is verified under the joined issuer key before it is handed on.
Every request may be sent again: a POST carries an Idempotency-Key that its retries keep.

Each request has a connection of its own (`backend/client.py`), so nothing stays open while a
laptop waits.  The signature library is imported with the first signed request.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import urlencode

import msgspec

from nearproof.crypto.errors import VerificationError
from nearproof.crypto.grant import Grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.session.actions import EndReason
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.client import NotHttp, Reply, exchange
from nearproof.daemon.backend.wire import Ceremony, Device, Info, ReportReason
from nearproof.daemon.join import HANDSHAKE_CUT, Joined, client_context

T = TypeVar("T")

TIMEOUT: Final = 10.0  # seconds for one try: connection, request and whole answer
TRIES: Final = 3
PAUSE: Final = 0.25  # seconds before the second try, twice that before the third
MAX_ANSWER: Final = 64 * 1024  # bytes
MAX_DETAIL: Final = 200  # characters of a server's text that are shown


class ProviderReason(StrEnum):
    """Why the backend did not do what it was asked."""

    UNREACHABLE = "unreachable"  # no connection, or no whole answer in time
    WRONG_CERTIFICATE = "wrong_certificate"  # something else than the joined backend answers
    LYING = "lying"  # an answer that is malformed, too large, or does not fit the question
    UNAVAILABLE = "unavailable"  # it answers that it cannot work now
    WAITING = "waiting"  # ask again in `seconds`
    REFUSED = "refused"  # it says no: `code`, and `step` if it is the verifier that refuses


class ProviderError(Exception):
    """The backend could not be reached, could not be believed, or said no.

    `code` is a `wire.ServiceCode` or a `RefusalCode` (as text: a later backend may know more).
    """

    def __init__(
        self,
        reason: ProviderReason,
        detail: str = "",
        *,
        code: str = "",
        step: int | None = None,
        seconds: int = 0,
    ) -> None:
        self.reason = reason
        self.detail = detail
        self.code = code
        self.step = step
        self.seconds = seconds
        super().__init__(": ".join(part for part in (str(reason), code, detail) if part))


@dataclass(frozen=True, slots=True)
class _Question:
    """One request; `idempotency` is empty for a GET."""

    method: str
    target: str
    body: bytes = b""
    media: str = wire.JSON
    idempotency: str = ""
    signed: bool = True


_INFO: Final = _Question("GET", "/v1/info", signed=False)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    media: str
    body: bytes


class Provider:
    """One laptop's connection to the backend it has joined.

    An async context manager, for the span in which a laptop talks to it.  Every method may
    raise `ProviderError`; none of them leaves anything half done at the backend.
    """

    def __init__(self, joined: Joined, device_key: DeviceKey, *, timeout: float = TIMEOUT) -> None:
        self._joined = joined
        self._key = device_key
        self._timeout = timeout
        self._context = client_context(joined)
        self._ahead: int | None = None  # the server's clock minus this laptop's boot-time clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is open between requests, and so nothing is to be closed."""

    async def info(self) -> Info:
        """The backend's version, issuer and time."""
        return self._learn(await self._ask(_INFO))

    def _learn(self, answer: _Answer) -> Info:
        """Believe the info if it is the joined backend's, and set the clock by it."""
        info = _decoded(answer, Info)
        if (info.service, info.api) != (wire.SERVICE, wire.API_VERSION):
            raise _lying(f"it is {info.service!r}, version {info.api}")
        if info.issuer != self._joined.issuer:
            raise _lying("its issuer key is not the joined one")
        self._ahead = info.now - _boottime()
        return info

    # -- what can be asked, in the order of a copy ---------------------------------------

    async def activate(self, code: str, label: str) -> Device:
        """Enrol this laptop as the first of the account that `code` was made for."""
        claim = wire.Activation(code, self._key.public, label)
        return await self._own_device(_post("/v1/activations", msgspec.json.encode(claim)))

    async def device(self) -> Device:
        """How the account sees this laptop, with the newest alerts."""
        return await self._own_device(_Question("GET", "/v1/device"))

    async def start_copy(self) -> Ceremony:
        """Start a copy, or go on with the one that this laptop has started."""
        return await self._json(_post("/v1/ceremonies"), Ceremony)

    async def ceremony(self, ceremony: str) -> Ceremony:
        """Where the copy of this id stands."""
        return await self._ceremony(_Question("GET", f"/v1/ceremonies/{ceremony}"), ceremony)

    async def cancel(self, ceremony: str) -> Ceremony:
        """Cancel the copy; one that is over stays as it is."""
        return await self._ceremony(_post(f"/v1/ceremonies/{ceremony}/cancel"), ceremony)

    async def grant(self, ceremony: str) -> Grant:
        """A new grant for one QR, verified; it voids the one before.

        Raises `ProviderError` with WAITING and `seconds` while the wait is not over.
        """
        answer = await self._ask(_post(f"/v1/ceremonies/{ceremony}/grants"))
        if answer.status != 201 or answer.media != wire.essence(wire.GRANT):
            raise _lying("not a grant")
        try:
            grant = verify_grant(answer.body, self._joined.issuer)
        except VerificationError as error:
            raise _lying(f"a grant that does not hold: {error}") from None
        if grant.cnf != self._key.public:
            raise _lying("a grant for another laptop")
        return grant

    async def report(self, ceremony: str, cti: bytes, reason: ReportReason | EndReason) -> None:
        """Tell the account how the QR of this grant ended; a wrong code alerts every laptop."""
        body = msgspec.json.encode(wire.Report(cti.hex(), ReportReason(reason)))
        answer = await self._ask(_post(f"/v1/ceremonies/{ceremony}/reports", body))
        if answer.status != 204:
            raise _lying("not the answer to a report")

    async def redeem(self, bundle: bytes, account: str, label: str) -> Device:
        """Hand the proof in: enrol this new laptop in the account that the user has named.

        The Idempotency-Key follows from the content, so that a laptop that lost the answer, or
        its own memory, asks the same question again and costs no second try.
        """
        query = urlencode({"account": account, "label": label})
        digest = hashlib.sha256(b"\0".join((query.encode(), bundle))).hexdigest()
        question = _Question(
            "POST", f"/v1/redemptions?{query}", bundle, wire.BUNDLE, f"redeem-{digest[:32]}"
        )
        return await self._own_device(question)

    # -- how it is asked ------------------------------------------------------------------

    async def _own_device(self, question: _Question) -> Device:
        device = await self._json(question, Device)
        if device.kid != self._key.kid.hex():
            raise _lying("the answer is about another laptop")
        if not device.account.isprintable():  # it is shown on a terminal
            raise _lying("the account's name cannot be shown")
        return device

    async def _ceremony(self, question: _Question, ceremony: str) -> Ceremony:
        answer = await self._json(question, Ceremony)
        if answer.id != ceremony:
            raise _lying("the answer is about another copy")
        return answer

    async def _json(self, question: _Question, shape: type[T]) -> T:
        return _decoded(await self._ask(question), shape)

    async def _ask(self, question: _Question) -> _Answer:
        """Send until an answer comes, at most `TRIES` times; raises `ProviderError`."""
        for left in reversed(range(TRIES)):
            try:
                return await self._try(question)
            except ProviderError as error:
                if error.code == wire.ServiceCode.SIGNATURE_TIME:
                    self._ahead = None  # the clocks drifted apart: ask for the time again
                elif error.reason not in (
                    ProviderReason.UNREACHABLE,
                    ProviderReason.UNAVAILABLE,
                ):
                    raise
                if not left:
                    raise
            await asyncio.sleep(PAUSE * (TRIES - left))
        raise AssertionError  # the last try returns or raises

    async def _try(self, question: _Question) -> _Answer:
        headers = await self._headers(question)
        url = self._joined.url + question.target
        try:
            async with asyncio.timeout(self._timeout):
                reply = await exchange(
                    url, self._context, question.method, headers, question.body, MAX_ANSWER
                )
        except TimeoutError:
            raise _failure(ProviderReason.UNREACHABLE, "no whole answer in time") from None
        except NotHttp as error:
            raise _lying(str(error)) from None
        except (OSError, UnicodeError) as error:
            raise _connection_failure(error) from None
        return _judged(reply)

    async def _headers(self, question: _Question) -> dict[str, str]:
        from nearproof.daemon.backend.signatures import IDEMPOTENCY_KEY, sign

        headers: dict[str, str] = {}
        if question.method != "GET":
            headers["Content-Type"] = question.media
            headers[IDEMPOTENCY_KEY] = question.idempotency
        if not question.signed:
            return headers
        if self._ahead is None:
            self._learn(await self._try(_INFO))
        created = _boottime() + (self._ahead or 0)
        url = self._joined.url + question.target
        return sign(self._key, question.method, url, headers, question.body, created)


def _post(target: str, body: bytes = b"{}") -> _Question:
    return _Question("POST", target, body, idempotency=secrets.token_hex(16))


def _judged(reply: Reply) -> _Answer:
    """The answer, if it is one that a request of ours can have; raises `ProviderError`."""
    if "content-encoding" in reply.headers:
        raise _lying("an encoded answer, which nobody asked for")
    if 300 <= reply.status < 400:
        raise _lying("a redirect")
    media = wire.essence(reply.headers.get("content-type", ""))
    answer = _Answer(reply.status, media, reply.body)
    if reply.status >= 400:
        raise _problem(answer)
    return answer


def _problem(answer: _Answer) -> ProviderError:
    """What a refusal says (RFC 9457), or LYING if it is none."""
    if answer.media != wire.PROBLEM:
        if answer.status >= 500:
            return _failure(ProviderReason.UNAVAILABLE, f"status {answer.status}")
        return _lying(f"status {answer.status} without a problem")
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
    )


def _connection_failure(error: Exception) -> ProviderError:
    # A server that goes away in mid-handshake has shown no wrong certificate.
    if isinstance(error, ssl.SSLError) and not isinstance(error, HANDSHAKE_CUT):
        return _failure(ProviderReason.WRONG_CERTIFICATE, "not the backend that was joined")
    return _failure(ProviderReason.UNREACHABLE, str(error) or type(error).__name__)


def _decoded(answer: _Answer, shape: type[T]) -> T:
    if answer.status not in (200, 201) or answer.media != wire.JSON:
        raise _lying(f"status {answer.status}, {answer.media or 'no media type'}")
    return _decode(answer.body, shape)


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _lying(f"not a {shape.__name__}: {error}") from None


def _failure(reason: ProviderReason, detail: str) -> ProviderError:
    return ProviderError(reason, _printable(detail))


def _lying(detail: str) -> ProviderError:
    return _failure(ProviderReason.LYING, detail)


def _printable(text: str) -> str:
    """Text from outside as a terminal may show it: no control characters, not endless."""
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_DETAIL])


def _boottime() -> int:
    """Seconds that go on while the laptop sleeps; its wall clock may be hours off."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))
