"""The lens model: the same photographs for a seed, and conditions that do what they say."""

from __future__ import annotations

import cv2
import numpy as np

from nearproof.qr.decode import Decoder
from nearproof.qr.lens import HEIGHT, WIDTH, Shot, desk, handheld, photograph
from nearproof.qr.prefix import is_ours
from qr.samples import TEXT, photo, picture


def test_a_seed_gives_the_same_photograph() -> None:
    """And another seed another one; the size is that of a webcam."""
    shot = Shot(yaw=10, glare=0.5, noise=5)
    first, again, other = (
        photograph(picture(), shot, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == (HEIGHT, WIDTH, 3) == (720, 1280, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_colour_picture_is_as_good_as_a_grey_one() -> None:
    """Screenshots come in BGR."""
    grey = picture()
    colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    first, second = (
        photograph(shown, Shot(), np.random.default_rng(1)) for shown in (grey, colour)
    )
    assert np.array_equal(first, second)


def test_the_picture_has_the_width_asked_for() -> None:
    """Found by its corners: a module is width / 45 pixels when seen frontally."""
    grey = photo(Shot(width=450, noise=0))
    white = cv2.boundingRect((grey > 240).astype(np.uint8))
    assert white[2:] == (450, 450) or np.allclose(white[2:], 450, atol=3)


def test_a_tilted_screen_is_seen_in_perspective() -> None:
    """The nearer edge is longer: it is no mere squeeze."""
    grey = photo(Shot(width=450, yaw=40, noise=0))
    columns = np.flatnonzero((grey > 240).sum(axis=0) > 100)
    left = (grey[:, columns[2]] > 240).sum()
    right = (grey[:, columns[-3]] > 240).sum()
    assert abs(int(left) - int(right)) > 30


def test_the_scene_may_be_given_and_is_left_alone() -> None:
    """A source keeps one desk for all its frames."""
    scene = desk(np.random.default_rng(3))
    before = scene.copy()
    photograph(picture(), Shot(), np.random.default_rng(4), scene=scene)
    assert np.array_equal(scene, before)


def test_handheld_photographs_are_nearly_always_readable() -> None:
    """What the demo's camera sees: 38 of 40 frames or more."""
    rng = np.random.default_rng(5)
    decoder = Decoder(is_ours)
    read = 0
    for _ in range(40):
        frame = photograph(picture(), handheld(rng), rng)
        read += TEXT in decoder.read(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)).texts
    assert read >= 38
