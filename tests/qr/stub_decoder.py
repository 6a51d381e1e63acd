"""A decoder without libseccomp2 and libzbar0 that dies of every frame.

`python -m qr.stub_decoder CHANNEL STORE`
"""

from __future__ import annotations

import sys

from nearproof.qr.channel import Answerer
from nearproof.qr.wire import LOOKS, Rehearsed


def main() -> None:
    answerer = Answerer(int(sys.argv[1]), LOOKS)
    answerer.say(Rehearsed(confined=False, zbar=False))
    answerer.question()


if __name__ == "__main__":
    main()
