"""Each attacker of the protocol page against the running programs.

An attack is a function of the stage; its verdict names where it was stopped and with which
code.  `expected` is where the protocol says it must be.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from nearproof.ble.virtual.process import air_process
from nearproof.config import files
from nearproof.config.home import Home
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import QrPayload
from nearproof.daemon.backend.wire import EventKind
from nearproof.daemon.demo import story
from nearproof.daemon.demo.attacker import Intruder, false_new, false_old, photograph, sniffed_m1
from nearproof.daemon.demo.audience import Audience
from nearproof.daemon.demo.errors import ActorFailed, AttackSucceeded
from nearproof.daemon.demo.stage import Actor, Stage
from nearproof.daemon.demo.story import joined_by
from nearproof.daemon.locale import marked
from nearproof.daemon.provider import Provider, ProviderError
from nearproof.qr.payload import to_text
from nearproof.qr.render import png


@dataclass(frozen=True)
class Verdict:
    """Where an attack was stopped: the source page's step, and the code of the refusal."""

    step: str
    code: str
    said: str


async def screenshot(stage: Stage, audience: Audience) -> Verdict:
    """Remote: a photo of the QR, no radio near OLD.  Without the advert there is no m1."""
    old = await stage.old_copy()
    shown = await old.until("qr_shown")
    photo = stage.folder / "sent-photo.png"
    shutil.copy(stage.qr, photo)
    await stage.done("attacker", "join", stage.join_line)
    async with air_process() as elsewhere:
        thief = await stage.new_copy("attacker", radio=elsewhere, camera=f"image:{photo}")
        exit_code = await thief.exit_code()
    _ended_with(thief, exit_code, 12)
    _must(not _told(old, "bound"), "OLD was bound")
    await _honest(stage, audience, old, shown["t"])
    return Verdict(
        "19", str(thief.failure()["reason"]), marked("never found OLD's advert, exit code 12")
    )


async def neighbour(stage: Stage, audience: Audience) -> Verdict:
    """Neighbour: a radio near OLD, no QR.

    A bad m1 only disconnects it; a replayed one gets the cached m2 and nothing else.
    """
    old = await stage.old_copy()
    await old.until("qr_shown")
    guessing, replaying = Intruder(stage.air), Intruder(stage.air)
    audience.says("attacker", "19", "connects without the QR and guesses an m1")
    await guessing.says(os.urandom(86))
    guess = await old.until("refused")
    _must(guessing.heard == 0, "OLD answered an m1 that it must refuse")
    _must(not _told(old, "bound"), "OLD was bound")

    new = await stage.new_copy()
    await new.until("code")
    m1 = sniffed_m1(stage.sniffed)
    await new.stop()
    audience.says("attacker", "19", "replays NEW's m1, which it has sniffed, and guesses a t1")
    await replaying.says(m1, os.urandom(393))
    replayed = await old.until("refused")
    _must(replaying.heard == 1, f"a replayed m1 got {replaying.heard} answers, not one")
    await old.stop()
    _must(not _told(old, "proof_made"), "OLD made a proof")

    audience.says("old", "", "the honest laptops start over: a new QR code, no new waiting time")
    await story.play(stage, audience)
    codes = f"{guess['reason']}; {replayed['reason']}"
    return Verdict(
        "19", codes, marked("got no answer to a guess, and only the cached m2 to a replay")
    )


async def specter(stage: Stage, audience: Audience) -> Verdict:
    """Specter: a photo of the QR and a box in range.  The check code stops it."""
    old = await stage.old_copy()
    await old.until("qr_shown")
    qr = await photograph(stage.qr)
    issuer = joined_by(stage, "old").issuer
    async with false_new(stage.air, qr, issuer) as code:
        await old.until("code_wanted")
        true_code = await code
        audience.says("attacker", "19", "is bound to the QR; only its own screen shows the code")
        await story.rounds(old)
        blind = f"{(int(true_code) + 1) % 1_000_000:06}"  # what the user can see is not this code
        audience.says("old", "", "the user cannot see the attacker's code: types another")
        audience.types("old", "19", "code", blind)
        old.type(blind)
        exit_code = await old.exit_code()
    return await _alerted(stage, old, exit_code)


