"""A console whose words a test can read."""

from __future__ import annotations

import io
import json
from typing import Any

from nearproof.daemon.console import Console
from nearproof.daemon.locale import Language


class Recorder:
    """Keeps what a `Console` says."""

    def __init__(self, *, as_json: bool = False, language: Language = "en") -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.console = Console(
            role="test", language=language, as_json=as_json, out=self.out, err=self.err
        )

    def events(self) -> list[dict[str, Any]]:
        """The JSON events so far."""
        return [json.loads(line) for line in self.out.getvalue().splitlines()]
