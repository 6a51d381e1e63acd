"""schemathesis signs its requests as an enrolled laptop does; the seed comes from the test."""

from __future__ import annotations

import os
import time
from typing import Any

import requests
import schemathesis
from requests.auth import AuthBase
from schemathesis.auths import GLOBAL_AUTH_STORAGE

from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.signatures import IDEMPOTENCY_KEY, sign


class DeviceSignature(AuthBase):
    """The key of one laptop."""

    def __init__(self, key: DeviceKey) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body: Any = request.body or b""
        content = body.encode() if isinstance(body, str) else bytes(body)
        headers = {
            name: str(value) for name, value in request.headers.items() if name == IDEMPOTENCY_KEY
        }
        signed = sign(
            self._key,
            request.method or "",
            request.url or "",
            headers,
            content,
            int(time.time()),
        )
        request.headers.update(signed)
        return request


def _auth() -> Any:
    return DeviceSignature(DeviceKey(bytes.fromhex(os.environ["NEARPROOF_TEST_SEED"])))


GLOBAL_AUTH_STORAGE.set_from_requests(_auth())


@schemathesis.serializer("application/cbor")
def bundle(_context: object, value: Any) -> bytes:
    """A bundle is bytes already; whatever text is drawn stands for them."""
    return value if isinstance(value, bytes) else str(value).encode()
