"""`nearproof` with its radio and its person watched: `python -m hil.watched ARGUMENTS...`.

Between the events of `--json` it prints more, with the same clock `t`: when NEW's radio found
the advert, was connected and subscribed, when the proof was on disk, and when the person's
answer arrived.  It changes nothing else.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from nearproof.ble.ports import Advert, Central, Channel, Link, LinkEvents
from nearproof.config.home import Enrolment, Home
from nearproof.daemon import cli, console, new, radio


def say(event: str, at: float | None = None) -> None:
    """Print one event, in one write, so that it splits no other line."""
    record = {"t": round(time.monotonic() if at is None else at, 6), "event": event}
    os.write(1, json.dumps(record).encode() + b"\n")


class WatchedCentral:
    """A central that says what it is doing; all else is the real one's."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self._heard = 0.0  # when the last advert came; the driver connects to none before it

    async def open(self) -> None:
        await self._central.open()

    @asynccontextmanager
    async def scan(self) -> AsyncIterator[AsyncIterator[Advert]]:
        async with self._central.scan() as adverts:
            yield self._noting(adverts)

    async def _noting(self, adverts: AsyncIterator[Advert]) -> AsyncIterator[Advert]:
        async for advert in adverts:
            self._heard = time.monotonic()
            yield advert

    async def connect(self, advert: Advert, events: LinkEvents) -> Link:
        say("radio_found", self._heard)
        link = await self._central.connect(advert, events)
        say("radio_connected")
        return WatchedLink(link)

    async def close(self) -> None:
        await self._central.close()


class WatchedLink:
    """A link that says when it is subscribed."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.write = link.write
        self.unsubscribe = link.unsubscribe
        self.disconnect = link.disconnect

    @property
    def mtu(self) -> int:
        return self._link.mtu

    async def subscribe(self, channel: Channel) -> None:
        await self._link.subscribe(channel)
        say(f"radio_subscribed_{channel.value}")


def main() -> None:
    """Run the command line."""
    ask, save = console.Console.ask, Home.save_enrolment

    async def watched_ask(self: console.Console, what: str, *rest: Any, **fields: Any) -> str:
        answer = await ask(self, what, *rest, **fields)
        say(f"answered_{what}")
        return answer

    def watched_save(self: Home, enrolment: Enrolment | None) -> None:
        save(self, enrolment)
        if enrolment is not None:
            say("stored")

    with (
        patch.object(new, "open_central", lambda spec: WatchedCentral(radio.open_central(spec))),
        patch.object(console.Console, "ask", watched_ask),
        patch.object(Home, "save_enrolment", watched_save),
    ):
        cli.main()


if __name__ == "__main__":
    main()
