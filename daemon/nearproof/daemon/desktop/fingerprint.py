"""The fingerprint reader, through fprintd (net.reactivated.Fprint on the system bus).

The reader's "yes" is a boolean of this machine's own and nothing more: it releases no key and no
PIN.  Whoever asked may then say so under the device key (uv = "fingerprint").

fprintd is free software of the machine; its D-Bus interface is documented at
https://fprint.freedesktop.org/fprintd-dev/ (Manager and Device).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from nearproof.daemon.desktop import bus as dbus
from nearproof.daemon.desktop.errors import FingerprintError, FingerprintReason

if TYPE_CHECKING:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

FPRINTD: Final = "net.reactivated.Fprint"
MANAGER: Final = f"{FPRINTD}.Manager"
MANAGER_PATH: Final = "/net/reactivated/Fprint/Manager"
DEVICE: Final = f"{FPRINTD}.Device"
ERROR: Final = f"{FPRINTD}.Error."

TRIES: Final = 3  # fingers that do not match, as pam_fprintd counts
PATIENCE: Final = 30.0  # seconds for one try

CALLER: Final = ""  # the user that a method is for: whoever calls it

_REASONS: Final = {
    f"{ERROR}NoSuchDevice": FingerprintReason.NO_READER,
    f"{ERROR}NoEnrolledPrints": FingerprintReason.NO_FINGER,
    f"{ERROR}PermissionDenied": FingerprintReason.NOT_AT_SEAT,
    f"{ERROR}AlreadyInUse": FingerprintReason.READER_BUSY,
    # The reader's object goes when it is unplugged; GLib then misses the method.
    f"{dbus.BUS}.Error.UnknownMethod": FingerprintReason.READER_GONE,
    f"{dbus.BUS}.Error.UnknownObject": FingerprintReason.READER_GONE,
}


class Hint(StrEnum):
    """What to tell the person at the reader."""

    TOUCH = "touch"
    SWIPE = "swipe"
    AGAIN = "again"
    TOO_SHORT = "too_short"
    NOT_CENTERED = "not_centered"
    LIFT = "lift"
    NO_MATCH = "no_match"


_HINTS: Final = {
    "verify-swipe-too-short": Hint.TOO_SHORT,
    "verify-finger-not-centered": Hint.NOT_CENTERED,
    "verify-remove-and-retry": Hint.LIFT,
}


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader that knows a finger of this user: its D-Bus object, its name, how it is used."""

    path: str
    name: str
    swipe: bool


async def find_reader() -> Reader:
    """The first reader with an enrolled finger of this user; it is neither claimed nor lit.

    Raises `FingerprintError`: NO_FPRINTD, NO_READER, NO_FINGER, NOT_AT_SEAT or READER_FAILED.
    """
    async with _fprintd() as fprintd:
        return await fprintd.find_reader()


async def verify(
    tell: Callable[[Hint], None], *, tries: int = TRIES, patience: float = PATIENCE
) -> bool:
    """Whether the finger now laid on the reader is an enrolled one of this user.

    `tell` is called for what the person has to do.  A finger that does not match costs one of
    `tries`; a scan that failed costs nothing, but each try ends after `patience` seconds.

    The reader is free again when this returns, raises or is cancelled.  Raises `FingerprintError`
    as `find_reader`, and READER_BUSY, READER_GONE or NO_TOUCH.
    """
    async with _fprintd() as fprintd:
        reader = await fprintd.find_reader()
        async with fprintd.claimed(reader):
            tell(Hint.SWIPE if reader.swipe else Hint.TOUCH)
            for _ in range(tries):
                if await fprintd.matches(reader, tell, patience):
                    return True
                tell(Hint.NO_MATCH)
            return False


@asynccontextmanager
async def _fprintd() -> AsyncIterator[_Fprintd]:
    """fprintd, over a connection of our own.

    At its end fprintd lets go of whatever was claimed over it, even where `Release` failed or
    this process was killed.
    """
    try:
        bus = await dbus.connect(dbus.Which.SYSTEM)
    except dbus.BusLost as error:
        raise FingerprintError(FingerprintReason.NO_FPRINTD, str(error)) from error
    fprintd = _Fprintd(bus)
    end = asyncio.create_task(dbus.ended(bus))
    end.add_done_callback(lambda _: fprintd.ended())
    try:
        yield fprintd
    finally:
        await dbus.disconnect(bus)
        await end


