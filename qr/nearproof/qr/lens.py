"""A camera made of arithmetic: photographs a picture as a laptop's webcam would see it.

The model is a pinhole of 70 degrees over 1280 x 720 pixels that looks at a screen on a
desk.  A photograph is a function of the picture, the `Shot` and the generator's state, so a
seed gives the same frames again.  Optics come in the order of physics: the screen (row gaps,
bloom), perspective, focus and motion blur, glare, exposure and gamma, sensor noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin, tan

import cv2
import numpy as np
from cv2.typing import MatLike

WIDTH, HEIGHT = 1280, 720
FIELD_OF_VIEW = 70.0  # degrees across the width
FOCAL = WIDTH / 2 / tan(radians(FIELD_OF_VIEW / 2))  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """The conditions of one photograph.  The defaults are a good one."""

    width: float = 260.0  # of the picture in the frame, pixels, when seen frontally
    x: float = 0.0  # centre of the picture from the frame's centre, pixels
    y: float = 0.0
    yaw: float = 0.0  # degrees the screen turns about its vertical axis
    pitch: float = 0.0  # about its horizontal axis
    roll: float = 0.0  # about the line of sight
    blur: float = 0.0  # focus: standard deviation of a Gaussian, pixels
    motion: float = 0.0  # length of a horizontal smear, pixels
    noise: float = 2.0  # standard deviation of the sensor, grey levels
    exposure: float = 1.0  # factor on the light; < 1 is dark
    gamma: float = 1.0
    glare: float = 0.0  # 0 none .. 1 a lamp reflected on the screen
    bloom: float = 0.0  # 0 none .. 1 bright areas flood dark ones
    inverted: bool = False  # a light theme swapped black and white
    row_gap: float = 0.0  # part of each terminal row the font leaves unpainted
    gap_grey: int = 0  # what shows in those gaps


def photograph(
    picture: MatLike | None,
    shot: Shot,
    rng: np.random.Generator,
    *,
    scene: MatLike | None = None,
) -> MatLike:
    """One frame, BGR uint8 (720, 1280, 3), of `picture` (any grey or BGR image) on a screen.

    Without a picture the scene alone; without a `scene` (see `desk`) before a desk of its own.
    Draws from `rng` and from nothing else.
    """
    scene = desk(rng) if scene is None else scene.copy()
    if picture is not None:
        grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        _place(scene, _screen(grey, shot), shot)
    if shot.motion >= 1:
        length = round(shot.motion)
        scene = cv2.blur(scene, (length, 1))
    if shot.blur > 0:
        scene = cv2.GaussianBlur(scene, (0, 0), shot.blur)
    if shot.glare > 0:
        _add_glare(scene, shot, rng)
    frame = _expose(scene, shot)
    grain = rng.standard_normal(frame.shape, dtype=np.float32) * np.float32(shot.noise)
    levels: MatLike = np.clip(frame + grain, 0, 255).astype(np.uint8)
    return cv2.cvtColor(levels, cv2.COLOR_GRAY2BGR)


def handheld(rng: np.random.Generator) -> Shot:
    """The conditions of somebody holding one laptop up to another: mostly easy, never equal."""
    return Shot(
        width=rng.uniform(190, 330),
        x=rng.uniform(-180, 180),
        y=rng.uniform(-80, 80),
        yaw=rng.uniform(-22, 22),
        pitch=rng.uniform(-16, 16),
        roll=rng.uniform(-9, 9),
        blur=rng.uniform(0.4, 1.2),
        noise=rng.uniform(2, 8),
        exposure=rng.uniform(0.6, 1.1),
        gamma=rng.uniform(0.8, 1.3),
        glare=max(0.0, rng.uniform(-0.5, 0.4)),
    )


def desk(rng: np.random.Generator) -> MatLike:
    """A desk in uneven light with a few things on it: float32 grey (720, 1280)."""
    low, high = np.sort(rng.uniform(40, 150, 2))
    ramp = np.linspace(low, high, WIDTH, dtype=np.float32)
    scene = np.repeat(ramp[np.newaxis, :], HEIGHT, axis=0)
    for _ in range(int(rng.integers(4, 9))):
        centre = rng.uniform((0, 0), (WIDTH, HEIGHT))
        size = rng.uniform((20, 8), (240, 120))
        box = cv2.boxPoints((centre.tolist(), size.tolist(), float(rng.uniform(0, 90))))
        cv2.fillConvexPoly(scene, box.astype(np.int32), float(rng.uniform(20, 200)), cv2.LINE_AA)
    return scene


def _screen(grey: MatLike, shot: Shot) -> MatLike:
    """The picture as its screen emits it: float32 grey, at most twice its size in the frame."""
    target = max(8, round(2 * shot.width))
    if grey.shape[1] > target:
        height = max(8, round(grey.shape[0] * target / grey.shape[1]))
        grey = cv2.resize(grey, (target, height), interpolation=cv2.INTER_AREA)
    light: MatLike = grey.astype(np.float32)
    if shot.inverted:
        light = np.asarray(255 - light)
    if shot.row_gap > 0:
        light = _with_row_gaps(light, shot.row_gap, shot.gap_grey)
    if shot.bloom > 0:
        halo = cv2.GaussianBlur(light, (0, 0), light.shape[1] / 60)
        light = np.maximum(light, light + (halo - light * 0.3) * np.float32(shot.bloom))
    return light


def _with_row_gaps(light: MatLike, part: float, grey: int) -> MatLike:
    """Unpainted lines between terminal rows; a row is two of the 45 modules of our QR."""
    rows = 22.5
    phase = np.arange(light.shape[0]) * rows / light.shape[0] % 1.0
    gapped = light.copy()
    gapped[phase > 1 - part] = grey
    return gapped


def _place(scene: MatLike, light: MatLike, shot: Shot) -> None:
    """Paint the screen and its dark bezel into the scene, in perspective."""
    half_w, half_h = 0.5, 0.5 * light.shape[0] / light.shape[1]
    bezel = _project(half_w * 1.5, half_h * 1.25, shot)
    cv2.fillConvexPoly(scene, np.round(bezel).astype(np.int32), 26.0, cv2.LINE_AA)
    height, width = light.shape[:2]
    edges = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32) - 0.5
    homography = cv2.getPerspectiveTransform(
        edges.astype(np.float32), _project(half_w, half_h, shot)
    )
    cv2.warpPerspective(
        light,
        homography,
        (WIDTH, HEIGHT),
        dst=scene,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )


def _project(half_w: float, half_h: float, shot: Shot) -> MatLike:
    """Where the corners of a rectangle centred on the screen fall: float32 (4, 2) pixels.

    Unit of length: the picture's width.
    """
    yaw, pitch, roll = radians(shot.yaw), radians(shot.pitch), radians(shot.roll)
    about_y = np.array(((cos(yaw), 0, sin(yaw)), (0, 1, 0), (-sin(yaw), 0, cos(yaw))))
    about_x = np.array(((1, 0, 0), (0, cos(pitch), -sin(pitch)), (0, sin(pitch), cos(pitch))))
    about_z = np.array(((cos(roll), -sin(roll), 0), (sin(roll), cos(roll), 0), (0, 0, 1)))
    corners = np.array(
        ((-half_w, -half_h, 0), (half_w, -half_h, 0), (half_w, half_h, 0), (-half_w, half_h, 0))
    )
    turned = corners @ (about_z @ about_x @ about_y).T
    distance = FOCAL / shot.width
    flat = turned[:, :2] * FOCAL / (turned[:, 2:] + distance)
    centre = np.array((WIDTH / 2 + shot.x, HEIGHT / 2 + shot.y))
    return np.asarray(flat + centre, dtype=np.float32)


def _add_glare(scene: MatLike, shot: Shot, rng: np.random.Generator) -> None:
    """A soft lamp reflected somewhere on the picture."""
    offset = rng.uniform(-0.35, 0.35, 2) * shot.width
    centre_x, centre_y = WIDTH / 2 + shot.x + offset[0], HEIGHT / 2 + shot.y + offset[1]
    radius = shot.width * 0.22
    across = np.exp(-(((np.arange(WIDTH, dtype=np.float32) - centre_x) / radius) ** 2))
    down = np.exp(-(((np.arange(HEIGHT, dtype=np.float32) - centre_y) / radius) ** 2))
    scene += np.outer(down, across).astype(np.float32) * np.float32(230 * shot.glare)


def _expose(scene: MatLike, shot: Shot) -> MatLike:
    """Light to grey levels: exposure, saturation, gamma.  float32, 0..255."""
    light = np.clip(scene * np.float32(shot.exposure / 255), 0, 1)
    return np.asarray(np.power(light, np.float32(shot.gamma)) * 255, dtype=np.float32)
