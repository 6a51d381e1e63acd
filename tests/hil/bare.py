"""What the bare server and its bare client exchange: PXP1's traffic without PXP1."""

from __future__ import annotations

from typing import Final

# The same shape as the PXP1 service, under UUIDs of its own.
SERVICE: Final = "7e5a0001-6f2b-4c0e-9a55-0d9c2f1b7a10"
MESSAGES: Final = "7e5a0002-6f2b-4c0e-9a55-0d9c2f1b7a10"
ROUNDS: Final = "7e5a0003-6f2b-4c0e-9a55-0d9c2f1b7a10"

# Bytes on the air at ATT_MTU 517, a header byte a frame included: what is written, and the
# notifications that answer.  m1 -> m2, and t1 -> t2 in two frames.
PAIRS: Final = {87: (72,), 400: (512, 125)}
