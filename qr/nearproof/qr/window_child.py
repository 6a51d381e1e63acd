"""The process that owns the window: `python -m nearproof.qr.window_child TITLE < PNG`.

Says `shown` on standard output once the window is up; ends when the window is closed or the
daemon is gone, since nothing else would take the QR off the screen then.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import cv2
import numpy as np

_TURN: Final = 100  # milliseconds of Qt's event loop between two looks at the window


def main() -> None:
    """Show the picture on standard input until somebody closes the window."""
    title, daemon = sys.argv[1], os.getppid()
    picture = cv2.imdecode(np.frombuffer(sys.stdin.buffer.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise SystemExit("no picture on standard input")
    cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
    cv2.imshow(title, picture)
    cv2.waitKey(_TURN)
    sys.stdout.write("shown\n")
    sys.stdout.flush()
    while os.getppid() == daemon and cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1:
        cv2.waitKey(_TURN)


if __name__ == "__main__":
    main()
