"""The service behind its real routes, in this process, on a clock that the test moves."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx2
import msgspec

from backend.hands import Hands
from backend.openapi_document import Document
from backend.time_machine import ORIGIN
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.app import App
from nearproof.daemon.backend.service import Service
from nearproof.daemon.backend.signatures import IDEMPOTENCY_KEY, sign

DOCUMENT = Document()


class Asked:
    """Plain HTTP to one service, every answer held against the contract.

    `name` is this test's account.
    """

    def __init__(self, hands: Hands, name: str, service: Service | None = None) -> None:
        self.hands = hands
        self.name = name
        self._app = App(service or hands.service)
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self._app.starlette), base_url=ORIGIN
        )

    async def close(self) -> None:
        await self.client.aclose()
        self._app.close()

    async def ask(
        self,
        key: DeviceKey | None,
        method: str,
        path: str,
        one: str = "",
        body: msgspec.Struct | bytes | None = None,
        *,
        headers: Mapping[str, str] = {},
        query: str = "",
        skew: int = 0,
    ) -> httpx2.Response:
        """One request of the contract's operation, signed `skew` seconds away from now.

        `one` stands where the path has a name in braces; `headers` replace those that are sent.
        """
        target = re.sub(r"\{\w+\}", one, path) + query
        content = body if isinstance(body, bytes) else msgspec.json.encode(body or {})
        sent: dict[str, str] = {}
        if method == "GET":
            content = b""
        else:
            media = wire.BUNDLE if path == "/v1/redemptions" else wire.JSON
            drawn = self.hands.random.randbytes(16).hex()
            sent = {"Content-Type": media, IDEMPOTENCY_KEY: drawn} | dict(headers)
        if key is not None:
            now = self.hands.store.now // 1000 + skew
            sent = sign(key, method, ORIGIN + target, sent, content, now)
        response = await self.client.request(method, target, headers=sent, content=content)
        if (method, path) in DOCUMENT.operations():
            DOCUMENT.check_answer(method, path, response)
        return response
