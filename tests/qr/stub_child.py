"""A camera process that misbehaves: `python -m qr.stub_child CHANNEL`.

Answers nothing but what its first question tells it to do.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    channel = int(sys.argv[1])
    match os.read(channel, 65536):
        case b'{"do":"garbage"}':
            os.write(channel, b"\xff\xfe")
        case b'{"do":"other"}':
            os.write(channel, b'{"type":"Nonsense"}')
        case b'{"do":"long"}':
            os.write(channel, b'{"type":"Failure","detail":"' + b"x" * 100_000 + b'"}')
        case b'{"do":"deep"}':
            os.write(channel, b"[" * 60_000)
        case b'{"do":"beyond"}':
            os.write(channel, b'{"type":"Photo","size":999999999}')
        case b'{"do":"exit"}':
            raise SystemExit
        case _:
            pass  # silence
    os.read(channel, 65536)


if __name__ == "__main__":
    main()
