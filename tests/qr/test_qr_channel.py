"""The line to a camera process: whatever it does, the daemon is told that it is lost."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from nearproof.qr.channel import Asker, ChildLost
from nearproof.qr.wire import CAPTURE_ANSWERS


class Do(msgspec.Struct):
    """Tells the stub what to do."""

    do: str


@pytest.mark.parametrize("what", ["garbage", "other", "long", "deep", "beyond", "exit"])
async def test_a_child_that_answers_nonsense_counts_as_lost(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bytes, an unknown kind, a cut packet, deep nesting, an offset beyond the store, an end."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    child = Asker("qr.stub_child")
    await child.start()
    try:
        with pytest.raises(ChildLost):
            await child.ask(Do(what), CAPTURE_ANSWERS, 20)
    finally:
        await child.stop()


async def test_a_silent_child_is_lost_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """And killed by `stop`, which may be called again."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    child = Asker("qr.stub_child")
    await child.start()
    with pytest.raises(ChildLost, match="no answer"):
        await child.ask(Do("nothing"), CAPTURE_ANSWERS, 0.01)
    await child.stop()
    await child.stop()
    assert child.pid is None


async def test_a_child_that_is_not_running_cannot_be_asked() -> None:
    """Before the start and after the end."""
    child = Asker("qr.stub_child")
    with pytest.raises(ChildLost):
        await child.ask(Do("exit"), CAPTURE_ANSWERS, 1)
    with pytest.raises(ChildLost):
        await child.hear(CAPTURE_ANSWERS, 1)
