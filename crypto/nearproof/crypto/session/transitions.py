"""Which state follows which: the whole life of a session in two tables.

A message that is refused is not in them: it changes the link, never the state.  A lost link is
not either: every connection begins again with m1, in whatever state the session is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from nearproof.crypto.errors import LocalError


class OldState(StrEnum):
    """OLD."""

    SHOWN = "shown"  # the QR is on display
    BOUND = "bound"  # the first valid m1 has tied it to one NEW
    PROMPT = "prompt"  # a good t1: the user is asked for the code
    PROVED = "proved"  # the right code: the proof is made, NEW has not confirmed
    DONE = "done"
    ENDED = "ended"


class OldStep(StrEnum):
    """What moves OLD."""

    M1 = "a valid m1"
    T1 = "a good t1"
    CODE = "the check code"
    ACK = "the ack"
    END = "the end"


class NewState(StrEnum):
    """NEW."""

    SCAN = "scan"  # no candidate yet
    SENT = "sent"  # m1 is out, to one candidate or more
    SHOW = "show"  # a valid m2: OLD is final, the code is shown
    DONE = "done"  # a verified bundle
    ENDED = "ended"


class NewStep(StrEnum):
    """What moves NEW."""

    M1 = "a connection"
    M2 = "a valid m2"
    T2 = "a proof that holds"
    STORED = "the bundle's storage"
    END = "the end"


OLD: Final[Mapping[OldState, Mapping[OldStep, OldState]]] = {
    OldState.SHOWN: {OldStep.M1: OldState.BOUND, OldStep.END: OldState.ENDED},
    OldState.BOUND: {OldStep.T1: OldState.PROMPT, OldStep.END: OldState.ENDED},
    OldState.PROMPT: {OldStep.CODE: OldState.PROVED, OldStep.END: OldState.ENDED},
    OldState.PROVED: {OldStep.ACK: OldState.DONE, OldStep.END: OldState.ENDED},
    OldState.DONE: {},
    OldState.ENDED: {},
}

NEW: Final[Mapping[NewState, Mapping[NewStep, NewState]]] = {
    NewState.SCAN: {NewStep.M1: NewState.SENT, NewStep.END: NewState.ENDED},
    NewState.SENT: {
        NewStep.M1: NewState.SENT,
        NewStep.M2: NewState.SHOW,
        NewStep.END: NewState.ENDED,
    },
    NewState.SHOW: {
        NewStep.M1: NewState.SHOW,
        NewStep.T2: NewState.DONE,
        NewStep.END: NewState.ENDED,
    },
    NewState.DONE: {NewStep.M1: NewState.DONE, NewStep.STORED: NewState.DONE},
    NewState.ENDED: {},
}

State = TypeVar("State", bound=StrEnum)
Step = TypeVar("Step", bound=StrEnum)


def follow(table: Mapping[State, Mapping[Step, State]], state: State, step: Step) -> State:
    """The state after this step.  Raises `LocalError` if the table does not allow it."""
    try:
        return table[state][step]
    except KeyError:
        raise LocalError(f"{step} has no place in state {state}") from None
