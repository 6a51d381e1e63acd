"""The QR to look at: terminal, PNG, SVG.  Always version 5-M, alphanumeric, border 4.

ISO/IEC 18004: version 5 has 37 x 37 modules, level M recovers 15 %; the quiet zone is four
modules wide.  Whatever is made here is as secret as the text in it.
"""

from __future__ import annotations

import io
from typing import Final

import segno

from nearproof.qr.errors import WrongCapacity

VERSION: Final = 5
BORDER: Final = 4  # modules
MODULES: Final = 37
SIDE: Final = MODULES + 2 * BORDER  # 45 modules, border included

# Fixed entries of the 256-colour cube: themes redefine colours 0-15, not these.
_DARK, _LIGHT = 16, 231
_RESET: Final = "\x1b[0m"


def matrix(text: str) -> list[list[bool]]:
    """The modules of `text`, border included: 45 rows of 45, True is dark.

    Raises WrongCapacity for a text that is not alphanumeric (ISO/IEC 18004, 7.4.4) or longer
    than the 122 characters of version 5-M.
    """
    return [[bool(dark) for dark in row] for row in _make(text).matrix_iter(border=BORDER)]


def terminal(text: str) -> str:
    """The QR for a terminal: 23 lines of 45 columns, each ending with a newline.

    Two modules a cell.  Dark and light are painted as backgrounds wherever a cell is uniform,
    since backgrounds leave no gap between lines, and by explicit colours, since zbar reads no
    inverted code.
    """
    rows = matrix(text)
    rows.append([False] * SIDE)  # the lower half of the last line
    pairs = zip(rows[0::2], rows[1::2], strict=True)
    return "".join(_line(upper, lower) for upper, lower in pairs)


def png(text: str, scale: int = 10) -> bytes:
    """The QR as a PNG of 45 x `scale` pixels, black on white, one bit a pixel."""
    buffer = io.BytesIO()
    _make(text).save(buffer, kind="png", scale=scale, border=BORDER, dark="#000", light="#fff")
    return buffer.getvalue()


def svg(text: str, scale: int = 10) -> bytes:
    """The QR as an SVG document, with a white ground so that a dark page cannot invert it."""
    buffer = io.BytesIO()
    _make(text).save(buffer, kind="svg", scale=scale, border=BORDER, dark="#000", light="#fff")
    return buffer.getvalue()


def _make(text: str) -> segno.QRCode:
    try:
        return segno.make(
            text, version=VERSION, error="m", mode="alphanumeric", boost_error=False, micro=False
        )
    except ValueError as error:  # segno's DataOverflowError is one, too
        raise WrongCapacity(f"too long for version 5-M: {len(text)}") from error


def _line(upper: list[bool], lower: list[bool]) -> str:
    """One line of cells: runs of equal cells share their colour codes."""
    line, colours = [], ""
    for cell in zip(upper, lower, strict=True):
        glyph, wanted = _CELLS[cell]
        line.append(glyph if wanted == colours else wanted + glyph)
        colours = wanted
    return "".join(line) + _RESET + "\n"


def _paint(foreground: int, background: int) -> str:
    return f"\x1b[38;5;{foreground};48;5;{background}m"


_CELLS: Final = {
    (False, False): (" ", _paint(_DARK, _LIGHT)),
    (True, False): ("▀", _paint(_DARK, _LIGHT)),
    (False, True): ("▄", _paint(_DARK, _LIGHT)),
    (True, True): (" ", _paint(_LIGHT, _DARK)),
}
