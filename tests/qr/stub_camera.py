"""A capturing process whose camera is busy, then forbidden, then there: no frames come of it.

`python -m qr.stub_camera CHANNEL STORE`
"""

from __future__ import annotations

import sys

from nearproof.qr.channel import Answerer
from nearproof.qr.errors import CameraReason
from nearproof.qr.wire import CAPTURE_QUESTIONS, End, Failure, Opened, Ready


def main() -> None:
    answerer = Answerer(int(sys.argv[1]), CAPTURE_QUESTIONS)
    answerer.say(Ready())
    for answer in (
        Failure(CameraReason.BUSY, ""),
        Failure(CameraReason.BUSY, ""),
        Failure(CameraReason.PERMISSION, ""),
        Opened("camera"),
        End(),
    ):
        answerer.question()
        answerer.say(answer)
    answerer.question()


if __name__ == "__main__":
    main()
