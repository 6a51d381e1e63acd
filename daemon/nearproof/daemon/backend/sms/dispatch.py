"""Empties the outbox into a port.  Any number of workers may: a lease keeps them apart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import Executor
from typing import Final

from nearproof.daemon.backend.enrolling import sms_code
from nearproof.daemon.backend.facts import Problem
from nearproof.daemon.backend.outbox import Sms, SmsKind
from nearproof.daemon.backend.sms.ports import Message, SmsNotSent, SmsPort
from nearproof.daemon.backend.sms.texts import sms_text
from nearproof.daemon.backend.store import Store
from nearproof.daemon.locale import Language

POLL: Final = 0.25  # seconds between looks at the outbox
SEND_TIMEOUT: Final = 30.0  # seconds for handing one over: within its lease

log = logging.getLogger(__name__)


class Dispatcher:
    """Hands over what is due; `key` derives the codes (`desk.sms_key`)."""

    def __init__(
        self, store: Store, key: bytes, port: SmsPort, language: Language, threads: Executor
    ) -> None:
        self._store = store
        self._key = key
        self._port = port
        self._language: Language = language
        self._threads = threads

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop; what is in hand is finished."""
        while not stopping.is_set():
            if not await self.once():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), POLL)

    async def once(self) -> int:
        """Hand over what is due now; how many were taken up."""
        loop = asyncio.get_running_loop()
        try:
            leased = await loop.run_in_executor(self._threads, self._lease)
            for sms, text in leased:
                sent = await self._send(sms, text)
                await loop.run_in_executor(self._threads, self._settle, sms, sent)
        except Problem as problem:
            log.warning("outbox: %s", problem.code)
            return 0
        return len(leased)

    async def _send(self, sms: Sms, text: str) -> bool:
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._port.send(Message(sms.id, sms.phone, text))
        except (SmsNotSent, TimeoutError) as error:
            log.warning("sms %d (%s) not sent: %s", sms.id, sms.kind, error)
            return False
        log.info("sms %d (%s) sent", sms.id, sms.kind)
        return True

    def _lease(self) -> list[tuple[Sms, str]]:
        with self._store.read() as records:
            if not records.sms_due():
                return []
        with self._store.write() as records:
            leased = []
            for sms in records.lease_sms():
                ceremony = records.ceremony(sms.ceremony)
                assert ceremony is not None  # noqa: S101 - a foreign key
                if sms.kind is SmsKind.CODE and sms.code != ceremony.code:
                    records.settle_sms(sms, sent=True)  # a later code is on its way
                    continue
                code = sms_code(self._key, ceremony) if sms.kind is SmsKind.CODE else ""
                text = sms_text(sms.kind, self._language, account=sms.account, code=code)
                leased.append((sms, text))
            return leased

    def _settle(self, sms: Sms, sent: bool) -> None:
        with self._store.write() as records:
            records.settle_sms(sms, sent=sent)
