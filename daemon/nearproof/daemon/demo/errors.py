"""How a demo may fail."""

from __future__ import annotations


class ActorFailed(Exception):
    """A process of the demo ended, or fell silent, before it did what the story needs."""


class AttackSucceeded(Exception):
    """An attack of the demo was not refused where it must be: never to be seen."""
