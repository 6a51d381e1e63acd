"""What both session machines share: the clock, the timers and the queue of outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from nearproof.crypto.errors import LocalError
from nearproof.crypto.session.actions import Output
from nearproof.crypto.session.timing import Micros

Timer = tuple[Micros, Callable[[], None]]
"""When it is due, and what happens then; what happens must take the timer away."""


class Machine(ABC):
    """A machine without a clock of its own: every input says what time it is.

    What is due by then happens first, so that a shell that wakes late decides nothing.
    """

    def __init__(self, now: Micros) -> None:
        self._now = now
        self._outputs: list[Output] = []

    def outputs(self) -> list[Output]:
        """Take the actions and events that have queued up, in order."""
        taken, self._outputs = self._outputs, []
        return taken

    def deadline(self) -> Micros | None:
        """When `tick` is due next, if ever."""
        return min((due for due, _ in self._timers()), default=None)

    def tick(self, now: Micros) -> None:
        """Let happen what is due by `now`.  Raises `LocalError` if the clock went back."""
        if now < self._now:
            raise LocalError("the clock went back")
        self._now = now
        while timers := [timer for timer in self._timers() if timer[0] <= now]:
            _, happen = min(timers, key=lambda timer: timer[0])
            happen()

    @abstractmethod
    def _timers(self) -> Iterator[Timer]:
        """Every timer that runs in the present state."""

    def _say(self, *outputs: Output) -> None:
        self._outputs.extend(outputs)
