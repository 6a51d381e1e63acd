"""The Varlink wire format: JSON objects, each ended by one NUL byte (https://varlink.org).

Written here and not taken: of the two libraries the reference one works with threads, and the
asyncio one bounds neither a message nor a connection, which a socket for PINs must.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final, Self, TypeVar

import msgspec

T = TypeVar("T")

MAX_CALL: Final = 64 * 1024  # bytes of a message to the service
MAX_REPLY: Final = 4 * 1024 * 1024  # bytes of a message to a client: a camera's frame fits
MAX_UNREAD: Final = 2 * MAX_REPLY  # bytes that wait for a client that does not read

SERVICE: Final = "org.varlink.service"


class Malformed(Exception):
    """Bytes that are no Varlink message, or too many of them."""


class Unread(ConnectionError):
    """The other side takes nothing any more."""


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """A method that is called; its parameters are read by the method's own type."""

    method: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    oneway: bool | None = None
    more: bool | None = None
    upgrade: bool | None = None

    def __repr__(self) -> str:
        return f"Call({self.method})"


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer; `continues` if another follows, `error` if it is a refusal."""

    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    continues: bool | None = None
    error: str | None = None

    def __repr__(self) -> str:
        return f"Reply({self.error or 'parameters'})"


class VarlinkError(Exception):
    """A refusal by its name on the wire, with parameters."""

    def __init__(self, name: str, parameters: Any = None) -> None:
        self.name = name
        self.parameters = parameters if parameters is not None else {}
        super().__init__(name)


def interface_not_found(name: str) -> VarlinkError:
    """Nobody here speaks that interface."""
    return VarlinkError(f"{SERVICE}.InterfaceNotFound", {"interface": name})


def method_not_found(name: str) -> VarlinkError:
    """The interface has no such method."""
    return VarlinkError(f"{SERVICE}.MethodNotFound", {"method": name})


def invalid_parameter(name: str) -> VarlinkError:
    """A parameter is missing, unknown or of the wrong type."""
    return VarlinkError(f"{SERVICE}.InvalidParameter", {"parameter": name})


def expected_more() -> VarlinkError:
    """The method answers more than once: it must be called so."""
    return VarlinkError(f"{SERVICE}.ExpectedMore")


def read_parameters(call: Call, shape: type[T]) -> T:
    """The call's parameters, strictly.  Raises `VarlinkError` (InvalidParameter)."""
    given = bytes(call.parameters).strip()
    try:
        return msgspec.json.decode(b"{}" if given == b"null" else given, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_parameter(_culprit(str(error))) from None


def _culprit(complaint: str) -> str:
    """The name of the parameter that msgspec complains about; never its value."""
    found = re.search(r"(?:field `|\$\.)([A-Za-z_]+)", complaint)
    return found[1] if found else "parameters"


def raw(value: Any) -> msgspec.Raw:
    """The value as JSON, for a message."""
    return msgspec.Raw(msgspec.json.encode(value))


class Link:
    """One end of a connection; `limit` is the size of what may come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self, shape: type[T]) -> T | None:
        """The next message, or None at the end.  Raises `Malformed`, `ConnectionError`."""
        try:
            message = await self._reader.readuntil(b"\0")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Malformed("the connection ended within a message") from None
            return None
        except asyncio.LimitOverrunError:
            raise Malformed("a message too large") from None
        try:
            return msgspec.json.decode(message[:-1], type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(type(error).__name__) from None

    def send(self, message: Call | Reply) -> None:
        """Send without waiting; raises `Unread` where nobody takes it."""
        transport = self._writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() > MAX_UNREAD:
            raise Unread("the other side is gone")
        self._writer.write(msgspec.json.encode(message) + b"\0")

    def busy(self) -> bool:
        """Whether what was sent still waits here."""
        return self._writer.transport.get_write_buffer_size() > 0

    def end(self) -> None:
        """Say that nothing more comes; what the other side has to say still does."""
        if not self._writer.transport.is_closing():
            self._writer.write_eof()

    async def close(self) -> None:
        """Send what is left and close."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass  # it is closed, which is what was wanted

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
