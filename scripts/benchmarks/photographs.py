"""How much of a set of photographs each decoder reads, and how fast.

The set is made by the lens model from a seed: 41 conditions, by default 16 frames each, every
frame another QR.  Compared in the same run, frame by frame, are zxing-cpp alone, pyzbar alone,
zxing-cpp and then pyzbar on the whole frame, and this project's decoder as a scan uses it.
Milliseconds are processor time of the one thread that decodes, so that a busy machine does not
count against anybody.  `run` returns the figures, the command prints them:

    python scripts/benchmarks/photographs.py [--frames N] [--seed N] [--json]
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import cv2
import numpy as np
import zxingcpp
from cv2.typing import MatLike
from pyzbar import pyzbar

from nearproof.qr.decode import Decoder
from nearproof.qr.lens import Shot, desk, photograph
from nearproof.qr.prefix import PXP1, is_ours
from nearproof.qr.render import matrix

EMPTY = {"empty", "empty, noise", "empty, text"}
CONDITIONS: dict[str, Shot] = {
    "frontal": Shot(),
    "near": Shot(width=560),
    "far, 3 px": Shot(width=135),
    "far, 2.5 px": Shot(width=112, noise=10),
    "far, 2 px": Shot(width=92, noise=4),
    "corner": Shot(x=470, y=200, yaw=-15),
    "beside text": Shot(width=150),
    "gaps, beside text": Shot(width=170, row_gap=0.2),
    "yaw 35": Shot(yaw=35),
    "yaw 60": Shot(yaw=60),
    "pitch 60, noise": Shot(pitch=60, noise=10),
    "roll 45": Shot(roll=45),
    "tilt, noise": Shot(yaw=40, pitch=25, roll=20, noise=25),
    "tilt, blur": Shot(yaw=45, pitch=25, blur=2.1),
    "blur 1.5": Shot(blur=1.5),
    "blur 2.6": Shot(blur=2.6),
    "blur 3.2": Shot(blur=3.2),
    "motion 6": Shot(motion=6),
    "motion 9": Shot(motion=9),
    "noise 25": Shot(noise=25),
    "noise 60": Shot(noise=60),
    "noise 90": Shot(noise=90),
    "dark": Shot(exposure=0.12, noise=4),
    "dark, noise": Shot(exposure=0.11, noise=9),
    "gamma 0.4": Shot(gamma=0.4),
    "gamma 3": Shot(gamma=3.0, noise=6),
    "glare": Shot(glare=0.7),
    "strong glare": Shot(glare=1.0, width=210),
    "inverted": Shot(inverted=True, noise=8),
    "inverted, tilt": Shot(inverted=True, yaw=30, blur=1.4),
    "terminal gaps": Shot(row_gap=0.12),
    "wide gaps": Shot(row_gap=0.25, noise=6),
    "gaps, far": Shot(row_gap=0.15, width=150),
    "gaps, tilt": Shot(row_gap=0.12, yaw=25, pitch=15, roll=8, noise=8),
    "gaps, light": Shot(row_gap=0.12, gap_grey=255),
    "gaps, near": Shot(row_gap=0.15, width=600),
    "bloom": Shot(bloom=1.0),
    "bloom, blur": Shot(bloom=1.2, blur=1.2),
    "empty": Shot(noise=3),
    "empty, noise": Shot(noise=15),
    "empty, text": Shot(noise=4),
}


@dataclass(frozen=True)
class Photo:
    """One frame of the set; `text` is None where there is no code in it."""

    condition: str
    text: str | None
    grey: MatLike


def photographs(frames: int, seed: int) -> Iterator[Photo]:
    """`frames` of every condition, the conditions taking turns."""
    rng = np.random.default_rng(seed)
    for _ in range(frames):
        for condition, shot in CONDITIONS.items():
            text = PXP1 + base64.b32encode(rng.bytes(70)).decode()
            scene = desk(rng)
            if "text" in condition:
                _write_page(scene, rng)
            picture = None if condition in EMPTY else draw(text)
            frame = photograph(picture, _varied(shot, rng), rng, scene=scene)
            shown = None if condition in EMPTY else text
            yield Photo(condition, shown, cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))


def draw(text: str) -> MatLike:
    """The QR of `text`, eight pixels a module, as OpenCV wants it."""
    modules = np.where(np.array(matrix(text)), 0, 255).astype(np.uint8)
    return np.kron(modules, np.ones((8, 8), np.uint8))


def _varied(shot: Shot, rng: np.random.Generator) -> Shot:
    """The same condition from a slightly different hand."""
    return replace(
        shot,
        width=shot.width * rng.uniform(0.93, 1.07),
        x=shot.x + rng.uniform(-20, 20),
        y=shot.y + rng.uniform(-20, 20),
        yaw=shot.yaw + rng.uniform(-4, 4),
        pitch=shot.pitch + rng.uniform(-4, 4),
        roll=shot.roll + rng.uniform(-4, 4),
        blur=shot.blur * rng.uniform(0.9, 1.1),
        noise=shot.noise * rng.uniform(0.8, 1.2),
    )


def _write_page(scene: MatLike, rng: np.random.Generator) -> None:
    """A sheet of print on the left of the desk."""
    page = np.full((600, 420), 225, np.uint8)
    letters = np.array(list("abcdefghiklmnoprstuvw ABCDEST  "))
    for line in range(30, 590, 18):
        words = "".join(rng.choice(letters, 40))
        cv2.putText(page, words, (15, line), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 30.0, 1, cv2.LINE_AA)
    scene[60:660, 40:460] = page


def zxing(grey: MatLike) -> list[str]:
    """zxing-cpp on the whole frame."""
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])
    return [code.text for code in zxingcpp.read_barcodes(grey, formats=formats)]


def zbar(grey: MatLike) -> list[str]:
    """Pyzbar on the whole frame."""
    found = pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE])
    return [code.data.decode("ascii", "replace") for code in found]


def run(frames: int = 16, seed: int = 1) -> dict[str, Any]:
    """Coverage by condition and decoder, and milliseconds.  `frames` is per condition."""
    cv2.setNumThreads(1)  # as in the decoder's process
    scan = Decoder(wanted=is_ours)
    decoders: dict[str, Callable[[MatLike], list[str]]] = {
        "zxing-cpp": zxing,
        "pyzbar": zbar,
        "zxing-cpp, then pyzbar": lambda grey: zxing(grey) or zbar(grey),
        "nearproof": lambda grey: list(scan.read(grey).texts),
    }
    read: dict[str, dict[str, int]] = {name: defaultdict(int) for name in decoders}
    hit_ms: dict[str, list[float]] = defaultdict(list)
    empty_ms: dict[str, list[float]] = defaultdict(list)
    false = dict.fromkeys(decoders, 0)
    for photo in photographs(frames, seed):
        for name, decode in decoders.items():
            began = time.thread_time()
            texts = decode(photo.grey)
            milliseconds = (time.thread_time() - began) * 1000
            right = photo.text is not None and photo.text in texts
            read[name][photo.condition] += right
            false[name] += len(texts) - right
            if photo.text is None:
                empty_ms[name].append(milliseconds)
            elif right:
                hit_ms[name].append(milliseconds)
    total = frames * (len(CONDITIONS) - len(EMPTY))
    return {
        "seed": seed,
        "frames": frames * len(CONDITIONS),
        "frames_with_code": total,
        "conditions": len(CONDITIONS),
        "frames_per_condition": frames,
        "decoders": {
            name: {
                "coverage": sum(read[name].values()) / total,
                "false_texts": false[name],
                "hit_ms": fmean(hit_ms[name]),
                "empty_ms": fmean(empty_ms[name]),
                "read": {
                    condition: read[name][condition]
                    for condition in CONDITIONS
                    if condition not in EMPTY
                },
            }
            for name in decoders
        },
    }


def table(figures: dict[str, Any]) -> str:
    """The figures of `run` for people."""
    decoders = figures["decoders"]
    width = max(map(len, CONDITIONS))
    lines = [" " * width + "".join(f"{name:>24}" for name in decoders)]
    for condition in CONDITIONS:
        if condition not in EMPTY:
            counts = (f"{entry['read'][condition]:24}" for entry in decoders.values())
            lines.append(f"{condition:{width}}" + "".join(counts))
    for label, key, unit in (
        ("coverage", "coverage", "%"),
        ("ms on a hit", "hit_ms", ""),
        ("ms when empty", "empty_ms", ""),
    ):
        cells = (entry[key] * (100 if unit else 1) for entry in decoders.values())
        lines.append(f"{label:{width}}" + "".join(f"{cell:23.1f}{unit or ' '}" for cell in cells))
    lines.append(f"{figures['frames']} frames, {figures['conditions']} conditions")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or with --json the figures."""
    parser = argparse.ArgumentParser(description="Compare QR decoders on photographs of one seed.")
    parser.add_argument("--frames", type=int, default=16, help="frames per condition")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = run(arguments.frames, arguments.seed)
    text = json.dumps(figures, indent=2) if arguments.json else table(figures)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
