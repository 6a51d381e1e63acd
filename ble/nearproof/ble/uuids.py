"""The fixed UUIDs of the PXP1 GATT service (crypto/SPEC.md, section 11).

The advertised UUID is the EID of one QR, never one of these.
"""

from __future__ import annotations

from typing import Final

SERVICE: Final = "6e702d01-5058-5031-8000-6e6561727066"
MESSAGES: Final = "6e702d02-5058-5031-8000-6e6561727066"
ROUNDS: Final = "6e702d03-5058-5031-8000-6e6561727066"
