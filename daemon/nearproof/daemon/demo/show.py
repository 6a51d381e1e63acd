"""The demo from start to end."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from nearproof.daemon.console import Console
from nearproof.daemon.demo import attacks, story
from nearproof.daemon.demo.audience import Audience
from nearproof.daemon.demo.stage import open_stage
from nearproof.daemon.locale import marked


async def show(
    console: Console, *, seed: int, attack: str | None, wait: int, interactive: bool
) -> None:
    """Play the ceremony, or an attack on it.  Raises `AttackSucceeded`, `ActorFailed`."""
    audience = Audience(console)
    began = time.monotonic()
    human = audience.ask if interactive else None
    with tempfile.TemporaryDirectory(prefix="nearproof-demo-") as folder:
        audience.heading(wait, interactive=interactive)
        async with open_stage(
            Path(folder),
            wait=wait,
            seed=seed,
            watch=audience.watch,
            language=console.language,
            human=human,
        ) as stage:
            await story.prepare(stage, audience)
            if attack is not None:
                await attacks.attack(attack, stage, audience)
                return
            played = await story.play(stage, audience)
            await story.stand(stage, audience)
            await story.judge(stage, audience)
            took = time.monotonic() - began
            audience.result(
                "finished",
                marked(
                    "Done: all 26 steps in {total_seconds} s; {seconds} s of them from the QR on "
                    "OLD's screen to the proof accepted."
                ),
                seconds=round(played.seconds, 2),
                total_seconds=round(took, 1),
            )
