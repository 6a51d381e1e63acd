"""The process that reads QR codes: `python -m nearproof.qr.decode_child CHANNEL STORE`.

It maps the frames read-only and, once it has said its first word, can open nothing: no file,
no socket, no program.  Whatever a hostile picture makes of zbar or zxing ends here.
"""

from __future__ import annotations

import mmap
import sys
import time
from typing import Final

import cv2
import numpy as np
import zxingcpp

from nearproof.qr.channel import Answerer
from nearproof.qr.decode import HAS_ZBAR, Decoder
from nearproof.qr.measure import measure
from nearproof.qr.prefix import PXP1, is_ours
from nearproof.qr.sandbox import confine, limit
from nearproof.qr.store import map_for_reading
from nearproof.qr.wire import LOOKS, Look, Rehearsed, Seen

_MAX_TEXT: Final = 1024  # characters handed on; no text of ours is as long


def look(decoder: Decoder, frames: mmap.mmap, question: Look) -> Seen:
    """What the frame in the store holds."""
    began = time.perf_counter()
    height, width = question.height, question.width
    grey = np.frombuffer(frames, np.uint8, height * width).reshape(height, width)
    reading = decoder.read(grey, thorough=question.still)
    ours = [text[:_MAX_TEXT] for text in reading.texts if is_ours(text)]
    return Seen(
        texts=sorted(ours, key=lambda text: not text.startswith(PXP1)),
        foreign=len(ours) < len(reading.texts),
        milliseconds=(time.perf_counter() - began) * 1000,
        measure=None if reading.texts else measure(grey, reading.candidate),
    )


def rehearse() -> None:
    """Read one real code by every way there is: zbar opens its iconv tables only then."""
    code = zxingcpp.create_barcode("REHEARSAL", zxingcpp.BarcodeFormat.QRCodeModel2)
    picture = np.array(code.to_image(scale=6), dtype=np.uint8)
    frame = np.full((480, 640), 255, np.uint8)
    frame[100 : 100 + picture.shape[0], 100 : 100 + picture.shape[1]] = picture
    reading = Decoder(wanted=lambda text: False).read(frame, thorough=True)
    measure(frame, reading.candidate)


def main() -> None:
    """Rehearse, give up every right, then answer until the daemon is gone."""
    limit()
    channel, store = int(sys.argv[1]), int(sys.argv[2])
    cv2.setNumThreads(1)
    frames = map_for_reading(store)
    answerer = Answerer(channel, LOOKS)
    decoder = Decoder(wanted=is_ours)
    rehearse()
    answerer.say(Rehearsed(confined=confine(), zbar=HAS_ZBAR))
    while (question := answerer.question()) is not None:
        answerer.say(look(decoder, frames, question))


if __name__ == "__main__":
    main()
