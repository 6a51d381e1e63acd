"""Joining a laptop to a backend: one line, and the certificate that it pins.

    NEARPROOF-JOIN https://host:port sha256:<pin> ed25519:<issuer>

`pin` is the SHA-256 of the server's certificate (DER), `issuer` its Ed25519 issuer key; both
are 32 bytes in base64url without padding.  From then on that one certificate is trusted for
that backend, and nothing else is: no CA, no host name, no date (a laptop's clock may be off).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
import ssl
from enum import StrEnum
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from nearproof.crypto.errors import KeyRefused
from nearproof.crypto.identity import check_public_key
from nearproof.crypto.primitives import equal

WORD: Final = "NEARPROOF-JOIN"
_FORM: Final = f"{WORD} https://HOST:PORT sha256:... ed25519:..."
MAX_LINE: Final = 512  # characters
TIMEOUT: Final = 10.0  # seconds to fetch a certificate

_ORIGIN: Final = re.compile(
    r"https://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\]):(?P<port>[1-9][0-9]{0,4})", re.ASCII
)
_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which `ssl` does not name


HANDSHAKE_CUT: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""A TLS handshake that ended because the server went away, not because of what it showed."""


class JoinReason(StrEnum):
    """Why a laptop could not be joined."""

    MALFORMED = "malformed"  # not a join line
    UNREACHABLE = "unreachable"
    WRONG_CERTIFICATE = "wrong_certificate"  # another server answers at that address


class JoinError(Exception):
    """This laptop was not joined to a backend; nothing has changed."""

    def __init__(self, reason: JoinReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


class JoinLine(msgspec.Struct, frozen=True):
    """What the line says: an https origin, the pin and the issuer key (32 bytes each)."""

    url: str
    pin: bytes
    issuer: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the line strictly; raises `JoinError` (MALFORMED)."""
        words = text[: MAX_LINE + 1].split()
        if len(text) > MAX_LINE or len(words) != 4 or words[0] != WORD:
            raise _malformed(f"a join line is: {_FORM}")
        check_origin(words[1])
        return cls(words[1], _key(words[2], "sha256:"), parse_issuer(words[3]))

    def __str__(self) -> str:
        return f"{WORD} {self.url} sha256:{_text(self.pin)} ed25519:{_text(self.issuer)}"


class Joined(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A backend that this laptop trusts: its https origin, certificate (PEM) and issuer key.

    Raises `JoinError` (MALFORMED) if one of them cannot be what it should be.
    """

    url: str
    certificate: str
    issuer: bytes

    def __post_init__(self) -> None:
        check_origin(self.url)
        check_issuer(self.issuer)
        client_context(self)

    def to_dict(self) -> dict[str, str]:
        """For storage: three strings, the key in base64."""
        return dict(msgspec.to_builtins(self))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read back what `to_dict` gave; raises `JoinError` (MALFORMED)."""
        try:
            return msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise _malformed(str(error)) from None


async def join(text: str) -> Joined:
    """Fetch the certificate of the server that the line names, and hold it against the pin.

    Raises `JoinError`.  Whether the server also holds the issuer key shows with its first
    grant, which `Provider.grant` verifies.
    """
    line = JoinLine.parse(text)
    der = await _fetch_certificate(line.url)
    if not equal(hashlib.sha256(der).digest(), line.pin):
        raise JoinError(JoinReason.WRONG_CERTIFICATE, f"{line.url}: not the server of this line")
    return Joined(line.url, ssl.DER_cert_to_PEM_cert(der), line.issuer)


def client_context(joined: Joined) -> ssl.SSLContext:
    """TLS 1.3 that trusts the joined certificate alone; raises `JoinError` if it is damaged.

    Made by hand: `ssl.create_default_context` would honour SSLKEYLOGFILE and load the CAs.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the certificate is pinned: its names say nothing more
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    try:
        context.load_verify_locations(cadata=ssl.PEM_cert_to_DER_cert(joined.certificate))
    except (ValueError, ssl.SSLError):
        raise _malformed("the stored certificate is damaged: join again") from None
    return context


def parse_issuer(text: str) -> bytes:
    """The 32-byte issuer key of `ed25519:...`; raises `JoinError` (MALFORMED)."""
    issuer = _key(text, "ed25519:")
    check_issuer(issuer)
    return issuer


def check_issuer(issuer: bytes) -> None:
    """Raise `JoinError` (MALFORMED) unless these bytes can be an issuer key."""
    try:
        check_public_key(issuer)
    except KeyRefused:
        raise _malformed("the issuer key is unusable") from None


def check_origin(url: str) -> None:
    """Raise `JoinError` (MALFORMED) unless `url` is exactly https://host:port, in lower case."""
    match = _ORIGIN.fullmatch(url)
    if match is None or int(match["port"]) > 65535:
        raise _malformed("a backend's address is https://host:port, with nothing after it")


async def _fetch_certificate(url: str) -> bytes:
    """The certificate (DER) that the server shows; it proves its key in the same handshake."""
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent; the pin judges what it shows
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    except (OSError, TimeoutError, UnicodeError) as error:
        if isinstance(error, ssl.SSLError) and not isinstance(error, HANDSHAKE_CUT):
            raise JoinError(
                JoinReason.WRONG_CERTIFICATE, f"it does not speak TLS 1.3: {error.reason}"
            ) from None
        raise JoinError(JoinReason.UNREACHABLE, f"{url}: {_why(error)}") from None
    try:
        return bytes(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    finally:
        writer.transport.abort()


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _key(word: str, prefix: str) -> bytes:
    """32 bytes of unpadded base64url; what is decoded must encode to the same text."""
    encoded = word.removeprefix(prefix)
    try:
        key = base64.b64decode(encoded + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not word.startswith(prefix) or len(key) != 32 or _text(key) != encoded:
        raise _malformed(f"43 characters of base64url are due after: {prefix}")
    return key


def _text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def _malformed(detail: str) -> JoinError:
    return JoinError(JoinReason.MALFORMED, detail)
