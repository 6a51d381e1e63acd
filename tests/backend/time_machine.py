"""The service without HTTP, on a database whose clock the test moves."""

from __future__ import annotations

from random import Random

from sqlalchemy import Connection

from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend.exchange import Request
from nearproof.daemon.backend.facts import Millis
from nearproof.daemon.backend.signatures import IDEMPOTENCY_KEY, HttpMessage, sign
from nearproof.daemon.backend.store import Store

ORIGIN = "https://backend.test:1"
START = 1_800_000_000_000


class TimeMachine(Store):
    """The real store, whose clock the test moves."""

    now = START

    def clock(self, connection: Connection) -> Millis:
        """What the database would say."""
        super().clock(connection)
        return self.now

    def request(
        self,
        key: DeviceKey,
        method: str,
        path: str,
        body: bytes,
        random: Random,
        idempotency: str = "",
    ) -> Request:
        """A request signed now, with an idempotency key of its own if none is given."""
        headers = {IDEMPOTENCY_KEY: idempotency or random.randbytes(16).hex()}
        signed = sign(key, method, ORIGIN + path, headers, body, self.now // 1000)
        return Request(HttpMessage(method, ORIGIN + path, signed), body)
