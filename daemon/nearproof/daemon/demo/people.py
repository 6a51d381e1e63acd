"""The people of a demo: who types what, their phone, and the laptop prepared out of sight."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nearproof.config.home import Backend, Home
from nearproof.config.settings import Settings
from nearproof.daemon.console import Console, InputNeeded
from nearproof.daemon.laptop import Laptop

if TYPE_CHECKING:
    from nearproof.daemon.demo.stage import Stage

ACCOUNT = "anna"
PIN = "839274"
PHONE = "+4512345678"
CODE = re.compile(r"\b([0-9]{6})\b")  # in an SMS
BEFORE_THE_SHOW = 3  # SMS that `prepare` causes: it begins, a code, OLD is active
SMS_POLL = 0.05  # seconds between looks at the phone
KNOWN = {
    "start": "yes",
    "pin": PIN,
    "consent": "yes",
    "qr_is_shown": "yes",
    "user": ACCOUNT,
    "new_pin": PIN,
    "new_pin_again": PIN,
    "fingerprint": "no",
    "notifications": "yes",
}


class Phone:
    """This account's phone: what the backend's file port has sent."""

    def __init__(self, sms: Path) -> None:
        self._sms = sms

    def texts(self) -> list[str]:
        """Every SMS so far, the newest last."""
        lines = self._sms.read_text().splitlines() if self._sms.exists() else []
        return [json.loads(line)["text"] for line in lines]

    def codes(self) -> list[str]:
        """The codes among them."""
        return [match[1] for text in self.texts() if (match := CODE.search(text))]


class Person:
    """What the scripted person types wherever it is asked for: PIN, SMS code, yes."""

    def __init__(self, sms: Path) -> None:
        self._phone = Phone(sms)
        self.seen = len(self._phone.codes())  # codes that are no news

    async def answer(self, what: str) -> str | None:
        """The line to type; None for what the story itself types."""
        return await self._code() if what == "sms_code" else KNOWN.get(what)

    async def _code(self) -> str:
        """The newest code on the phone that was not there before."""
        while len(codes := self._phone.codes()) <= self.seen:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(SMS_POLL)
        return codes[-1]


class Backstage(Console):
    """Who sits at a laptop before the curtain rises: types what is asked for, and says nothing."""

    def __init__(self, person: Person) -> None:
        super().__init__(role="backstage", as_json=True, out=io.StringIO())
        self._person = person

    async def ask(self, what: str, step: str = "", *, hidden: bool = False, **fields: Any) -> str:
        """The scripted person's line."""
        if (typed := await self._person.answer(what)) is None:
            raise InputNeeded(what)
        return typed


async def prepare(stage: Stage) -> None:
    """OLD joined and activated as the account's first laptop, NEW joined; both out of sight.

    By the functions behind `nearproof join`, `backend invite` and `new activate`, in this
    process: a demo has no time for four more.
    """
    from nearproof.daemon import new
    from nearproof.daemon.backend.admin import invite
    from nearproof.daemon.backend.policy import BackendPolicy

    old, _ = await asyncio.gather(_joined(stage, "old"), _joined(stage, "new"))
    code = await asyncio.to_thread(
        invite, stage.folder / "backend", ACCOUNT, BackendPolicy(), phone=PHONE
    )
    front = Backstage(Person(stage.sms))
    await new.activate(Laptop(old, Settings(label="old"), front), code)


async def _joined(stage: Stage, name: str) -> Home:
    from nearproof.daemon.join import join

    home = Home(stage.folder / name)
    joined = await join(stage.join_line)
    home.save_backend(Backend(joined.url, joined.certificate, joined.issuer))
    return home
