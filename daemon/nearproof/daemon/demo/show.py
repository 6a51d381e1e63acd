"""The demo from start to end."""

from __future__ import annotations

import tempfile
from pathlib import Path

from nearproof.daemon.console import Console
from nearproof.daemon.demo import attacks, story
from nearproof.daemon.demo.audience import Audience
from nearproof.daemon.demo.stage import open_stage
from nearproof.daemon.locale import marked


async def show(console: Console, *, seed: int, attack: str | None, wait: int) -> None:
    """Play the ceremony, or an attack on it.  Raises `AttackSucceeded`, `ActorFailed`."""
    audience = Audience(console)
    with tempfile.TemporaryDirectory(prefix="nearproof-demo-") as folder:
        audience.heading(wait)
        async with open_stage(
            Path(folder), wait=wait, seed=seed, watch=audience.watch, language=console.language
        ) as stage:
            await story.prepare(stage, audience)
            if attack is not None:
                await attacks.attack(attack, stage, audience)
                return
            played = await story.play(stage, audience)
            await story.judge(stage, audience)
            audience.result(
                "finished",
                marked("Done: {seconds} s from the QR on OLD's screen to the proof accepted."),
                seconds=round(played.seconds, 2),
            )
