"""The ceremony as it should go, with a scripted person who types what the screens ask for."""

from __future__ import annotations

from dataclasses import dataclass

from nearproof.daemon.demo.audience import Audience
from nearproof.daemon.demo.errors import ActorFailed
from nearproof.daemon.demo.stage import ACCOUNT, Actor, Event, Stage
from nearproof.daemon.locale import marked
from nearproof.daemon.verifying import NOT_CLAIMED

ROUNDS = 4  # the scripted person types no faster than the rounds go


@dataclass(frozen=True)
class Played:
    """What an honest ceremony left behind."""

    code: str
    seconds: float  # from the QR on OLD's screen to the bundle accepted


async def prepare(stage: Stage, audience: Audience) -> None:
    """A laptop with an activated authenticator, and one without."""
    await stage.enrol("old")
    await stage.done("new", "join", stage.join_line)
    audience.watching = True
    audience.says("backend", "", "Serving at {url}.", url=stage.url)
    audience.says("old", "", "Joined the backend, and is active for {account}.", account=ACCOUNT)
    audience.says("new", "", "Has joined the backend, and is nobody's yet.")


async def play(stage: Stage, audience: Audience) -> Played:
    """Both laptops side by side: returns when the backend has accepted the proof."""
    new = await stage.new_copy(photo=str(stage.photo), proof=str(stage.bundle))
    await new.until("scanning")
    old = await stage.old_copy()
    shown = await old.until("qr_shown")
    audience.picture(marked("OLD's screen:"), stage.qr, 45)
    await new.until("qr_scanned")
    audience.picture(marked("the frame in which NEW's camera read it:"), stage.photo, 64)
    return await finish(audience, old, new, shown["t"])


async def finish(audience: Audience, old: Actor, new: Actor, shown: float) -> Played:
    """From the QR on OLD's screen to the proof accepted, with an honest NEW."""
    code = await exchange(old, new, audience)
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


async def exchange(old: Actor, new: Actor, audience: Audience) -> str:
    """From the scan to the right code, typed on OLD; returns the code."""
    code: str = (await new.until("code"))["code"]
    await old.until("code_wanted")
    await rounds(old)
    audience.types("old", "19", "types {code}", code=f"{code[:3]} {code[3:]}")
    old.type(code)
    await old.until("delivered")
    return code


async def rounds(old: Actor) -> list[Event]:
    """Wait until every round has been timed or lost."""
    return [await old.until("round") for _ in range(ROUNDS)]
