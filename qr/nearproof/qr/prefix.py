"""Whose text a QR code holds, told by its first letters alone.

Kept apart from the payload's codec so that the decoder's process need not load cryptography.
"""

from __future__ import annotations

import re
from enum import Enum, auto

PXP1 = "PXP1:"
_OTHER_VERSION = re.compile("PXP[0-9]{1,3}:")
# ASCII only: upper() and \d know letters and digits that nobody types here.
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_OTHER_ROLES = ("NEARPROOF-JOIN", "PXA1:")  # a backend's join line, an activation code


class Prefix(Enum):
    """What a text claims to be."""

    PXP1 = auto()
    OTHER_VERSION = auto()
    OTHER_ROLE = auto()
    FOREIGN = auto()


def prefix_of(text: str) -> Prefix:
    """What `text` claims to be; letters count as upper case, spaces do not count."""
    head = text[:32].lstrip(" \t\r\n").translate(_UPPER)
    if head.startswith(PXP1):
        return Prefix.PXP1
    if _OTHER_VERSION.match(head):
        return Prefix.OTHER_VERSION
    if head.startswith(_OTHER_ROLES):
        return Prefix.OTHER_ROLE
    return Prefix.FOREIGN


def is_ours(text: str) -> bool:
    """Whether any part of this project wrote `text`."""
    return prefix_of(text) is not Prefix.FOREIGN
