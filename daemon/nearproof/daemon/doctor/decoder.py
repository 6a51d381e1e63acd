"""The process that reads QR codes: it is started for real, as for a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nearproof.daemon.doctor.checks import (
    NOT_YET,
    Area,
    Check,
    Result,
    Role,
    Target,
    fail,
    ok,
    warn,
)
from nearproof.daemon.outcomes.kinds import Exit
from nearproof.qr.channel import Asker, ChildLost
from nearproof.qr.scanner import START_TIMEOUT
from nearproof.qr.store import FrameStore
from nearproof.qr.wire import REHEARSED, Rehearsed

CHILD: Final = "nearproof.qr.decode_child"


@dataclass(frozen=True, slots=True)
class DecoderFacts:
    """The decoder's first word, or why there was none."""

    word: Rehearsed | None
    lost: str = ""


async def gather(_target: Target) -> DecoderFacts:
    """Start the decoder, let it rehearse, and end it."""
    store = FrameStore()
    decoder = Asker(CHILD)
    try:
        await decoder.start(store.read_only_fd)
        word = await decoder.hear(REHEARSED, START_TIMEOUT)
    except ChildLost as loss:
        return DecoderFacts(None, ": ".join(filter(None, (str(loss), decoder.last_words()))))
    finally:
        await decoder.stop()
        store.close()
    return DecoderFacts(word)


def starts(facts: DecoderFacts) -> Result:
    """The QR reader starts, and reads a code of its own."""
    if facts.word is None:
        return fail(
            "the QR reader does not start ({lost})",
            "sudo apt-get install libgl1 libglib2.0-0 libzbar0 libseccomp2",
            lost=facts.lost,
        )
    return ok("the QR reader starts")


def zbar(facts: DecoderFacts) -> Result:
    """Both readers are at hand: each reads pictures that the other cannot."""
    if facts.word is None:
        return NOT_YET
    if not facts.word.zbar:
        return warn(
            "the second QR reader, zbar, is missing: codes in a terminal are harder to read",
            "sudo apt-get install libzbar0",
        )
    return ok("both QR readers are there")


def seccomp(facts: DecoderFacts) -> Result:
    """The QR reader gives up its rights before it looks at a picture."""
    if facts.word is None:
        return NOT_YET
    if not facts.word.confined:
        return warn(
            "the QR reader runs without its sandbox: a hostile picture could do more harm",
            "sudo apt-get install libseccomp2",
        )
    return ok("the QR reader is confined by seccomp")


_NEW: Final = frozenset({Role.NEW})

DECODER: Final = Area(
    gather,
    (
        Check("qr.decoder", _NEW, Exit.CAMERA, starts),
        Check("qr.zbar", _NEW, Exit.CAMERA, zbar),
        Check("qr.seccomp", _NEW, Exit.CAMERA, seccomp),
    ),
)
