"""What a long run has measured so far: a file with a line of JSON for each thing done.

A run that is stopped loses at most the one thing in hand; the next one goes on from the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Kept:
    """The file, or nothing but memory where there is none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def records(self) -> list[dict[str, Any]]:
        """All that was kept; a last line that was cut off does not count."""
        if self._path is None or not self._path.exists():
            return []
        whole, _, rest = self._path.read_text().rpartition("\n")
        if rest:
            self._path.write_text(whole + "\n" if whole else "")
        return [json.loads(line) for line in whole.splitlines()]

    def keep(self, **record: Any) -> None:
        """Add one record."""
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(record) + "\n")
