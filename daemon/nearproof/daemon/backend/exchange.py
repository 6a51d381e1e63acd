"""Requests and answers of the service, apart from the web framework that carries them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from nearproof.crypto.errors import RefusalCode, VerificationError
from nearproof.crypto.primitives import hmac_sha256
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.facts import Problem
from nearproof.daemon.backend.signatures import IDEMPOTENCY_KEY, HttpMessage
from nearproof.daemon.backend.wire import ServiceCode

T = TypeVar("T")

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")

_STATUS: Final = {
    ServiceCode.MALFORMED: 400,
    ServiceCode.IDEMPOTENCY_KEY: 400,
    ServiceCode.SIGNATURE: 403,
    ServiceCode.SIGNATURE_TIME: 403,
    ServiceCode.UNKNOWN_DEVICE: 403,
    ServiceCode.DEVICE_REVOKED: 403,
    ServiceCode.INVITE: 403,
    ServiceCode.NOT_ITS_OLD: 403,
    ServiceCode.NOT_ITS_NEW: 403,
    ServiceCode.CONSENT: 400,
    ServiceCode.PIN_NEEDED: 403,
    ServiceCode.WRONG_PIN: 403,
    ServiceCode.PIN_LOCKED: 403,
    ServiceCode.DEVICE_DEAD: 403,
    ServiceCode.TOO_NEW: 403,
    ServiceCode.WRONG_SMS_CODE: 403,
    ServiceCode.NOT_FOUND: 404,
    ServiceCode.METHOD: 405,
    ServiceCode.TOO_LARGE: 413,
    ServiceCode.MEDIA_TYPE: 415,
    ServiceCode.IDEMPOTENCY_CONFLICT: 422,
    ServiceCode.INTERNAL: 500,
    ServiceCode.BUSY: 503,
}
_REFUSED_STATUS: Final = {
    RefusalCode.SIZE: 413,
    RefusalCode.REQUEST_KEY: 403,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request: as its signature sees it, and its body."""

    message: HttpMessage
    body: bytes = field(repr=False)

    def json(self, shape: type[T]) -> T:
        """The body, strictly; raises `Problem` (MALFORMED)."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Problem(ServiceCode.MALFORMED, f"not a {shape.__name__}") from None

    def idempotency_key(self) -> str:
        """The one Idempotency-Key; raises `Problem` where there is none, or several."""
        name = IDEMPOTENCY_KEY.lower()
        keys = [value for field, value in self.message.headers.items() if field.lower() == name]
        if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
            raise Problem(
                ServiceCode.IDEMPOTENCY_KEY, "needs one Idempotency-Key: 8 to 64 of A-Za-z0-9_-"
            )
        return str(keys[0])

    def fingerprint(self, key: bytes) -> bytes:
        """What makes two requests the same: HMAC-SHA-256 over method, URL and body."""
        head = f"{self.message.method} {self.message.url}\n".encode()
        return hmac_sha256(key, head + self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `retry_after` in seconds."""

    status: int
    media: str = ""
    body: bytes = field(default=b"", repr=False)
    retry_after: int | None = None


def json_answer(status: int, content: msgspec.Struct) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, wire.JSON, msgspec.json.encode(content))


def problem_answer(error: Problem | VerificationError) -> Answer:
    """The refusal as problem details (RFC 9457)."""
    step = seconds = tries_left = None
    devices: tuple[wire.Listed, ...] = ()
    if isinstance(error, VerificationError):
        step = error.step
        status = _REFUSED_STATUS.get(error.code, 409 if step == 8 else 422)
    else:
        seconds, tries_left, devices = error.seconds, error.tries_left, error.devices
        status = _STATUS.get(error.code, 409)
    details: Any = wire.ProblemDetails(
        type=f"urn:nearproof:problem:{error.code}",
        title=error.code.replace("_", " ").capitalize(),
        status=status,
        code=error.code,
        detail=error.detail,
        step=step,
        seconds=seconds,
        tries_left=tries_left,
        devices=devices,
    )
    return Answer(status, wire.PROBLEM, msgspec.json.encode(details), seconds)
