"""The laptop's service, and the console that its words go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from nearproof.daemon.console import Console
from nearproof.daemon.control.client import Dial, Run, call
from nearproof.daemon.control.interface import SaidReply
from nearproof.daemon.views import View

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """What a command has in hand."""

    console: Console
    dial: Dial

    async def run(self, method: str, takes: msgspec.Struct, view: View | None = None) -> SaidReply:
        """A method that takes the person through something; raises as `Run` does."""
        return await Run(self.dial, self.console, view)(method, takes)

    async def call(self, method: str, shape: type[T], takes: msgspec.Struct | None = None) -> T:
        """A method that answers once; raises as `call` does."""
        return await call(self.dial, method, shape, takes)
