"""NEW's driver: search, connect, talk; and again, as long as the session wants a link."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from nearproof.ble.errors import AttError, BluetoothError, BluetoothReason, FrameError
from nearproof.ble.framing import Reassembler
from nearproof.ble.ports import Advert, Central, Channel, Link
from nearproof.crypto.session import actions as do
from nearproof.crypto.session.new import NewSession
from nearproof.daemon.clock import boottime
from nearproof.daemon.driver.shell import Sender, Shell, Tell
from nearproof.daemon.logs import log

ACK_PATIENCE = 10.0  # seconds NEW goes on trying to say that it has the proof
RETRY_DELAY = 0.25  # seconds after a passing failure of the radio
SCAN_SETTLE = 0.3  # seconds to look for a better candidate than one that already failed
PASSING = frozenset(
    {
        BluetoothReason.CONNECT_FAILED,
        BluetoothReason.NOT_OUR_SERVICE,
        BluetoothReason.LINK_LOST,
        BluetoothReason.STACK_LOST,
    }
)


class _NewLink:
    """One connection of NEW: its name, its inbox, and the moment it is gone (LinkEvents)."""

    def __init__(self, name: str, driver: NewDriver) -> None:
        self.name = name
        self.inbox = Reassembler(drop_duplicates=True)
        self.gone = asyncio.Event()
        self._driver = driver

    def notified(self, channel: Channel, value: bytes) -> None:
        self._driver.notified(self, channel, value)

    def lost(self) -> None:
        self.gone.set()


class NewDriver(Shell):
    """NEW's side: search, connect, talk; and again, as long as the session wants a link."""

    def __init__(
        self, session: NewSession, central: Central, tell: Tell, store: Callable[[bytes], None]
    ) -> None:
        """`store(bundle)` must be durable when it returns; it runs in a thread."""
        super().__init__(tell)
        self._session: NewSession = session
        self._central = central
        self._store = store
        self._link: tuple[_NewLink, Link, Sender] | None = None
        self._failures: Counter[str] = Counter()
        self._links = 0
        self._acknowledged = False
        self._kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def prove(self) -> do.Ended | None:
        """Search, and talk, until the proof is stored (None) or the session has ended.

        Raises `BluetoothError` where the radio itself fails.
        """
        self._pump()
        self._spawn(self._search())
        either: set[asyncio.Future[Any]] = {self._end, self._kept}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return None if self._kept.done() else self._end.result()

    async def confirm(self) -> bool:
        """Whether OLD was told, within `ACK_PATIENCE` seconds; it says "unconfirmed" otherwise."""
        await asyncio.wait({self._end}, timeout=ACK_PATIENCE)
        return self._acknowledged

    async def close(self) -> None:
        """Drop the link and stop searching."""
        await self._stop()

    # -- the search for OLD

    async def _search(self) -> None:
        while not self._end.done():
            try:
                advert, eid = await self._find()
                self._failures[advert.peer] += 1  # forgiven when it answers
                await self._meet(advert, eid)
            except (BluetoothError, AttError) as error:
                # An ATT error is one peripheral's word; OLD may be another.
                if isinstance(error, BluetoothError) and error.reason not in PASSING:
                    raise
                log.info("bluetooth failed, trying again", why=str(error))
                await asyncio.sleep(RETRY_DELAY)

    async def _find(self) -> tuple[Advert, bytes]:
        """The first match that has not failed yet, else the least failed of a short while."""
        best: tuple[Advert, bytes] | None = None
        try:
            async with asyncio.timeout(None) as patience, self._central.scan() as adverts:
                async for advert in adverts:
                    eid = self._match(advert)
                    if eid is None:
                        continue
                    failed = self._failures[advert.peer]
                    if not failed:
                        return advert, eid
                    if best is None:
                        patience.reschedule(asyncio.get_running_loop().time() + SCAN_SETTLE)
                    if best is None or failed < self._failures[best[0].peer]:
                        best = advert, eid
        except TimeoutError:
            if best is not None:
                return best
        raise BluetoothError(BluetoothReason.STACK_LOST, "the scan ended by itself")

    def _match(self, advert: Advert) -> bytes | None:
        for uuid in advert.service_uuids:
            if self._session.heard(uuid, boottime()):
                self._pump()
                return uuid
        return None

    async def _meet(self, advert: Advert, eid: bytes) -> None:
        """One connection, from connect to loss."""
        self._links += 1
        end = _NewLink(f"link-{self._links}", self)
        link = await self._central.connect(advert, end)
        sender = Sender(lambda channel, value: self._write(link, channel, value), lambda: link.mtu)
        try:
            await link.subscribe(Channel.MESSAGES)
            self._link = end, link, sender
            self._session.connected(end.name, eid, advert.rssi, boottime())
            self._pump()
            draining = self._spawn(self._drain(end, sender))
            await end.gone.wait()
            draining.cancel()
        finally:
            self._link = None
            await link.disconnect()
            self._session.disconnected(end.name, boottime())
            self._pump()

    async def _write(self, link: Link, channel: Channel, value: bytes) -> None:
        try:
            await link.write(channel, value)
        except AttError as error:
            if channel is Channel.MESSAGES:
                raise
            log.info("round refused", why=str(error))  # evidence only: never worth a link

    async def _drain(self, end: _NewLink, sender: Sender) -> None:
        try:
            await sender.run()
        except AttError as error:
            self._session.write_refused(end.name, error.code, boottime())
            self._pump()
            end.gone.set()
        except (BluetoothError, ValueError) as error:
            log.info("link failed while writing", link=end.name, why=str(error))
            end.gone.set()

    def notified(self, end: _NewLink, channel: Channel, value: bytes) -> None:
        """A frame or a round's challenge came in."""
        if end.gone.is_set():
            return
        now = boottime()
        if channel is Channel.ROUNDS:
            self._session.receive_round(end.name, value, now)
        else:
            try:
                message = end.inbox.feed(value)
            except FrameError as error:
                log.info("frame refused, reconnecting", link=end.name, why=str(error))
                end.gone.set()
                return
            if message is not None:
                self._session.receive(end.name, message, now)
        self._pump()

    # -- actions

    def _carry_out(self, action: do.Action) -> None:
        if self._link is None or isinstance(action, do.Advertise | do.StopAdvertising):
            return
        end, link, sender = self._link
        match action:
            case do.SendMessage(link=name) if name == end.name:
                sender.put(
                    Channel.MESSAGES,
                    action.message,
                    lambda: self._sent(end, link, action.name),
                )
            case do.SendRound(link=name) if name == end.name:
                sender.put(Channel.ROUNDS, action.value)
            case do.Disconnect(link=name) if name == end.name:
                end.gone.set()
            case _:
                pass

    def _sent(self, end: _NewLink, link: Link, name: str) -> None:
        if name == "t1":
            self._spawn(self._join_rounds(end, link))
        self._session.sent(end.name, boottime())
        self._pump()

    async def _join_rounds(self, end: _NewLink, link: Link) -> None:
        try:
            await link.subscribe(Channel.ROUNDS)
        except (BluetoothError, AttError) as error:  # rounds are evidence only: never worth a link
            log.info("no rounds on this link", link=end.name, why=str(error))

    def _told(self, event: do.Event) -> None:
        super()._told(event)
        match event:
            case do.OldAnswered() if self._link is not None:
                self._failures.clear()
            case do.ProofReceived():
                self._spawn(self._keep(event.bundle))
            case do.Acknowledged():
                self._acknowledged = True
                self._finish(None)
            case _:
                pass

    async def _keep(self, bundle: bytes) -> None:
        await asyncio.to_thread(self._store, bundle)
        self._kept.set_result(None)
        self._session.stored(boottime())
        self._pump()
