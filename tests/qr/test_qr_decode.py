"""The decoders behind one interface: what they read together, and in which time."""

from __future__ import annotations

import time
from statistics import fmean

import cv2
import numpy as np
import pytest
import zxingcpp
from pyzbar import pyzbar

from nearproof.qr.candidate import SIDE, Box, crop, locate
from nearproof.qr.decode import Decoder
from nearproof.qr.lens import Shot
from nearproof.qr.prefix import is_ours
from qr.samples import OTHER_TEXT, TEXT, photo, picture

SHOTS = {
    "good": Shot(),
    "far": Shot(width=100, noise=6),
    "near": Shot(width=600),
    "corner": Shot(x=480, y=210),
    "yaw": Shot(yaw=55),
    "tilt and noise": Shot(yaw=40, pitch=25, roll=20, noise=25),
    "blur": Shot(blur=2.0),
    "motion": Shot(motion=6),
    "noise": Shot(noise=50),
    "dark": Shot(exposure=0.12, noise=3),
    "gamma": Shot(gamma=2.5),
    "glare": Shot(glare=0.7),
    "inverted": Shot(inverted=True, noise=8),
    "terminal gaps": Shot(row_gap=0.25, noise=6),
    "terminal gaps, near": Shot(width=600, row_gap=0.15),
    "terminal gaps, far": Shot(width=150, row_gap=0.15),
    "gaps in a light theme": Shot(row_gap=0.12, gap_grey=255),
    "bloom": Shot(bloom=1.0),
}


@pytest.mark.parametrize("shot", SHOTS.values(), ids=SHOTS)
def test_reads_the_photograph(shot: Shot) -> None:
    """Each of these conditions is read from its first frame."""
    assert Decoder(is_ours).read(photo(shot)).texts == (TEXT,)


@pytest.mark.parametrize("shot", SHOTS.values(), ids=SHOTS)
def test_loses_nothing_that_either_decoder_reads_alone(shot: Shot) -> None:
    """zbar sees a part of the frame only, which must not cost a code."""
    for seed in range(1, 4):
        grey = photo(shot, seed=seed)
        alone = [code.text for code in zxingcpp.read_barcodes(grey)]
        alone += [code.data.decode() for code in pyzbar.decode(grey)]
        assert (TEXT in alone) <= (TEXT in Decoder(is_ours).read(grey).texts)


def test_a_condition_beyond_both_decoders_is_read_within_a_few_frames() -> None:
    """Bloom and blur together: only a treated frame can be read, the treatments take turns."""
    decoder = Decoder(is_ours)
    shot = Shot(bloom=1.2, blur=1.3)
    assert any(TEXT in decoder.read(photo(shot, seed=seed)).texts for seed in range(6))


def test_a_still_picture_gets_every_treatment_at_once() -> None:
    """It has no second frame to wait for."""
    for seed in range(3):
        grey = photo(Shot(bloom=1.2, blur=1.3), seed=seed)
        assert TEXT in Decoder(is_ours).read(grey, thorough=True).texts


@pytest.mark.parametrize("noise", [0, 3, 20])
def test_an_empty_frame_holds_nothing(noise: float) -> None:
    """No text is made out of noise, however hard one looks."""
    for seed in range(4):
        grey = photo(Shot(noise=noise), text=None, seed=seed)
        assert Decoder(is_ours).read(grey, thorough=True).texts == ()


def test_an_empty_frame_costs_at_most_20_ms_in_the_mean() -> None:
    """720p; the mean over the turns that the treatments take."""
    decoder = Decoder(is_ours)
    frames = [photo(Shot(noise=4), text=None, seed=seed) for seed in range(6)]
    spent = []
    for turn in range(30):
        began = time.process_time()
        decoder.read(frames[turn % 6])
        spent.append(time.process_time() - began)
    assert fmean(spent) < 0.020


def test_a_wanted_code_is_found_beside_a_foreign_one() -> None:
    """A poster's QR in view does not end the search, even when ours is the harder one."""
    foreign = zxingcpp.create_barcode("https://example.org", zxingcpp.BarcodeFormat.QRCodeModel2)
    grey = photo(Shot(row_gap=0.25))
    poster = np.array(foreign.to_image(scale=3), dtype=np.uint8)
    grey[20 : 20 + poster.shape[0], 20 : 20 + poster.shape[1]] = poster
    assert set(Decoder(is_ours).read(grey).texts) == {"https://example.org", TEXT}


def test_a_picture_full_of_codes_is_cut_short_but_not_ours() -> None:
    """No more than eight texts leave the decoder, whatever hangs on the wall."""
    frame = np.full((1200, 1600), 255, np.uint8)
    for number in range(20):
        text = TEXT if number == 13 else f"FOREIGN {number}"
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCodeModel2)
        modules = np.array(code.to_image(scale=4), dtype=np.uint8)
        x, y = 40 + number % 6 * 240, 40 + number // 6 * 280
        frame[y : y + modules.shape[0], x : x + modules.shape[1]] = modules
    texts = Decoder(is_ours).read(frame).texts
    assert len(texts) == 8
    assert texts[0] == TEXT


def test_the_code_is_followed_after_a_sighting() -> None:
    """Where one was seen is looked at first; another code elsewhere is still found."""
    decoder = Decoder(is_ours)
    assert decoder.read(photo(Shot(x=-300))).texts == (TEXT,)
    assert decoder.read(photo(Shot(x=-310))).texts == (TEXT,)
    assert decoder.read(photo(Shot(x=400), OTHER_TEXT)).texts == (OTHER_TEXT,)
    assert decoder.read(photo(Shot(), text=None)).texts == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (17, 17), (60, 61), (481, 470)])
def test_any_shape_of_frame_is_survived(size: tuple[int, int]) -> None:
    """Tiny and narrow pictures hold nothing, and raise nothing."""
    grey = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    assert Decoder(is_ours).read(grey, thorough=True).texts == ()


def test_other_symbologies_are_not_even_looked_for() -> None:
    """Only QR Model 2: each further decoder would be another way in."""
    for symbology in (zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.Aztec):
        code = np.array(zxingcpp.create_barcode(TEXT, symbology).to_image(scale=4), np.uint8)
        frame = cv2.copyMakeBorder(code, 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=(255,))
        assert Decoder(is_ours).read(frame, thorough=True).texts == ()


def test_the_candidate_is_where_the_code_is() -> None:
    """Also when the desk is cluttered; the box measures the code within a tenth."""
    for seed in range(8):
        found = locate(photo(Shot(width=260, x=200, y=-100, noise=10), seed=seed))
        assert found is not None
        centre = found.box.x + found.box.width / 2, found.box.y + found.box.height / 2
        assert centre == pytest.approx((840, 260), abs=20)
        assert max(found.box.width, found.box.height) == pytest.approx(225, rel=0.1)


@pytest.mark.parametrize(
    "box", [Box(0, 0, 10, 10), Box(1270, 710, 10, 10), Box(100, 50, 600, 600), Box(0, 0, 1280, 720)]
)
def test_a_crop_is_a_square_within_the_frame(box: Box) -> None:
    """At most SIDE wide, whatever the box and however near the edge."""
    assert crop(np.zeros((720, 1280), np.uint8), box).shape == (SIDE, SIDE)
    assert crop(picture(scale=2), Box(0, 0, 90, 90)).shape == (90, 90)