async def twin(stage: Stage, audience: Audience) -> Verdict:
    """Twin: shows NEW a QR of its own, and answers OLD's.  Two sessions, two codes."""
    old = await stage.old_copy()
    await old.until("qr_shown")
    qr = await photograph(stage.qr)
    poster = stage.folder / "attackers-qr.png"

    def show(own: QrPayload) -> None:
        files.write_bytes(poster, png(to_text(own)))

    async with (
        false_old(stage.air, show),
        false_new(stage.air, qr, joined_by(stage, "old").issuer),
    ):
        new = await stage.new_copy(camera=f"lens:{poster}?seed={stage.seed}")
        code = (await new.until("code"))["code"]
        await old.until("code_wanted")
        await story.rounds(old)
        audience.says("old", "", "the user types the code that NEW shows")
        audience.types("old", "19", "code", code)
        old.type(code)
        exit_code = await old.exit_code()
        await new.stop()
    return await _alerted(stage, old, exit_code)


async def replay(stage: Stage, audience: Audience) -> Verdict:
    """Replayer: has recorded a whole proof, and hands it in again."""
    await story.play(stage, audience)
    bundle = stage.bundle.read_bytes()
    joined = joined_by(stage, "new")
    own = Home(stage.folder / "new").device()
    _must(own is not None, "NEW is not enrolled")
    assert own is not None  # noqa: S101 - judged above
    codes = []
    for how, key in (
        (
            marked("hands the recorded proof in again, with a key of its own"),
            DeviceKey.generate(os.urandom),
        ),
        (
            marked("hands the recorded proof in again, with NEW's very key"),
            DeviceKey.from_seed(own.seed),
        ),
    ):
        audience.says("attacker", "20", how)
        async with Provider(joined, key) as provider:
            try:
                await provider.redeem(bundle, "attacker")
            except ProviderError as error:
                codes.append(f"verifier step {error.step}: {error.code}")
            else:
                raise AttackSucceeded(f"{how}: the backend took it")
    return Verdict("20", "; ".join(codes), marked("was turned away by the backend both times"))


Attack = Callable[[Stage, Audience], Awaitable[Verdict]]
ATTACKS: Final[dict[str, tuple[Attack, str, str]]] = {
    "screenshot": (screenshot, "19", "not_near"),
    "neighbour": (neighbour, "19", "bad_m1; bad_t1_seal"),
    "specter": (specter, "19", "wrong_code"),
    "twin": (twin, "19", "wrong_code"),
    "replay": (replay, "20", "verifier step 8: request_key; verifier step 8: key_redeemed"),
}
"""The attack, and the step and code at which it must be refused."""


async def attack(name: str, stage: Stage, audience: Audience) -> None:
    """Play one attack.  Raises `AttackSucceeded` unless it was refused where it must be."""
    play, step, code = ATTACKS[name]
    verdict = await play(stage, audience)
    _must(
        (verdict.step, verdict.code) == (step, code),
        f"refused at step {verdict.step} with {verdict.code}, not at {step} with {code}",
    )
    audience.result(
        "attack_refused",
        marked("Refused: the attacker ({attack}) {how}.  Step {refused_at}, code {code}."),
        attack=name,
        how=audience.words(verdict.said),
        refused_at=step,
        code=code,
    )


async def _honest(stage: Stage, audience: Audience, old: Actor, shown_at: float) -> None:
    """The same QR still serves the honest NEW."""
    audience.says("new", "", "the honest laptop goes on with the same QR code")
    await story.finish(stage, audience, old, await stage.new_copy(), shown_at)


async def _alerted(stage: Stage, old: Actor, exit_code: int) -> Verdict:
    """A wrong code ended the QR, no proof exists, and the account was told."""
    _ended_with(old, exit_code, 13)
    _must(not _told(old, "proof_made"), "OLD made a proof")
    device = Home(stage.folder / "old").device()
    assert device is not None  # noqa: S101 - the stage enrolled it
    async with Provider(joined_by(stage, "old"), DeviceKey.from_seed(device.seed)) as provider:
        heard = {event.kind for event in (await provider.events(0)).events}
    _must(EventKind.FRAUD_ALERT in heard, "the account was not alerted")
    return Verdict(
        "19", str(old.failure()["reason"]), marked("got no proof, and the account was alerted")
    )


def _told(actor: Actor, name: str) -> bool:
    return any(event["event"] == name for event in actor.told)


def _ended_with(actor: Actor, exit_code: int, expected: int) -> None:
    """Ending well is the attack's success; ending for another reason says nothing of it."""
    _must(exit_code != 0, f"{actor.name}: ended well")
    if exit_code != expected:
        raise ActorFailed(f"{actor.name}: {actor.failure().get('text', exit_code)}")


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AttackSucceeded(otherwise)
