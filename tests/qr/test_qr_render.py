"""The QR as terminal text, PNG and SVG: each is version 5-M and reads back."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from pyzbar import pyzbar

from nearproof.crypto.messages import QrPayload
from nearproof.qr.errors import WrongCapacity
from nearproof.qr.payload import to_text
from nearproof.qr.preview import preview_lines
from nearproof.qr.render import SIDE, matrix, png, svg, terminal
from qr.samples import PAYLOAD, TEXT, rasterise, read_png


def test_the_code_is_version_5_m_with_a_quiet_zone_of_four() -> None:
    """37 modules and 2 x 4 of border; zxing confirms the recovery level."""
    modules = np.array(matrix(TEXT))
    assert modules.shape == (SIDE, SIDE) == (45, 45)
    assert not modules[:4].any() and not modules[-4:].any()
    assert not modules[:, :4].any() and not modules[:, -4:].any()
    code = zxingcpp.read_barcodes(read_png(png(TEXT)))[0]
    assert (code.text, code.ec_level) == (TEXT, "M")


@settings(max_examples=25)
@given(st.binary(min_size=16, max_size=16), st.sampled_from([0, 255]))
def test_terminal_text_reads_back_in_dark_and_light_themes(secret: bytes, ground: int) -> None:
    """Even zbar, which reads no inverted code, reads it whatever the theme."""
    text = to_text(QrPayload(secret, PAYLOAD.q_public, PAYLOAD.txn, PAYLOAD.iat))
    screen = rasterise(terminal(text), ground)
    found = pyzbar.decode(screen, symbols=[pyzbar.ZBarSymbol.QRCODE])
    assert [code.data.decode() for code in found] == [text]


def test_terminal_text_fits_80_by_24_and_resets_its_colours() -> None:
    """23 lines of 45 columns; every line sets its colours and ends without any."""
    lines = terminal(TEXT).splitlines()
    assert len(lines) == 23
    for line in lines:
        assert line.startswith("\x1b[38;5;") and line.endswith("\x1b[0m")
        assert len(re.sub(r"\x1b\[[0-9;]*m", "", line)) == 45


def test_uniform_cells_are_painted_as_background() -> None:
    """Fonts leave gaps between full blocks, backgrounds do not: no full block is printed."""
    assert set(re.sub(r"\x1b\[[0-9;]*m", "", terminal(TEXT))) == {" ", "▀", "▄", "\n"}


def test_svg_draws_the_same_modules_on_white() -> None:
    """The paths of the SVG, run module by module, are the matrix."""
    root = ElementTree.fromstring(svg(TEXT, scale=10))  # noqa: S314 (our own document)
    assert root.attrib["width"] == root.attrib["height"] == "450"
    ground, path = root.iter("{http://www.w3.org/2000/svg}path")
    assert ground.attrib["fill"] == "#fff"
    drawn = np.zeros((SIDE, SIDE), bool)
    x, y = 0.0, -0.5
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", path.attrib["d"]):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            drawn[int(y), int(x) : int(x + values[0])] = True
            x += values[0]
        else:
            x, y = (values[0], values[1]) if command == "M" else (x + values[0], y + values[1])
    assert np.array_equal(drawn, np.array(matrix(TEXT)))


@pytest.mark.parametrize("text", ["A" * 123, "lower case", "PXP1:é", ""])
def test_texts_that_do_not_fit_are_refused(text: str) -> None:
    """No silent change of version, mode or level: zbar corrupts byte mode."""
    with pytest.raises(WrongCapacity):
        png(text)


def test_a_preview_is_drawn_two_rows_a_line() -> None:
    """Darker pixels get darker greys; a wrong size is refused."""
    lines = preview_lines(2, 3, bytes([0, 255, 0, 255, 128, 128]))
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines] == ["▀▀", "▀▀"]
    assert "38;5;232;48;5;232m▀" in lines[0] and "38;5;255;48;5;255m▀" in lines[0]
    with pytest.raises(ValueError, match="7 bytes"):
        preview_lines(2, 3, bytes(7))
