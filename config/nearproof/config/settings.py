"""What the owner of this laptop may set: `config.toml` in the home folder.

Flags of the command line win over the file, the file over the defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from nearproof.config.files import FileDamaged


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frozen settings of one laptop.

    `radio` and `camera` are the specs of `nearproof.daemon.radio` and `nearproof.qr.sources`;
    `label` is what this laptop calls itself when it asks to be copied to.
    """

    radio: str = "bluez:hci0"
    camera: str = "/dev/video0"
    label: str = ""
    language: Literal["", "en", "da"] = ""


def load_settings(path: Path) -> Settings:
    """Read `config.toml`; the defaults where there is none.  Raises `FileDamaged`."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    try:
        return msgspec.toml.decode(content, type=Settings)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FileDamaged(path, str(error)) from None
