"""The methods of `io.nearproof.Laptop`: each runs a role, or asks the account."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from nearproof.config.home import Home
from nearproof.daemon import account
from nearproof.daemon.console import Front
from nearproof.daemon.control import interface as io
from nearproof.daemon.control.front import FarFront
from nearproof.daemon.control.serving import Method, Say
from nearproof.daemon.control.varlink import Link, VarlinkError, invalid_parameter
from nearproof.daemon.laptop import Laptop
from nearproof.daemon.outcomes import tell_slots
from nearproof.daemon.provider import ProviderError

COMMAND_SIZE: Final = 16  # bytes of a running command's name: who knows it may answer


class LaptopService:
    """One laptop, for every connection to it.

    `daemon`: it is the daemon that serves; `changed` is called when a method may have changed
    the home or what the account is doing.
    """

    def __init__(self, home: Home, *, daemon: bool, changed: Callable[[], None]) -> None:
        self._home = home
        self._daemon = daemon
        self._changed = changed
        self._fronts: dict[str, FarFront] = {}

    def methods(self) -> dict[str, Method]:
        """By their names in the interface."""
        return {
            "OldCopy": Method(io.OldCopy, self._old_copy, streams=True),
            "NewCopy": Method(io.NewCopy, self._new_copy, streams=True),
            "NewActivate": Method(io.NewActivate, self._new_activate, streams=True),
            "NewCancel": Method(io.NewCancel, self._new_cancel, streams=True),
            "Prove": Method(io.Prove, self._prove, streams=True),
            "Choose": Method(io.Choose, self._choose, streams=True),
            "Answer": Method(io.Answer, self._answer),
            "Status": Method(io.Nothing, self._status),
            "Devices": Method(io.Nothing, self._devices),
            "Revoke": Method(io.Revoke, self._revoke),
            "Cancel": Method(io.Nothing, self._cancel),
        }

    # -- what takes a person through something ------------------------------------------------

    async def _old_copy(self, takes: io.OldCopy, say: Say, link: Link) -> io.SaidReply:
        from nearproof.daemon import old

        with self._front(takes, say, link) as front:
            await old.copy(self._laptop(front, radio=takes.radio), front.view)
        return io.SaidReply()

    async def _new_copy(self, takes: io.NewCopy, say: Say, link: Link) -> io.SaidReply:
        from nearproof.daemon import new

        with self._front(takes, say, link) as front:
            await new.copy(
                self._laptop(front, radio=takes.radio, camera=takes.camera, label=takes.label),
                user=takes.user,
                proof=_path("proof", takes.proof),
                photo=_path("photo", takes.photo),
            )
        return io.SaidReply()

    async def _new_activate(self, takes: io.NewActivate, say: Say, link: Link) -> io.SaidReply:
        from nearproof.daemon import new

        with self._front(takes, say, link) as front:
            await new.activate(self._laptop(front, label=takes.label))
        return io.SaidReply()

    async def _new_cancel(self, takes: io.NewCancel, say: Say, link: Link) -> io.SaidReply:
        from nearproof.daemon import new

        with self._front(takes, say, link) as front:
            await new.cancel(self._laptop(front))
        return io.SaidReply()

    async def _prove(self, takes: io.Prove, say: Say, link: Link) -> io.SaidReply:
        from nearproof.daemon import new

        with self._front(takes, say, link) as front:
            bundle = await new.prove(
                self._laptop(front, radio=takes.radio, camera=takes.camera, label=takes.label)
            )
        return io.SaidReply(bundle=bundle)

    async def _choose(self, takes: io.Choose, say: Say, link: Link) -> io.SaidReply:
        from nearproof.daemon import choices

        with self._front(takes, say, link) as front:
            await choices.choose(
                self._laptop(front),
                fingerprint=takes.fingerprint,
                notifications=takes.notifications,
            )
        return io.SaidReply()

    async def _answer(self, takes: io.Answer, _say: Say, _link: Link) -> io.Nothing:
        front = self._fronts.get(takes.command)
        if front is None or not front.answer(takes.question, takes.value):
            raise VarlinkError(io.NO_SUCH_QUESTION)
        return io.Nothing()

    # -- what the account is asked ------------------------------------------------------------

    async def _status(self, _takes: io.Nothing, _say: Say, _link: Link) -> io.StatusReply:
        status = await account.status(self._laptop(_nobody()))
        return io.StatusReply(msgspec.structs.replace(status, daemon=self._daemon))

    async def _devices(self, _takes: io.Nothing, _say: Say, _link: Link) -> io.Devices:
        return io.Devices(await account.devices(self._laptop(_nobody())))

    async def _revoke(self, takes: io.Revoke, _say: Say, _link: Link) -> io.Nothing:
        await account.revoke(self._laptop(_nobody()), takes.kid)
        self._changed()
        return io.Nothing()

    async def _cancel(self, _takes: io.Nothing, _say: Say, _link: Link) -> io.Cancelled:
        laptop = self._laptop(_nobody())
        cancelled = await account.cancel(laptop)
        self._changed()
        return io.Cancelled(cancelled, laptop.device().account)

    # -- what both need -----------------------------------------------------------------------

    def _laptop(self, front: Front, **given: str | None) -> Laptop:
        """This laptop; what a caller gives wins over `config.toml`, which may change meanwhile."""
        chosen = {name: value for name, value in given.items() if value is not None}
        return Laptop(self._home, msgspec.structs.replace(self._home.settings(), **chosen), front)

    @contextlib.contextmanager
    def _front(self, takes: io.Guided, say: Say, link: Link) -> Iterator[FarFront]:
        """A front for one running method, which may be answered under its name."""
        command = secrets.token_hex(COMMAND_SIZE)

        def told(said: io.Said) -> None:
            say(io.SaidReply(said))

        front = self._fronts[command] = FarFront(
            command,
            told,
            link.busy,
            language=takes.language or "en",
            watches=bool(takes.preview),
        )
        try:
            yield front
        except ProviderError as error:
            tell_slots(front, error)
            raise
        finally:
            del self._fronts[command]
            self._changed()


def _nobody() -> FarFront:
    """Nobody is told or asked anything."""
    return FarFront("", lambda said: None, lambda: False)


def _path(parameter: str, given: str | None) -> Path | None:
    """A path that means the same in every process."""
    if given is not None and not Path(given).is_absolute():
        raise invalid_parameter(parameter)
    return Path(given) if given is not None else None
