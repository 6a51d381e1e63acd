"""The daemon's way to a QR: frames in two processes of their own, sightings and advice here.

Why two: the capturing process must be able to open devices and files, the decoder must not be
able to open anything; and a decoder that a hostile picture crashes or hangs is replaced while
the camera stays open.  Neither OpenCV nor NumPy nor a decoder is ever loaded into the daemon.

    capture_child --- frame ---> store (shared memory) --- frame ---> decode_child
         |                                                                |
         +----- one question, one answer -- Scanner -- one question ------+
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from nearproof.crypto.errors import QrError
from nearproof.qr.advice import FROM_CAMERA, AdviceReason, Adviser, objection
from nearproof.qr.channel import Asker, ChildLost
from nearproof.qr.errors import CameraError, CameraReason
from nearproof.qr.payload import from_text
from nearproof.qr.source_spec import SourceKind, parse_source
from nearproof.qr.store import FrameStore
from nearproof.qr.wire import (
    CAPTURE_ANSWERS,
    READY,
    REHEARSED,
    SEEN,
    CaptureAnswer,
    CaptureQuestion,
    Failure,
    Frame,
    Look,
    Next,
    Open,
    Photo,
    Photograph,
    Seen,
)

START_TIMEOUT: Final = 20.0  # seconds; half a second on an idle laptop
CAPTURE_TIMEOUT: Final = 15.0  # some cameras need seconds to open; three stalled reads take six
STILL_TIMEOUT: Final = 15.0  # every treatment of a large picture
RETRY: Final = 0.5  # seconds between two tries to have the camera

_MAY_PASS: Final = frozenset({CameraReason.NO_CAMERA, CameraReason.BUSY, CameraReason.GONE})


@dataclass(frozen=True, slots=True)
class Sighting:
    """A QR of ours was read; whether it is usable, `payload.from_text` says.

    The text and the photograph are as secret as the QR itself.
    """

    text: str = field(repr=False)
    frame_no: int
    decode_ms: float
    photo: bytes | None = field(default=None, repr=False)  # PNG, grey, 640 wide, if asked for


@dataclass(frozen=True, slots=True)
class ScanAdvice:
    """What stands in the way, or no longer does (CLEAR)."""

    reason: AdviceReason


@dataclass(frozen=True, slots=True)
class Preview:
    """A thumbnail of the frame under way: grey, one byte a pixel, row by row."""

    width: int
    height: int
    grey: bytes = field(repr=False)


ScanItem = Sighting | ScanAdvice | Preview


class Scanner:
    """Scan one source: `async with Scanner(source) as scanner: async for item in scanner: ...`

    Entering starts both processes, so that they load while something else happens; the source
    is opened by the first step of the iteration.  The iteration ends by itself after the first
    sighting of a usable PXP1 text, with the camera already released, or when the source has no
    more frames.  A text that many frames show in a row is reported once.

    Raises CameraError: BAD_SOURCE at once; from the iteration any other reason.  A camera that
    is absent, busy or gone is waited for, `patience` seconds.  A camera's failure is preceded by
    advice of the same name.
    """

    def __init__(
        self,
        source: str,
        *,
        preview: bool = False,
        photo: bool = False,
        patience: float = 10.0,
        frame_timeout: float = 2.0,
    ) -> None:
        """`preview` adds a `Preview` for each frame, `photo` a PNG to each sighting.

        A decoder that takes longer than `frame_timeout` seconds is killed and replaced.
        """
        self._kind = parse_source(source).kind
        self._source = source
        self._preview = preview
        self._photo = photo
        self._patience = patience
        self._frame_timeout = frame_timeout
        self._store: FrameStore
        self.capture = Asker("nearproof.qr.capture_child")
        self.decoder = Asker("nearproof.qr.decode_child")
        self._capture_ready = self._decoder_ready = self._is_open = self._ended = False
        self._adviser = Adviser()
        self._items: deque[ScanItem] = deque()
        self._failure: CameraError | None = None
        self._trouble_since: float | None = None
        self._lacks: set[AdviceReason] = set()
        self._last_texts: list[str] = []
        self._frames = 0

    async def __aenter__(self) -> Self:
        self._store = FrameStore()
        try:
            await self._start_decoder()
            await self._start_capture()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ScanItem:
        while not self._items:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            await self._step()
        return self._items.popleft()

    # -- one step: one frame, or one try to get one -----------------------------------------

    async def _step(self) -> None:
        try:
            if self._trouble_since is not None:
                await asyncio.sleep(RETRY)
            await self._make_ready()
            frame = await self._next_frame()
        except CameraError as error:
            self._bear(error)
            return
        self._trouble_since = None
        if frame is None:
            self._finish()
            return
        self._frames += 1
        if frame.preview_width:
            grey = self._store.preview(frame.preview_width * frame.preview_height)
            self._items.append(Preview(frame.preview_width, frame.preview_height, grey))
        try:
            timeout = STILL_TIMEOUT if frame.still else self._frame_timeout
            question = Look(frame.width, frame.height, frame.still)
            seen = await self.decoder.ask(question, SEEN, timeout)
        except ChildLost:
            await self._start_decoder()
            self._items.append(ScanAdvice(AdviceReason.WORKER_RESTARTED))
            return
        await self._report(seen)

    async def _make_ready(self) -> None:
        """Hear the first word of each process that was started.  Raises CameraError."""
        child = self.decoder
        try:
            if not self._decoder_ready:
                word = await child.hear(REHEARSED, START_TIMEOUT)
                self._decoder_ready = True
                self._report_lack(AdviceReason.UNCONFINED, not word.confined)
                self._report_lack(AdviceReason.NO_ZBAR, not word.zbar)
            child = self.capture
            if not self._capture_ready:
                await child.hear(READY, START_TIMEOUT)
                self._capture_ready = True
        except ChildLost as loss:
            detail = f"{loss}: {child.last_words()}"  # a missing system library, most likely
            raise CameraError(CameraReason.NO_DECODER, detail) from None

    async def _next_frame(self) -> Frame | None:
        """The next frame, None after the last.  Raises CameraError."""
        if not self._is_open:
            await self._ask_capture(Open(self._source, self._preview))
            self._is_open = True
        answer = await self._ask_capture(Next())
        return answer if isinstance(answer, Frame) else None

    async def _ask_capture(self, question: CaptureQuestion) -> CaptureAnswer:
        """What the capturing process answers; it is replaced if it does not.

        Raises CameraError.
        """
        try:
            answer = await self.capture.ask(question, CAPTURE_ANSWERS, CAPTURE_TIMEOUT)
        except ChildLost as loss:
            await self._start_capture()
            camera = self._kind is SourceKind.CAMERA
            reason = CameraReason.GONE if camera else CameraReason.UNREADABLE
            raise CameraError(reason, f"the capturing process: {loss}") from None
        if isinstance(answer, Failure):
            raise CameraError(answer.reason, answer.detail)
        return answer

    def _bear(self, error: CameraError) -> None:
        """Say what is wrong with the camera, and give up unless it may pass."""
        now = asyncio.get_running_loop().time()
        self._is_open = False
        camera = self._kind is SourceKind.CAMERA
        if camera and error.reason in FROM_CAMERA:
            self._advise(self._adviser.say(FROM_CAMERA[error.reason], now))
        if self._trouble_since is None:
            self._trouble_since = now
            may_pass = error.reason in _MAY_PASS and self._patience > 0
        else:  # a camera just plugged in is forbidden until udev has got round to it
            may_pass = now - self._trouble_since < self._patience
        if not (camera and may_pass):
            self._failure = error
            self.capture.kill()

    async def _report(self, seen: Seen) -> None:
        """Turn what the decoder saw into items."""
        now = asyncio.get_running_loop().time()
        if seen.measure is not None:
            self._advise(self._adviser.hear(objection(seen.measure), now))
        elif seen.foreign and not seen.texts:
            self._advise(self._adviser.hear(AdviceReason.FOREIGN, now))
        new = [text for text in seen.texts if text not in self._last_texts]
        self._last_texts = seen.texts or self._last_texts
        for text in new:
            photo = await self._take_photo() if self._photo else None
            self._items.append(Sighting(text, self._frames, seen.milliseconds, photo))
            if _is_usable(text):
                self._finish()
                return

    async def _take_photo(self) -> bytes | None:
        try:
            answer = await self._ask_capture(Photograph())
        except CameraError:
            return None  # the sighting counts, its picture does not
        return self._store.photo(answer.size) if isinstance(answer, Photo) else None

    def _advise(self, reason: AdviceReason | None) -> None:
        if reason is not None:
            self._items.append(ScanAdvice(reason))

    def _report_lack(self, reason: AdviceReason, lacking: bool) -> None:
        """Once a scan, however often the decoder is started anew."""
        if lacking and reason not in self._lacks:
            self._lacks.add(reason)
            self._advise(reason)

    # -- the two processes ------------------------------------------------------------------

    async def _start_capture(self) -> None:
        await self.capture.stop()
        self._capture_ready = self._is_open = False
        await self.capture.start(self._store.fd)

    async def _start_decoder(self) -> None:
        await self.decoder.stop()
        self._decoder_ready = False
        await self.decoder.start(self._store.read_only_fd)

    def _finish(self) -> None:
        """No more steps; the camera's light goes out now, not when the daemon gets round to it."""
        self._ended = True
        self.capture.kill()

    async def _close(self) -> None:
        self._ended = True
        self._items.clear()
        await self.capture.stop()
        await self.decoder.stop()
        self._store.close()


def _is_usable(text: str) -> bool:
    try:
        from_text(text)
    except QrError:
        return False
    return True
