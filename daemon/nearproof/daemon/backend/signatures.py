"""Requests signed with a device key: HTTP Message Signatures (RFC 9421), Ed25519.

Covered: `@method @authority @path @query`, `content-digest` (RFC 9530), and
`idempotency-key` where the request has one; parameters created, keyid (the kid in hex), alg
and tag.  A signature holds for 300 s; within that time a replay meets its idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    HTTPSignatureKeyResolver,
    InvalidSignature,
)

from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.primitives import ed25519_verify

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
MAX_AGE: Final = 300  # seconds between `created` and the server's clock
CLOCK_SKEW: Final = 30  # seconds that `created` may lie ahead

_TAG: Final = "nearproof-1"
_COMPONENTS: Final = ("@method", "@authority", "@path", "@query")


class SignatureRefused(Exception):
    """No signature of ours, or one that does not hold under the key."""


class SignerUnknown(SignatureRefused):
    """The request names a key that is not enrolled."""


class SignatureStale(SignatureRefused):
    """A signature made at another time than the server's: set the clock by `/v1/info`."""


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """A request as the signature sees it: upper-case method, absolute URL, header fields."""

    method: str
    url: str
    headers: Any  # a mapping whose items() yields every field line


class _Ed25519(HTTPSignatureAlgorithm):
    """Our own strict Ed25519; keys are 32 bytes."""

    algorithm_id = "ed25519"

    def __init__(self, public_key: bytes | None = None, private_key: object = None) -> None:
        self._public = public_key or b""

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise unless the signature holds (`KeyRefused`, `SealBroken`)."""
        ed25519_verify(self._public, message, signature)


def sign(
    key: DeviceKey, method: str, url: str, headers: Mapping[str, str], body: bytes, created: int
) -> dict[str, str]:
    """The header fields of the request, with `Content-Digest` and its signature added.

    `created` is in UNIX seconds on the server's clock.
    """
    fields = dict(headers)
    message = HttpMessage(method, url, fields)
    signer = HTTPMessageSigner(signature_algorithm=_Ed25519)
    keyed = ("idempotency-key",) if IDEMPOTENCY_KEY in fields else ()
    prepared = signer.prepare(
        message,
        key_id=key.kid.hex(),
        created=datetime.fromtimestamp(created, tz=UTC),
        tag=_TAG,
        label="nearproof",
        covered_component_ids=_COMPONENTS + keyed,
        body=body,
    )
    signer.apply(message, prepared, key.sign(prepared.signature_base))
    return fields


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose key (32 bytes) has signed a request, and when by its word (UNIX seconds)."""

    public: bytes
    created: int

    def require_fresh(self, now: int) -> None:
        """Raise `SignatureStale` for one made at another time than `now` (UNIX seconds)."""
        if not now - MAX_AGE <= self.created <= now + CLOCK_SKEW:
            raise SignatureStale("signed at another time than the server's")


def verify(message: HttpMessage, body: bytes, public_of: Callable[[str], bytes | None]) -> Signed:
    """Who has signed the whole request; whether it is fresh is for who has the server's clock.

    `public_of` looks the key up by its keyid, None if there is none.  Raises `SignatureRefused`,
    `SignerUnknown` for a key that is not found.  What `public_of` raises comes through.
    """
    required: tuple[str, ...] = _COMPONENTS
    if message.method != "GET":
        required += ("content-digest", "idempotency-key")
    verifier = _Verifier(public_of)
    try:
        results = verifier.verify(
            message, max_age=None, expect_tag=_TAG, require_components=required, body=body
        )
    except InvalidSignature as error:
        raise verifier.why or SignatureRefused(str(error)) from None
    if len(results) != 1 or verifier.public is None:
        raise SignatureRefused("a request has one signature")
    return Signed(verifier.public, verifier.created)


class _Verifier(HTTPMessageVerifier, HTTPSignatureKeyResolver):
    """The library's verifier without a clock, resolving its own keys.

    The library turns whatever a resolver raises into `InvalidSignature`; `why` keeps the reason.
    """

    def __init__(self, public_of: Callable[[str], bytes | None]) -> None:
        super().__init__(signature_algorithm=_Ed25519, key_resolver=self)
        self._public_of = public_of
        self.public: bytes | None = None
        self.created = 0
        self.why: Exception | None = None

    def resolve_public_key(self, key_id: str) -> bytes | None:
        """The key that the request names."""
        try:
            self.public = self._public_of(key_id)
        except Exception as error:
            self.why = error  # a database that is busy is no bad signature
            raise
        if self.public is None:
            self.why = SignerUnknown("the request names a key that is not enrolled")
        return self.public

    def validate_created_and_expires(self, sig_input: Any, max_age: object = None) -> None:
        """Keep `created`: this process's clock, which the library asks, decides nothing."""
        created = sig_input.params.get("created")
        if type(created) is not int:
            raise InvalidSignature("a signature says when it was created")
        self.created = created
