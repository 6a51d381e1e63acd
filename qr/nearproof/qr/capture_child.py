"""The process that holds the camera: `python -m nearproof.qr.capture_child CHANNEL STORE`.

It may open devices and files, and never looks for codes in them; see `wire` for what it is
asked.
"""

from __future__ import annotations

import sys
from typing import Final, assert_never

import cv2
import numpy as np
from cv2.typing import MatLike

from nearproof.qr.channel import Answerer
from nearproof.qr.errors import CameraError, CameraReason
from nearproof.qr.sandbox import limit
from nearproof.qr.source_spec import parse_source
from nearproof.qr.sources import Source, open_source
from nearproof.qr.store import PHOTO_AT, PHOTO_SIZE, PREVIEW_AT, PREVIEW_SIZE, map_for_writing
from nearproof.qr.wire import (
    CAPTURE_QUESTIONS,
    CaptureAnswer,
    CaptureQuestion,
    End,
    Failure,
    Frame,
    Next,
    Open,
    Opened,
    Photo,
    Photograph,
    Ready,
)

_PREVIEW_WIDTH: Final = 96  # pixels; the height follows
_PHOTO_WIDTH: Final = 640


class Photographer:
    """Answers the daemon's questions out of one source."""

    def __init__(self, store_fd: int) -> None:
        self._store = np.frombuffer(map_for_writing(store_fd), np.uint8)
        self._source: Source | None = None
        self._preview = False
        self._last: MatLike | None = None

    def answer(self, question: CaptureQuestion) -> CaptureAnswer:
        """The answer to one question; a failure is an answer too."""
        try:
            match question:
                case Open():
                    return self._open(question)
                case Next():
                    return self._next()
                case Photograph():
                    return Photo(self._photograph())
                case _:
                    assert_never(question)
        except CameraError as error:
            return Failure(error.reason, error.detail)
        except (cv2.error, OSError, MemoryError, OverflowError) as error:
            return Failure(CameraReason.UNREADABLE, type(error).__name__)

    def _open(self, question: Open) -> Opened:
        if self._source is not None:
            self._source.close()
            self._source = None
        self._preview = question.preview
        self._source = open_source(parse_source(question.source))
        return Opened(self._source.name)

    def _next(self) -> Frame | End:
        if self._source is None:
            raise CameraError(CameraReason.GONE, "no source is open")
        frame = self._source.read()
        if frame is None:
            return End()
        grey = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        height, width = grey.shape
        self._store[: grey.size] = grey.ravel()
        self._last = grey
        return Frame(width, height, self._source.still, *self._write_preview(grey))

    def _write_preview(self, grey: MatLike) -> tuple[int, int]:
        if not self._preview:
            return 0, 0
        small = _shrunk(grey, _PREVIEW_WIDTH, PREVIEW_SIZE)
        self._store[PREVIEW_AT : PREVIEW_AT + small.size] = small.ravel()
        return small.shape[1], small.shape[0]

    def _photograph(self) -> int:
        if self._last is None:
            return 0
        small = _shrunk(self._last, _PHOTO_WIDTH, PHOTO_SIZE // 2)  # PNG cannot shrink noise
        encoded = cv2.imencode(".png", small)[1].ravel()
        size = int(encoded.size) if encoded.size <= PHOTO_SIZE else 0
        self._store[PHOTO_AT : PHOTO_AT + size] = encoded[:size]
        return size


def _shrunk(grey: MatLike, width: int, room: int) -> MatLike:
    """`width` wide and of at most `room` pixels."""
    height = min(max(1, round(grey.shape[0] * width / grey.shape[1])), room // width)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Answer until the daemon is gone."""
    limit()
    channel, store = int(sys.argv[1]), int(sys.argv[2])
    cv2.setNumThreads(1)
    photographer = Photographer(store)
    answerer = Answerer(channel, CAPTURE_QUESTIONS)
    answerer.say(Ready())
    while (question := answerer.question()) is not None:
        answerer.say(photographer.answer(question))


if __name__ == "__main__":
    main()
