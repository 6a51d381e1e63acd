"""Who is in front of the laptop, at the other end of a connection.

Everything said is one reply of the running method; a question is answered by another call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

from nearproof.daemon.console import InputNeeded
from nearproof.daemon.control.interface import Frame, Question, Said, Told
from nearproof.daemon.locale import Language


class FarFront:
    """The `Front` of a running method; `say` sends one reply.

    A client that is gone makes `say` raise, which ends the role as a closed terminal would.
    `busy` tells whether what was said before has not been taken yet: frames are dropped then.
    """

    def __init__(
        self,
        command: str,
        say: Callable[[Said], None],
        busy: Callable[[], bool],
        *,
        language: Language = "en",
        watches: bool = False,
    ) -> None:
        self._command = command
        self._language = language
        self._say = say
        self._busy = busy
        self._watches = watches
        self._numbers = count(1)
        self._open: dict[int, asyncio.Future[str | None]] = {}

    @property
    def language(self) -> Language:
        """The client's, for the few sentences that are put into others."""
        return self._language

    @property
    def watches(self) -> bool:
        """Whether the client wants frames."""
        return self._watches

    def tell(self, event: str, step: str = "", **fields: Any) -> None:
        """One event, to be put into words over there."""
        self._say(Said(self._command, told=Told(event, step, fields)))

    def failed(self, sentence: str, **fields: Any) -> None:
        """How a method ends is its last reply."""
        raise NotImplementedError

    def show(self, content: str) -> None:
        """A result for the screen over there."""
        self._say(Said(self._command, text=content))

    async def ask(self, what: str, step: str = "", *, hidden: bool = False, **fields: Any) -> str:
        """Ask over there.  Raises `InputNeeded` where nobody answers."""
        number = next(self._numbers)
        answer = self._open[number] = asyncio.get_running_loop().create_future()
        question = Question(number, what, step, hidden, fields)
        self._say(Said(self._command, asked=question))
        try:
            value: str | None = await answer
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionError):
                self._say(Said(self._command, dropped=number))
            raise
        finally:
            del self._open[number]
        if value is None:
            raise InputNeeded(what)
        return value

    def answer(self, number: int, value: str | None) -> bool:
        """Answer a question; False if it is not asked (any more)."""
        answer = self._open.get(number)
        if answer is None or answer.done():
            return False
        answer.set_result(value)
        return True

    def show_qr(self, text: str) -> AbstractContextManager[None]:
        """Have the QR code shown over there."""
        return self._showing(text)

    @contextlib.contextmanager
    def _showing(self, text: str) -> Iterator[None]:
        self._say(Said(self._command, qr=text))
        try:
            yield
        finally:
            with contextlib.suppress(ConnectionError):
                self._say(Said(self._command, qr_gone=True))

    @contextlib.asynccontextmanager
    async def view(self, text: str) -> AsyncIterator[None]:
        """The same as a `View`: how it is shown is the client's choice."""
        with self._showing(text):
            yield

    def preview(self, width: int, height: int, grey: bytes) -> None:
        """A frame, unless the client is behind with the last one."""
        if self._watches and not self._busy():
            self._say(Said(self._command, frame=Frame(width, height, grey)))
