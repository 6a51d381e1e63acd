"""The ceremony as it should go, step by step, with a scripted person or a real one."""

from __future__ import annotations

from dataclasses import dataclass

from nearproof.config.home import Home
from nearproof.daemon import account
from nearproof.daemon.backend.wire import DeviceState
from nearproof.daemon.demo import people
from nearproof.daemon.demo.audience import Audience
from nearproof.daemon.demo.errors import ActorFailed
from nearproof.daemon.demo.people import ACCOUNT
from nearproof.daemon.demo.stage import Actor, Event, Stage
from nearproof.daemon.join import Joined
from nearproof.daemon.laptop import Laptop
from nearproof.daemon.locale import marked
from nearproof.daemon.tasks import alongside
from nearproof.daemon.verifying import NOT_CLAIMED

ROUNDS = 4  # the scripted person types no faster than the rounds go


@dataclass(frozen=True)
class Played:
    """What an honest ceremony left behind."""

    code: str
    seconds: float  # from the QR on OLD's screen to the bundle accepted


async def prepare(stage: Stage, audience: Audience) -> None:
    """A laptop with an activated authenticator, and one without."""
    await people.prepare(stage)
    audience.watching = True
    audience.says("backend", "", "Serving at {url}.", url=stage.url)
    audience.says(
        "old",
        "",
        "Has become the first laptop of {account} before the show: joined to the backend, "
        "activated with an invite, an SMS code and the PIN {pin}.",
        account=ACCOUNT,
        pin=people.PIN,
    )
    audience.says("new", "", "Has joined the backend, and is nobody's yet.")


async def play(stage: Stage, audience: Audience) -> Played:
    """All 26 steps: returns when NEW is active."""
    return await alongside(_steps(stage, audience), stage.ring())


async def _steps(stage: Stage, audience: Audience) -> Played:
    audience.says("old", "1-3", "“Open the menu, choose Activate, Copy”: nearproof old copy")
    old = await stage.old_copy()
    await old.until("copy_ordered")
    # NEW gets ready meanwhile; what it says is held back until its turn on the page.
    audience.hold("new")
    new = await stage.new_copy(photo=str(stage.photo), proof=str(stage.bundle))
    shown = await old.until("qr_shown")
    audience.picture(marked("OLD's screen:"), stage.qr, 45)
    audience.says("new", "13-15", "“Get started, copy from another”: nearproof new copy")
    audience.release("new")
    await new.until("qr_scanned")
    audience.picture(marked("the frame in which NEW's camera read it:"), stage.photo, 64)
    return await finish(stage, audience, old, new, shown["t"])


async def finish(stage: Stage, audience: Audience, old: Actor, new: Actor, shown: float) -> Played:
    """From the QR on OLD's screen to an active NEW."""
    code = await exchange(stage, old, new, audience)
    accepted = await new.until("accepted")
    for actor in (old, new):
        if await actor.exit_code():
            raise ActorFailed(f"{actor.name}: {actor.failure().get('text')}")
    return Played(code, accepted["t"] - shown)


async def judge(stage: Stage, audience: Audience) -> None:
    """What `nearproof verify` says of the proof, under the issuer key that NEW has pinned."""
    judge = await stage.run("verifier", "verify", str(stage.bundle), home="new")
    said = await judge.until("proof_holds")
    median = said["rtt_median_us"] / 1000
    audience.says(
        "verifier",
        "",
        "{rounds} rounds, median {median} ms: evidence only.",
        rounds=said["rounds"],
        median=round(median, 1),
    )
    audience.says("verifier", "", NOT_CLAIMED)
    await judge.exit_code()


async def stand(stage: Stage, audience: Audience) -> None:
    """Step 26 and the page's last words: `nearproof status` on both, the old one too.

    By the function behind the command, in this process.  Raises `ActorFailed` unless both are
    active.
    """
    for name, step in (("new", "26"), ("old", "z")):
        home = Home(stage.folder / name)
        nobody = people.Backstage(people.Person(stage.sms))
        standing = await account.status(Laptop(home, home.settings(), nobody))
        if standing.state != DeviceState.ACTIVE:
            raise ActorFailed(f"{name}: {standing.state}")
        audience.status(name, step, standing)
    audience.says(
        "old", "z", "Keep this one as a spare, or revoke it: nearproof devices revoke old"
    )


def joined_by(stage: Stage, name: str) -> Joined:
    """The backend as the laptop `name` knows it."""
    backend = Home(stage.folder / name).backend()
    assert backend is not None  # noqa: S101 - `prepare` joined it
    return Joined(backend.url, backend.certificate, backend.issuer)


async def exchange(stage: Stage, old: Actor, new: Actor, audience: Audience) -> str:
    """From the scan to the right code, typed on OLD; returns the code."""
    code: str = (await new.until("code"))["code"]
    await old.until("code_wanted")
    if stage.human is None:
        await rounds(old)
        audience.types("old", "19", "code", f"{code[:3]} {code[3:]}")
        old.type(code)
    await old.until("delivered")
    return code


async def rounds(old: Actor) -> list[Event]:
    """Wait until every round has been timed or lost."""
    return [await old.until("round") for _ in range(ROUNDS)]
