"""Writes `crypto/vectors/*.json`, or with `--check` says whether they are what it would write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from vectors import files
from vectors.generate.bundles import bundle_cases
from vectors.generate.case import Case
from vectors.generate.claims import claims_cases
from vectors.generate.handshakes import noise_cases
from vectors.generate.keys import cbor_cases, key_cases
from vectors.generate.messages import frame_cases, message_cases
from vectors.generate.new_scripts import new_scripts
from vectors.generate.old_links import old_link_scripts
from vectors.generate.old_scripts import old_scripts
from vectors.generate.qr import advert_cases, qr_cases
from vectors.generate.tokens import token_cases

LAYERS: dict[str, Callable[[], list[Case]]] = {
    "qr": qr_cases,
    "advert": advert_cases,
    "keys": key_cases,
    "cbor": cbor_cases,
    "tokens": token_cases,
    "noise": noise_cases,
    "messages": message_cases,
    "frames": frame_cases,
    "verifier": lambda: bundle_cases() + claims_cases(),
    "session": lambda: old_scripts() + old_link_scripts() + new_scripts(),
}


def render() -> dict[str, str]:
    """The text of every file, by its name."""
    return {f"{layer}.json": files.dump(layer, make()) for layer, make in LAYERS.items()}


def stale(folder: Path = files.FOLDER) -> list[str]:
    """The names of the files in the folder that are not what `render` makes."""
    wanted = render()
    found = {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted | found if wanted.get(name) != found.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/vectors", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    if parser.parse_args().check:
        names = stale()
        for name in names:
            print(f"crypto/vectors/{name} is not what scripts/vectors writes", file=sys.stderr)
        return 1 if names else 0
    for name, text in render().items():
        (files.FOLDER / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
