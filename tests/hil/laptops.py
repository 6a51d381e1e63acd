"""OLD and NEW, ready for ceremonies: the rig's virtual laptops or real ones, all alike.

Which ones, `hil.plan` says.  Whatever happens here goes through `Machine`, so that the same
tests run, and the same report is made, on either.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from hil.ceremony import TYPING, Ceremony, Fault, Seat, folder, play
from hil.desk import Desk, DeskError, open_desk
from hil.plan import Part, Plan, PlanError, parse
from hil.remote import Computer, RemoteError, Unreachable
from hil.role import Machine
from nearproof.ble.virtual.medium import Air
from rig.backend import ACCOUNT, open_backend
from rig.errors import GuestError
from rig.pair import open_rig

ROLES: Final = ("peripheral", "central")  # of OLD and of NEW


@dataclass(frozen=True, slots=True)
class Side:
    """One laptop of the pair."""

    machine: Machine
    seat: Seat
    radio: str
    python: tuple[str, ...]  # runs what tests/ contains: (*python, "-m", "hil.watched")
    facts: Mapping[str, str]  # kernel, bluez, ...

    @property
    def adapter(self) -> str | None:
        """BlueZ's name of its adapter; None if its radio is not BlueZ's."""
        kind, _, adapter = self.radio.partition(":")
        return adapter if kind == "bluez" else None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two laptops, a backend, and an account of which OLD is an activated laptop."""

    old: Side
    new: Side
    desk: Desk
    air: Air | None  # of the rig; None where the air is nobody's

    def ceremony(
        self,
        faults: Mapping[str, Fault] | None = None,
        *,
        typed: bool = False,
        typing: float = TYPING,
        watched: bool = False,
    ) -> AbstractAsyncContextManager[Ceremony]:
        """A ceremony as `hil.ceremony.play`; `watched` adds the events of `hil.watched`."""
        old, new = (self._watched(side) if watched else side.seat for side in (self.old, self.new))
        return play(
            self.old.machine,
            self.new.machine,
            self.desk,
            ACCOUNT,
            faults,
            seats=(old, new),
            typed=typed,
            typing=typing,
        )

    def _watched(self, side: Side) -> Seat:
        return replace(side.seat, command=(*side.python, "-m", "hil.watched"))


@asynccontextmanager
async def open_pair(spec: str = "rig") -> AsyncIterator[Pair]:
    """Make the laptops of a `--hil` ready; they are left as they were.

    Raises `PlanError` if it is wrong or a laptop is not fit, `RigError` if the rig cannot be.
    """
    plan = parse(spec)
    async with _rig() if plan is None else _real(plan) as pair:
        yield pair


@asynccontextmanager
async def _rig() -> AsyncIterator[Pair]:
    async with open_rig() as rig, open_backend(rig.laptops) as desk:
        part = Part((), "bluez:hci0")
        old, new = [
            Side(laptop, Seat(), part.radio, _python(part), await _facts(laptop, part, role))
            for laptop, role in zip(rig.laptops, ROLES, strict=True)
        ]
        yield Pair(old, new, desk, rig.air)


@asynccontextmanager
async def _real(plan: Plan) -> AsyncIterator[Pair]:
    parts = (plan.old, plan.new)
    machines = [Computer(part.reach) for part in parts]
    facts = [
        await _facts(machine, part, role)
        for machine, part, role in zip(machines, parts, ROLES, strict=True)
    ]
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(folder(machines[0]))
        # What the person sees is carried over by the test, so sharing the screen gives nothing
        # away, and OLD may be reached by ssh.
        seats = (
            Seat(
                (_nearproof(plan.old),),
                ("--home", f"{home}/old"),
                ("--radio", plan.old.radio, "--allow-shared-screen"),
            ),
            Seat((_nearproof(plan.new),), copy=("--radio", plan.new.radio)),
        )
        old, new = (
            Side(machine, seat, part.radio, _python(part), about)
            for machine, seat, part, about in zip(machines, seats, parts, facts, strict=True)
        )
        desk = await stack.enter_async_context(_backend(old, plan.address, home))
        yield Pair(old, new, desk, None)


@asynccontextmanager
async def _backend(old: Side, address: str, home: str) -> AsyncIterator[Desk]:
    """A backend beside OLD, which is made an account's first laptop."""
    command = (*old.seat.command, *old.seat.home)
    where = ("0.0.0.0:0", address)  # NEW may be afar
    try:
        async with open_desk(old.machine, command, old.python, f"{home}/backend", *where) as desk:
            await desk.activate(ACCOUNT, old.machine, *command)
            yield desk
    except DeskError as error:
        raise PlanError(f"OLD's laptop: {error}") from error


async def _facts(machine: Machine, part: Part, role: str) -> dict[str, str]:
    """What the laptop is.  Raises `PlanError` if it is not fit for `role`."""
    where = shlex.join(part.reach) or "this machine"
    try:
        said = await machine.run(*_python(part), "-m", "hil.fitness", part.radio, role)
    except Unreachable as error:
        raise PlanError(f"{where}: {error}") from None
    except (RemoteError, GuestError) as error:
        raise PlanError(
            f"{where}: there is no working checkout in {part.checkout} "
            f"(clone the same commit there and run `uv sync`):\n{error}"
        ) from None
    facts: dict[str, Any] = json.loads(said.stdout)
    if fault := facts.pop("fault"):
        raise PlanError(f"{where}: {part.radio} is not fit to be a {role}: {fault}")
    return {name: str(value) for name, value in facts.items()}


def _python(part: Part) -> tuple[str, ...]:
    return ("env", f"PYTHONPATH={part.checkout}/tests", f"{part.checkout}/.venv/bin/python")


def _nearproof(part: Part) -> str:
    return f"{part.checkout}/.venv/bin/nearproof"
