"""The laptop's side of the backend: an HTTP client with one typed method an endpoint.

Contract: `backend/openapi.yaml`.  Answers are bounded in size and time and believed only as far
as they fit the question; a grant is verified under the joined issuer key before it is handed on.
Every request may be sent again: a POST carries an Idempotency-Key that its retries keep.

Nothing stays open while a laptop waits (`backend/client.py`).  The signature library is imported
with the first signed request.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import urlencode

import msgspec

from nearproof.crypto.errors import VerificationError
from nearproof.crypto.grant import Grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.session.actions import EndReason
from nearproof.crypto.userkey import CHALLENGE_SIZE, PinContext, UserKey, make_pin_proof
from nearproof.daemon.answers import (
    Answer,
    connection_failure,
    decoded,
    failure,
    judged,
    lying,
)
from nearproof.daemon.answers import ProviderError as ProviderError
from nearproof.daemon.answers import ProviderReason as ProviderReason
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.client import Client, NotHttp
from nearproof.daemon.backend.wire import (
    Ceremony,
    Device,
    Enrolment,
    Info,
    PinAction,
    ReportReason,
    Verification,
)
from nearproof.daemon.join import Joined, client_context

T = TypeVar("T")

TIMEOUT: Final = 10.0  # seconds for one try: connection, request and whole answer
TRIES: Final = 3
PAUSE: Final = 0.25  # seconds before the second try, twice that before the third
PROOFS: Final = 3  # challenges asked for before a PIN proof is given up
MAX_ANSWER: Final = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class _Question:
    """One request; `idempotency` is empty for a GET."""

    method: str
    target: str
    body: bytes = field(default=b"", repr=False)
    media: str = wire.JSON
    idempotency: str = ""
    signed: bool = True
    patience: int = 0  # seconds that the backend may take on top


_INFO: Final = _Question("GET", "/v1/info", signed=False)


class Provider:
    """One laptop's connection to the backend it has joined.

    An async context manager, for the span in which a laptop talks to it.  Every method may
    raise `ProviderError`; none of them leaves anything half done at the backend.
    """

    def __init__(self, joined: Joined, device_key: DeviceKey, *, timeout: float = TIMEOUT) -> None:
        self._joined = joined
        self._key = device_key
        self._timeout = timeout
        self._client = Client(joined.url, client_context(joined))
        self._ahead: int | None = None  # the server's clock minus this laptop's boot-time clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if one is open; the next question opens another one."""
        self._client.close()

    async def info(self) -> Info:
        """The backend's version, issuer and time."""
        return self._learn(await self._ask(_INFO))

    def _learn(self, answer: Answer) -> Info:
        """Believe the info if it is the joined backend's, and set the clock by it."""
        info = decoded(answer, Info)
        if info.service != wire.SERVICE:
            raise lying(f"it is another service: {info.service}")
        if info.api != wire.API_VERSION:
            detail = f"{info.api} / {wire.API_VERSION}"  # its own, ours
            raise failure(ProviderReason.OTHER_VERSION, detail)
        if info.issuer != self._joined.issuer:
            raise lying("its issuer key is not the joined one")
        self._ahead = info.now - _boottime()
        return info

    def seconds_until(self, at: int) -> int:
        """Seconds from now to a time of the backend's answers; 0 if it is over or unknown."""
        return max(0, at - _boottime() - self._ahead) if self._ahead is not None and at else 0

    # -- this laptop and its account ---------------------------------------------------------

    async def health(self) -> wire.Health:
        """Whether the backend's database answers."""
        return await self._json(_Question("GET", "/v1/health", signed=False), wire.Health)

    async def policy(self) -> wire.Policy:
        """The backend's limits."""
        return await self._json(_Question("GET", "/v1/policy", signed=False), wire.Policy)

    async def device(self) -> Device:
        """How the account sees this laptop."""
        return await self._own_device(_Question("GET", "/v1/device"))

    async def devices(self) -> tuple[wire.Listed, ...]:
        """The account's active laptops, oldest first."""
        return (await self._json(_Question("GET", "/v1/devices"), wire.Devices)).devices

    async def revoke(self, kid: str) -> Device:
        """Revoke a laptop of the account (its kid in hex), at once."""
        device = await self._json(_post(f"/v1/devices/{kid}/revoke"), Device)
        if device.kid != kid:
            raise lying("the answer is about another laptop")
        return device

    async def events(self, after: int, wait: int = 0) -> wire.Events:
        """What has happened since the cursor; waits up to `wait` seconds (25) for the first.

        Begin with cursor 0, and go on with the one in each answer.
        """
        query = urlencode({"after": after, "wait": wait})
        found = await self._json(
            _Question("GET", f"/v1/events?{query}", patience=wait), wire.Events
        )
        if found.cursor < after or any(event.id <= after for event in found.events):
            raise lying("events that were asked for before")
        return found

    async def change_pin(self, old: UserKey, new: UserKey) -> Device:
        """Swap the user key; nothing on this laptop changes with it."""

        def change(context: PinContext) -> Awaitable[Device]:
            body = wire.PinChange(
                make_pin_proof(old, context),
                new.public,
                make_pin_proof(new, replace(context, action=PinAction.SET)),
            )
            return self._own_device(_post("/v1/device/pin", body))

        return await self._proving(change, PinAction.CHANGE)

    # -- OLD ------------------------------------------------------------------------------------

    async def start_copy(self, pin: UserKey | None) -> Ceremony:
        """Start a copy that the person wants, or go on with the one that this laptop has started.

        `pin` is the user key of the PIN just typed; None states a fingerprint instead.
        """

        def start(uv: Verification, proof: bytes = b"") -> Awaitable[Ceremony]:
            body = wire.Start(consent=True, uv=uv, proof=proof)
            return self._json(_post("/v1/ceremonies", body), Ceremony)

        if pin is None:
            return await start(Verification.FINGERPRINT)
        return await self._proving(
            lambda context: start(Verification.PIN, make_pin_proof(pin, context)), PinAction.COPY
        )

    async def ceremony(self, ceremony: str) -> Ceremony:
        """Where the copy of this id stands."""
        return await self._ceremony(_Question("GET", f"/v1/ceremonies/{ceremony}"), ceremony)

    async def cancel(self, ceremony: str) -> Ceremony:
        """Cancel the copy; one that is over stays as it is."""
        return await self._ceremony(_post(f"/v1/ceremonies/{ceremony}/cancel"), ceremony)

    async def grant(self, ceremony: str, pin: UserKey | None = None) -> Grant:
        """A new grant for one QR, verified; it voids the one before.

        `pin` is the user key of the PIN just typed; needed but within half an hour of the last.
        Raises `ProviderError` with WAITING and `seconds` while the wait is not over.
        """

        def ask(proof: bytes = b"") -> Awaitable[Answer]:
            return self._ask(_post(f"/v1/ceremonies/{ceremony}/grants", wire.GrantRequest(proof)))

        if pin is None:
            answer = await ask()
        else:
            answer = await self._proving(
                lambda context: ask(make_pin_proof(pin, context)), PinAction.GRANT, ceremony
            )
        if answer.status != 201 or answer.media != wire.essence(wire.GRANT):
            raise lying("not a grant")
        try:
            grant = verify_grant(answer.body, self._joined.issuer)
        except VerificationError as error:
            raise lying(f"a grant that does not hold: {error.code}") from None
        if grant.cnf != self._key.public:
            raise lying("a grant for another laptop")
        return grant

    async def report(self, ceremony: str, cti: bytes, reason: ReportReason | EndReason) -> None:
        """Tell the account how the QR of this grant ended; a wrong code alerts every laptop."""
        body = wire.Report(cti.hex(), ReportReason(reason))
        answer = await self._ask(_post(f"/v1/ceremonies/{ceremony}/reports", body))
        if answer.status != 204:
            raise lying("not the answer to a report")

    # -- NEW ------------------------------------------------------------------------------------

    async def activate(self, code: str, label: str) -> Enrolment:
        """Begin to enrol this laptop by an activation code; asked again it is the same one."""
        body = wire.Activation(code, self._key.public, label)
        question = _post("/v1/activations", body)
        digest = hashlib.sha256(question.body).hexdigest()
        return await self._json(replace(question, idempotency=f"activate-{digest[:32]}"), Enrolment)

    async def redeem(self, bundle: bytes, label: str) -> Enrolment:
        """Hand the proof in: this laptop is being enrolled from then on.

        The Idempotency-Key follows from the content, so that a laptop that lost the answer, or
        its own memory, asks the same question again.
        """
        query = urlencode({"label": label})
        digest = hashlib.sha256(b"\0".join((query.encode(), bundle))).hexdigest()
        question = _Question(
            "POST", f"/v1/redemptions?{query}", bundle, wire.BUNDLE, f"redeem-{digest[:32]}"
        )
        return await self._json(question, Enrolment)

    async def enrolment(self, enrolment: str) -> Enrolment:
        """Where the enrolment of this laptop stands."""
        return await self._enrolment(_Question("GET", f"/v1/enrolments/{enrolment}"), enrolment)

    async def name(self, enrolment: str, account: str) -> Enrolment:
        """Name the user ID; whether it was right shows by the SMS alone."""
        question = _post(f"/v1/enrolments/{enrolment}/name", wire.Name(account))
        return await self._enrolment(question, enrolment)

    async def send_code(self, enrolment: str) -> Enrolment:
        """Have the SMS code sent (an invite's first one), or sent again."""
        return await self._enrolment(_post(f"/v1/enrolments/{enrolment}/codes"), enrolment)

    async def check_code(self, enrolment: str, code: str) -> Enrolment:
        """Hand in the typed SMS code."""
        question = _post(f"/v1/enrolments/{enrolment}/code", wire.SmsCode(code))
        return await self._enrolment(question, enrolment)

    async def finish(self, enrolment: str, pin: UserKey) -> Enrolment:
        """Set the PIN: its key's public half goes to the backend alone; this laptop is active."""

        def ask(context: PinContext) -> Awaitable[Enrolment]:
            body = wire.NewPin(pin.public, make_pin_proof(pin, context))
            return self._enrolment(_post(f"/v1/enrolments/{enrolment}/pin", body), enrolment)

        done = await self._proving(ask, PinAction.SET, enrolment)
        if done.state is not wire.CeremonyState.DONE or not done.account:
            raise lying("an enrolment that is not done")
        return done

    # -- how it is asked ------------------------------------------------------------------

    async def _own_device(self, question: _Question) -> Device:
        device = await self._json(question, Device)
        if device.kid != self._key.kid.hex():
            raise lying("the answer is about another laptop")
        return device

    async def _ceremony(self, question: _Question, ceremony: str) -> Ceremony:
        answer = await self._json(question, Ceremony)
        if answer.id != ceremony:
            raise lying("the answer is about another copy")
        return answer

    async def _enrolment(self, question: _Question, enrolment: str) -> Enrolment:
        answer = await self._json(question, Enrolment)
        if answer.id != enrolment:
            raise lying("the answer is about another enrolment")
        return answer

    async def _proving(
        self, ask: Callable[[PinContext], Awaitable[T]], action: PinAction, ceremony: str = ""
    ) -> T:
        """What comes of asking with PIN proofs over a fresh challenge.

        A void challenge has cost no PIN try, and a late duplicate of the request for it is
        enough to void it: the proof is made again over another one.
        """
        for left in reversed(range(PROOFS)):
            try:
                return await ask(await self._context(action, ceremony))
            except ProviderError as error:
                if error.code != wire.ServiceCode.CHALLENGE or not left:
                    raise
        raise AssertionError  # the last one returns or raises

    async def _context(self, action: PinAction, ceremony: str) -> PinContext:
        """A fresh challenge, and what a PIN proof over it is for."""
        body = wire.ChallengeRequest(action, ceremony)
        answer = await self._json(_post("/v1/challenges", body), wire.Challenge)
        if len(answer.challenge) != CHALLENGE_SIZE:
            raise lying("not a challenge")
        return PinContext(answer.challenge, action, bytes.fromhex(ceremony), self._key.kid)

    async def _json(self, question: _Question, shape: type[T]) -> T:
        return decoded(await self._ask(question), shape)

    async def _ask(self, question: _Question) -> Answer:
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

    async def _try(self, question: _Question) -> Answer:
        headers = await self._headers(question)
        try:
            async with asyncio.timeout(self._timeout + question.patience):
                reply = await self._client.exchange(
                    question.method, question.target, headers, question.body, MAX_ANSWER
                )
        except TimeoutError:
            raise failure(ProviderReason.UNREACHABLE, "no whole answer in time") from None
        except NotHttp as error:
            raise lying(str(error)) from None
        except (OSError, UnicodeError) as error:
            raise connection_failure(error) from None
        return judged(reply)

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


def _post(target: str, body: msgspec.Struct | None = None) -> _Question:
    content = msgspec.json.encode(body) if body is not None else b"{}"
    return _Question("POST", target, content, idempotency=secrets.token_hex(16))


def _boottime() -> int:
    """Seconds that go on while the laptop sleeps; its wall clock may be hours off."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))
