"""From a grey frame to the texts of the QR codes in it.

zxing-cpp and zbar each read frames the other cannot: zxing wins on inversion, small modules,
noise and speed, zbar on the row gaps of terminals and on bloom.  zxing-cpp sees the whole of
every frame.  zbar needs ten times as long for that, so it sees the square of 480 pixels whose
texture most resembles a code.  One treated copy of that square follows, the treatments taking
turns from frame to frame; zbar, for its price, looks at the copy on every third frame only.

Runs in the decoder's process: nothing that may open files or sockets imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import zxingcpp
from cv2.typing import MatLike

from nearproof.qr.candidate import Box, Candidate, crop, locate

try:
    from pyzbar import pyzbar
except ImportError:  # libzbar (Debian: libzbar0) is absent: zxing-cpp works alone
    pyzbar = None

_FORMATS = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])
HAS_ZBAR = pyzbar is not None
_ZBAR_TURN = 3  # zbar sees a treated square on every third frame
_WHOLE_TURN = 15  # and the whole frame on every fifteenth, should the square be misplaced
_MAX_TEXTS = 8  # a picture full of codes yields no more than this


@dataclass(frozen=True, slots=True)
class Reading:
    """What one frame held."""

    texts: tuple[str, ...]
    candidate: Candidate | None  # where something code-like stands that was not read


class Decoder:
    """The decoders in their order, and what they remember from frame to frame."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        """`wanted` tells a text worth stopping for; others are reported, the search goes on."""
        self._wanted = wanted
        self._frames = 0
        self._last: Box | None = None

    def read(self, grey: MatLike, *, thorough: bool = False) -> Reading:
        """The texts in a grey uint8 frame, wanted ones first; the first of those ends the search.

        `thorough` tries every treatment at once (about 0.2 s for 720p): for a still picture,
        which gets no second frame.
        """
        self._frames += 1
        candidate = locate(grey)
        texts: dict[str, None] = {}
        for found in self._attempts(grey, candidate, thorough):
            texts.update(dict.fromkeys(found))
            if any(map(self._wanted, found)):
                break
        wanted_first = sorted(texts, key=self._wanted, reverse=True)[:_MAX_TEXTS]
        return Reading(tuple(wanted_first), None if texts else candidate)

    def _attempts(
        self, grey: MatLike, candidate: Candidate | None, thorough: bool
    ) -> Iterator[list[str]]:
        """Lazily, the cheapest and likeliest first."""
        if self._last is not None:
            yield [text for text, _ in _zxing(crop(grey, self._last))]
        whole = _zxing(grey)
        self._last = whole[0][1] if whole else None
        yield [text for text, _ in whole]
        if candidate is None and not thorough:
            return
        square = crop(grey, candidate.box if candidate else _everything(grey))
        yield _zbar(square)
        for treatment in _TREATMENTS if thorough else (self._due(),):
            treated = treatment(square)
            yield [text for text, _ in _zxing(treated)]
            if thorough or self._frames % _ZBAR_TURN == 0:
                yield _zbar(treated)
        if thorough or self._frames % _WHOLE_TURN == 0:
            yield _zbar(grey)

    def _due(self) -> Callable[[MatLike], MatLike]:
        return _TREATMENTS[self._frames % len(_TREATMENTS)]


def _zxing(grey: MatLike) -> list[tuple[str, Box]]:
    found = zxingcpp.read_barcodes(grey, formats=_FORMATS, text_mode=zxingcpp.TextMode.Plain)
    return [(code.text, _bounds(code.position)) for code in found]


def _zbar(grey: MatLike) -> list[str]:
    if pyzbar is None:
        return []
    found = pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE])
    return [code.data.decode("ascii", "replace") for code in found]


def _bounds(position: zxingcpp.Position) -> Box:
    corners = (
        position.top_left,
        position.top_right,
        position.bottom_right,
        position.bottom_left,
    )
    left, top = min(corner.x for corner in corners), min(corner.y for corner in corners)
    right, bottom = max(corner.x for corner in corners), max(corner.y for corner in corners)
    return Box(left, top, right - left, bottom - top)


def _everything(grey: MatLike) -> Box:
    return Box(0, 0, grey.shape[1], grey.shape[0])


# -- treatments: each wins frames that no decoder reads untreated --------------------------


def _binarized(grey: MatLike) -> MatLike:
    """Against uneven light, blur and bloom."""
    return cv2.adaptiveThreshold(
        grey, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, blockSize=41, C=4
    )


def _smoothed(grey: MatLike) -> MatLike:
    """Against noise."""
    return cv2.GaussianBlur(grey, (0, 0), 1.0)


def _closed(grey: MatLike) -> MatLike:
    """Against thin dark lines between the rows of a terminal."""
    return cv2.morphologyEx(grey, cv2.MORPH_CLOSE, np.ones((3, 1), np.uint8))


def _inverted(grey: MatLike) -> MatLike:
    """For zbar, which reads no light-on-dark code; without the dark theme's row lines."""
    return cv2.bitwise_not(cv2.morphologyEx(grey, cv2.MORPH_OPEN, np.ones((3, 1), np.uint8)))


def _enlarged(grey: MatLike) -> MatLike:
    """Against modules of two pixels and strong blur; the middle only, for zbar's sake."""
    height, width = grey.shape[:2]
    middle = grey[height // 5 : height - height // 5, width // 5 : width - width // 5]
    return cv2.resize(middle, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)


_TREATMENTS = (_binarized, _smoothed, _enlarged, _closed, _inverted)
