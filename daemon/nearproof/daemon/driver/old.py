"""OLD's driver: one peripheral, one session after the other."""

from __future__ import annotations

import asyncio

from nearproof.ble.errors import AttError, BluetoothError, FrameError
from nearproof.ble.framing import MAX_MESSAGE, Reassembler
from nearproof.ble.ports import Channel, Peripheral
from nearproof.crypto.messages import MAX_M1
from nearproof.crypto.session import actions as do
from nearproof.crypto.session.old import OldSession
from nearproof.daemon.clock import boottime
from nearproof.daemon.driver.shell import Sender, Shell, Tell
from nearproof.daemon.logs import log

PARTING = 1.0  # seconds a central gets to leave by itself
GAP = 0x81  # ATT error for a frame that cannot belong to the message (SPEC, section 11)


class OldDriver(Shell):
    """OLD's side: one peripheral, one session after the other (one a QR)."""

    def __init__(self, peripheral: Peripheral, tell: Tell) -> None:
        super().__init__(tell)
        self._peripheral = peripheral
        self._session: OldSession | None = None
        self._senders: dict[str, tuple[Sender, asyncio.Task[None]]] = {}
        self._inboxes: dict[str, Reassembler] = {}
        self._advert = asyncio.Lock()
        self._alone = asyncio.Event()
        self._alone.set()
        self._rejected: int | None = None
        self._broken: BluetoothError | None = None

    async def open(self) -> None:
        """Take the radio.  Raises `BluetoothError`."""
        await self._peripheral.open(self)

    async def serve(self, session: OldSession) -> do.Ended | None:
        """Run one session to its end: None once NEW has the proof.

        When it is cancelled the user gives up: `ended` says what that makes of the session.
        Raises `BluetoothError` where the radio fails for good.
        """
        if self._broken is not None:
            raise self._broken
        self._end = asyncio.get_running_loop().create_future()
        self._session, self.ended = session, None
        try:
            session.started(boottime())
            self._pump()
            return await self._end
        except asyncio.CancelledError:
            self.cancel()
            raise
        finally:
            self._session = None
            await self._advertise(None)
            await self._part()

    async def _advertise(self, eid: bytes | None) -> None:
        """Start or stop; one after the other, in the order in which it was asked for."""
        async with self._advert:
            if eid is None:
                await self._peripheral.stop_advertising()
            else:
                await self._peripheral.advertise(eid)

    async def _part(self) -> None:
        """Let NEW leave first: cutting its link could swallow the response to its last write."""
        try:
            async with asyncio.timeout(PARTING):
                await self._alone.wait()
        except TimeoutError:
            for central in list(self._inboxes):
                await self._disconnect(central)

    async def close(self) -> None:
        """Let go of the radio."""
        await self._stop()
        await self._peripheral.close()

    def enter_code(self, text: str) -> None:
        """The user typed the code.  Raises `MalformedCode`, which is not a try."""
        if self._session is not None:
            try:
                self._session.enter_code(text, boottime())
            finally:
                self._pump()

    # -- PeripheralEvents

    def connected(self, central: str) -> None:
        """A central connected."""
        self._inboxes[central] = Reassembler(MAX_M1)  # whoever has not said m1 gets no more
        self._alone.clear()
        sender = Sender(
            lambda channel, value: self._peripheral.notify(central, channel, value),
            lambda: self._peripheral.mtu(central),
        )
        self._senders[central] = (sender, self._spawn(self._drain(central, sender)))
        if self._session is None:
            self._spawn(self._disconnect(central))
            return
        self._session.connected(central, boottime())
        self._pump()

    def disconnected(self, central: str) -> None:
        """A central is gone."""
        self._inboxes.pop(central, None)
        if not self._inboxes:
            self._alone.set()
        if central in self._senders:
            self._senders.pop(central)[1].cancel()
        if self._session is not None:
            self._session.disconnected(central, boottime())
            self._pump()

    def subscribed(self, central: str | None, channel: Channel) -> None:
        """Notifications were switched on: rounds may begin."""
        if channel is Channel.ROUNDS and self._session is not None:
            self._session.rounds_subscribed(central, boottime())
            self._pump()

    def written(self, central: str, channel: Channel, value: bytes) -> None:
        """A frame or a round's answer came in.  Raises `AttError` to refuse the write."""
        if self._session is None or central not in self._inboxes:
            return
        now = boottime()
        if channel is Channel.ROUNDS:
            self._session.receive_round(central, value, now)
        else:
            try:
                message = self._inboxes[central].feed(value)
            except FrameError as error:
                log.info("frame refused", link=central, why=str(error))
                raise AttError(GAP) from None
            if message is not None:
                self._session.receive(central, message, now)
        self._pump()
        rejected, self._rejected = self._rejected, None
        if rejected is not None:
            raise AttError(rejected)

    def stack_lost(self) -> None:
        """The stack went away: every link with it; the port advertises again when it is back."""
        log.warning("bluetooth stack lost")
        for central in list(self._inboxes):
            self.disconnected(central)

    def failed(self, error: BluetoothError) -> None:
        """The radio is gone for good, and with it this session, or the one to come."""
        self._broken = error
        if self._session is not None:
            self._fail(error)

    # -- actions

    def _carry_out(self, action: do.Action) -> None:
        match action:
            case do.Advertise():
                self._spawn(self._advertise(action.eid))
            case do.StopAdvertising():
                self._spawn(self._advertise(None))
            case do.SendMessage(link=link) if link in self._senders:
                if action.name == "m2":
                    self._inboxes[link] = Reassembler(MAX_MESSAGE)
                self._senders[link][0].put(Channel.MESSAGES, action.message)
            case do.SendRound(link=link) if link in self._senders:
                self._senders[link][0].put(Channel.ROUNDS, action.value)
            case do.RejectWrite():
                self._rejected = action.att_error
            case do.Disconnect():
                self._spawn(self._disconnect(action.link))
            case _:
                pass  # for a link that is gone

    def _told(self, event: do.Event) -> None:
        super()._told(event)
        if isinstance(event, do.Delivered):
            self._finish(None)

    async def _drain(self, central: str, sender: Sender) -> None:
        try:
            await sender.run()
        except (BluetoothError, ValueError) as error:
            log.info("link failed while sending", link=central, why=str(error))
            await self._disconnect(central)

    async def _disconnect(self, central: str) -> None:
        """End a link; where the stack is gone, the link is, too."""
        try:
            await self._peripheral.disconnect(central)
        except BluetoothError as error:
            log.info("disconnect failed", link=central, why=str(error))
