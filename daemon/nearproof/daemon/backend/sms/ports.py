"""Where SMS go: a file, the console, a webhook.  (A modem is in `modemmanager`.)"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from nearproof.daemon.backend.errors import SmsPortUnknown
from nearproof.daemon.locale import marked

WEBHOOK_TIMEOUT: Final = 10.0  # seconds


class SmsNotSent(Exception):
    """It could not be handed over now; it is tried again."""


@dataclass(frozen=True, slots=True)
class Message:
    """One SMS to hand over; `id` stays the same when it is tried again."""

    id: int
    phone: str
    text: str = field(repr=False)


class SmsPort(Protocol):
    """Carries one SMS at a time."""

    async def send(self, message: Message) -> None:
        """Hand it over.  Raises `SmsNotSent`."""


class FilePort:
    """A line of JSON a message, at the end of a private file: for tests and trials."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, message: Message) -> None:
        """Append it, durably."""
        record = {"id": message.id, "phone": message.phone, "text": message.text}
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SmsNotSent(str(error)) from None


class ConsolePort:
    """Standard error of the server."""

    async def send(self, message: Message) -> None:
        """Print it."""
        print(f"SMS to {message.phone}: {message.text}", file=sys.stderr, flush=True)


class WebhookPort:
    """A POST of {id, phone, text} as JSON to a gateway.

    Its Idempotency-Key is the message's, so that a gateway can tell a repetition.  A bearer token
    comes from a private file, never from an argument.
    """

    def __init__(self, url: str, token: str = "", context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise SmsPortUnknown(marked("a webhook is https://..., or http:// on this machine"))
        self._url = url
        self._token = token
        self._context = context

    async def send(self, message: Message) -> None:
        """POST it; any 2xx takes it."""
        await asyncio.to_thread(self._post, message)

    def _post(self, message: Message) -> None:
        body = json.dumps({"id": message.id, "phone": message.phone, "text": message.text}).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"sms-{message.id:08}"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._url, body, headers)  # noqa: S310 - checked above
        handler = urllib.request.HTTPSHandler(context=self._context)
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}), handler)
        try:
            with opener.open(request, timeout=WEBHOOK_TIMEOUT):
                pass
        except HTTPError as error:
            error.close()
            raise SmsNotSent(f"webhook: status {error.code}") from None
        except (URLError, OSError, ValueError) as error:
            raise SmsNotSent(f"webhook: {type(error).__name__}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A code goes where the operator said, and nowhere else."""

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        """Not followed: an error then."""


def port_named(name: str, folder: Path) -> SmsPort:
    """The port of this name; files of its own are in `folder`.  Raises `SmsPortUnknown`."""
    kind, _, rest = name.partition(":")
    match kind:
        case "file" if not rest:
            return FilePort(folder / "sms.jsonl")
        case "console" if not rest:
            return ConsolePort()
        case "webhook":
            token = folder / "webhook.token"
            secret = token.read_text().strip() if token.exists() else ""
            return WebhookPort(rest, secret)
        case "modem" if not rest:
            from nearproof.daemon.backend.sms.modemmanager import ModemPort

            return ModemPort()
        case _:
            raise SmsPortUnknown(marked("use file, console, webhook:URL or modem"))
