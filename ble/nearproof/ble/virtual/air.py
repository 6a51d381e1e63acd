"""The air as a process: `python -m nearproof.ble.virtual.air --socket PATH`.

Every host that connects gets a controller of its own and speaks HCI to it in UART framing
(H4, Core Spec Vol 4 Part A): Bumble hosts, or a kernel through btattach.  When the air is
ready it prints one line of JSON with its address; with `--control` it then reads settings
from stdin, one JSON object a line, and ends when stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import itertools
import json
import logging
import random
import struct
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from bumble import hci
from bumble.transport.common import HCI_PACKET_INFO

from nearproof.ble.virtual.btsnoop import Btsnoop
from nearproof.ble.virtual.connection import HostFault
from nearproof.ble.virtual.controller import AirController
from nearproof.ble.virtual.medium import Air, AirSettings, with_changes

logger = logging.getLogger(__name__)

MAX_HOSTS: Final = 256
_FROM_HOST: Final = (hci.HCI_COMMAND_PACKET, hci.HCI_ACL_DATA_PACKET)
_TURN: Final = 16  # packets of one host before the others get a turn
_ADVERTS_UP_TO: Final = 32 * 1024  # bytes unread by a host beyond which it hears no adverts
_UNREAD_UP_TO: Final = 256 * 1024  # bytes unread beyond which a host is disconnected


Tap = Callable[[bytes], None]


def _unheard(_packet: bytes) -> None:
    return None


class HostSocket:
    """The way from a controller to its host, with a bound on what a host leaves unread."""

    def __init__(self, writer: asyncio.StreamWriter, heard: Tap) -> None:
        """`heard` is told every packet that goes to the host."""
        self._writer = writer
        self._heard = heard

    def on_packet(self, packet: bytes) -> None:
        """Send one H4 packet; adverts are dropped, as by a real controller, when it lags."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        unread = transport.get_write_buffer_size()
        if unread > _UNREAD_UP_TO:
            transport.abort()
        elif unread <= _ADVERTS_UP_TO or not _is_advert(packet):
            self._heard(packet)
            self._writer.write(packet)


def _is_advert(packet: bytes) -> bool:
    return packet[:2] == bytes([hci.HCI_EVENT_PACKET, hci.HCI_LE_META_EVENT]) and packet[
        3:4
    ] == bytes([hci.HCI_LE_ADVERTISING_REPORT_EVENT])


async def _read_packet(reader: asyncio.StreamReader) -> bytes:
    """Read one H4 packet; raises `HostFault` for what no host may send."""
    kind = await reader.readexactly(1)
    if kind[0] not in _FROM_HOST:
        raise HostFault(f"H4 packet type 0x{kind[0]:02x}")
    length_size, before_length, length_format = HCI_PACKET_INFO[kind[0]]
    header = await reader.readexactly(before_length + length_size)
    (length,) = struct.unpack_from("<" + length_format, header, before_length)
    return kind + header + await reader.readexactly(length)


async def _serve_host(
    controller: AirController,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    heard: Tap,
) -> None:
    for turn in itertools.count(1):
        packet = await _read_packet(reader)
        if writer.is_closing():  # what it sent before it was put off does not matter any more
            return
        heard(packet)
        try:
            controller.on_packet(packet)
        except HostFault:
            raise
        except Exception as error:  # Bumble's parsers raise anything on malformed packets
            raise HostFault(f"unusable packet: {error!r}") from error
        if turn % _TURN == 0:
            await asyncio.sleep(0)  # a host that floods must not keep the others waiting