class _Fprintd:
    """One run of fprintd as its client sees it."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._destination = FPRINTD
        self._path = ""  # the reader that is claimed
        # What fprintd says of a scan, and whether that is its last word; None: it has ended.
        self._statuses: asyncio.Queue[tuple[str, bool] | None] = asyncio.Queue()
        bus.add_message_handler(self._message)

    async def find_reader(self) -> Reader:
        reply = await self._call(MANAGER_PATH, MANAGER, "GetDevices")
        # From here on this very process: one that takes its place knows nothing of our claim.
        self._destination = reply.sender or ""
        paths: list[str] = reply.body[0]
        for path in paths:
            if await self._has_finger(path):
                name = await self._property(path, "name")
                scan_type = await self._property(path, "scan-type")
                return Reader(path, name, swipe=scan_type == "swipe")
        raise FingerprintError(
            FingerprintReason.NO_FINGER if paths else FingerprintReason.NO_READER
        )

    @asynccontextmanager
    async def claimed(self, reader: Reader) -> AsyncIterator[None]:
        """Have the reader to ourselves; to release it also ends a scan."""
        self._path = reader.path
        await self._match(dbus.owner_rule(FPRINTD))
        await self._match(f"type='signal',sender='{FPRINTD}',interface='{DEVICE}'")
        try:
            # Within: who is cancelled in this call may get the reader all the same.
            await self._call(reader.path, DEVICE, "Claim", "s", CALLER)
            yield
        finally:
            with suppress(FingerprintError):
                await self._call(reader.path, DEVICE, "Release")

    async def matches(self, reader: Reader, tell: Callable[[Hint], None], patience: float) -> bool:
        """One try: scan until fprintd has decided."""
        await self._call(reader.path, DEVICE, "VerifyStart", "s", "any")
        try:
            async with asyncio.timeout(patience):
                match = await self._decision(tell)
        except TimeoutError as error:
            raise FingerprintError(FingerprintReason.NO_TOUCH, f"{patience:g} s") from error
        with suppress(FingerprintError):  # the scan may have stopped by itself
            await self._call(reader.path, DEVICE, "VerifyStop")
        return match

    def ended(self) -> None:
        """Nothing more will come."""
        self._statuses.put_nowait(None)

    async def _decision(self, tell: Callable[[Hint], None]) -> bool:
        while True:
            match await self._statuses.get():
                case "verify-match", True:
                    return True
                case "verify-no-match", True:
                    return False
                case "verify-disconnected", _:
                    raise FingerprintError(FingerprintReason.READER_GONE, "unplugged")
                case result, False:
                    tell(_HINTS.get(result, Hint.AGAIN))
                case result, True:  # fprintd 1.94 says verify-unknown-error if unplugged, too
                    raise FingerprintError(FingerprintReason.READER_FAILED, result)
                case _:
                    raise FingerprintError(FingerprintReason.READER_FAILED, "fprintd ended")

    def _message(self, message: Message) -> None:
        if change := dbus.owner_change(message, FPRINTD):
            if change[0] == self._destination:
                self.ended()
        elif (
            # Only root may own fprintd's name, but anybody may send us what looks like its signal.
            message.sender == self._destination
            and message.path == self._path
            and (message.interface, message.member) == (DEVICE, "VerifyStatus")
        ):
            result, done = message.body
            self._statuses.put_nowait((result, done))

    async def _has_finger(self, path: str) -> bool:
        try:
            reply = await self._call(path, DEVICE, "ListEnrolledFingers", "s", CALLER)
        except FingerprintError as error:
            if error.reason is FingerprintReason.NO_FINGER:
                return False
            raise
        return bool(reply.body[0])

    async def _property(self, path: str, name: str) -> str:
        reply = await self._call(path, f"{dbus.BUS}.Properties", "Get", "ss", DEVICE, name)
        return str(reply.body[0].value)

    async def _match(self, rule: str) -> None:
        try:
            await dbus.add_match(self._bus, rule)
        except (dbus.CallRefused, dbus.BusLost) as error:
            raise FingerprintError(FingerprintReason.READER_FAILED, str(error)) from error

    async def _call(
        self, path: str, interface: str, member: str, signature: str = "", *arguments: Any
    ) -> Message:
        try:
            return await dbus.call(
                self._bus, self._destination, path, interface, member, signature, *arguments
            )
        except dbus.CallRefused as error:
            reason = _REASONS.get(error.name, FingerprintReason.READER_FAILED)
            if error.nobody and self._destination == FPRINTD:
                reason = FingerprintReason.NO_FPRINTD
            raise FingerprintError(reason, str(error)) from error
        except dbus.BusLost as error:
            raise FingerprintError(FingerprintReason.READER_FAILED, str(error)) from error