class AirServer:
    """Lets hosts onto one air."""

    def __init__(self, air: Air, snoop: Btsnoop | None = None) -> None:
        self.air = air
        self._snoop = snoop
        self._numbers = itertools.count(1)
        self._hosts: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def on_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one host until it goes or breaks the rules."""
        if len(self._hosts) >= MAX_HOSTS:
            writer.close()
            return
        number = next(self._numbers)
        # Locally administered, so that it is nobody's; the kernel refuses two alike.
        address = hci.Address(
            (0x02_00_00_00_00_00 | number & 0xFFFFFFFF).to_bytes(6, "little"),
            hci.Address.PUBLIC_DEVICE_ADDRESS,
        )
        controller = AirController(f"host {number}", self.air, address)
        to_host, from_host = self._taps(number, address)
        controller.host = HostSocket(writer, to_host)
        self._hosts[writer] = asyncio.current_task()
        try:
            await _serve_host(controller, reader, writer, from_host)
        except HostFault as fault:
            logger.warning("host %d is put off the air: %s", number, fault)
        except (asyncio.IncompleteReadError, ConnectionError):
            logger.debug("host %d is gone", number)
        finally:
            del self._hosts[writer]
            controller.silence()
            controller.host = None
            self.air.remove_controller(controller)
            writer.transport.abort()  # a host that does not read would hold up a close

    def _taps(self, number: int, address: hci.Address) -> tuple[Tap, Tap]:
        """Where the packets to and from this host are noted."""
        snoop = self._snoop
        if snoop is None:
            return _unheard, _unheard
        snoop.host(number, bytes(address))
        return functools.partial(snoop.to_host, number), functools.partial(snoop.from_host, number)

    async def close(self) -> None:
        """Put every host off the air."""
        tasks = [task for task in self._hosts.values() if task is not None]
        for writer in self._hosts:
            writer.transport.abort()
        await asyncio.gather(*tasks)


@contextlib.asynccontextmanager
async def open_air(
    *,
    path: Path | None = None,
    port: int = 0,
    settings: AirSettings | None = None,
    rng: random.Random | None = None,
    btsnoop: Path | None = None,
) -> AsyncIterator[tuple[Air, str]]:
    """Run an air in this event loop; yields it and its address for the ports ("air:...").

    It listens on a unix socket, or without a path on a loopback TCP port (0: any free one).
    `rng` draws losses and advert delays; all HCI traffic goes to the file `btsnoop`, if given.
    Raises `OSError` if it cannot listen or write there.
    """
    air = Air(settings or AirSettings(), rng or random.Random())  # noqa: S311  # no secret
    snoop = Btsnoop(btsnoop) if btsnoop is not None else None
    hosts = AirServer(air, snoop)
    if path is not None:
        server = await asyncio.start_unix_server(hosts.on_connect, path)
        address = f"air:{path}"
    else:
        server = await asyncio.start_server(hosts.on_connect, "127.0.0.1", port)
        address = f"air:127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield air, address
    finally:
        server.close()
        await hosts.close()
        await server.wait_closed()
        for channel in list(air.channels):
            channel.close()
        if snoop is not None:
            snoop.close()
        if path is not None:
            _remove(path)  # Python does so by itself from 3.13


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _follow_stdin(air: Air) -> None:
    """Apply settings from stdin until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        functools.partial(asyncio.StreamReaderProtocol, reader), sys.stdin
    )
    async for line in reader:
        try:
            changes = json.loads(line)
            if not isinstance(changes, dict):
                raise ValueError("not a JSON object")
            air.settings = with_changes(air.settings, changes)
        except ValueError as error:
            print(json.dumps({"error": str(error)}), flush=True)
        else:
            print(json.dumps({"applied": changes}), flush=True)


async def _run(arguments: argparse.Namespace) -> None:
    settings = AirSettings(
        connection_interval=arguments.connection_interval,
        advert_interval=arguments.advert_interval,
        loss=arguments.loss,
        rssi=arguments.rssi,
    )
    rng = random.Random(arguments.seed)  # noqa: S311  # no secret
    where = {"path": arguments.socket, "port": arguments.port, "btsnoop": arguments.btsnoop}
    async with open_air(**where, settings=settings, rng=rng) as (air, address):
        print(json.dumps({"ready": address}), flush=True)
        if arguments.control:
            await _follow_stdin(air)
        else:
            await asyncio.get_running_loop().create_future()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--socket", type=Path, metavar="PATH", help="listen on a unix socket")
    where.add_argument("--port", type=int, default=0, help="listen on 127.0.0.1 (default: any)")
    parser.add_argument("--connection-interval", type=float, metavar="MS")
    parser.add_argument("--advert-interval", type=float, metavar="MS")
    parser.add_argument("--loss", type=float, default=0.0, metavar="0..1")
    parser.add_argument("--rssi", type=int, default=AirSettings().rssi, metavar="DBM")
    parser.add_argument("--seed", type=int, help="of the losses and delays drawn")
    parser.add_argument("--btsnoop", type=Path, metavar="FILE", help="write all HCI traffic here")
    parser.add_argument("--control", action="store_true", help="settings on stdin; end with it")
    return parser


def main() -> None:
    """Run the air until interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(_parser().parse_args()))


if __name__ == "__main__":
    main()
