"""Logs: text on a terminal, one JSON object a line otherwise; on standard error.

Nothing of a secret may reach them.  Events and sessions never log key material; this file is
the second line of defence: bytes are never printed, and fields with telling names are redacted.

structlog is imported with the first record that is to be written: an idle laptop, which has
nothing to say, is spared its 12 MiB.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from typing import Any, Final

REDACTED = "[redacted]"
TELLING = ("secret", "seed", "key", "code", "pin", "password", "eid", "bundle", "qr_text", "psk")
LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log:
    """The one logger: an event in words, its fields by name."""

    def __init__(self) -> None:
        self._threshold = LEVELS["warning"]
        self._logger: Any = None

    def configure(self, *, verbose: bool = False) -> None:
        """Set the level; the next record takes standard error as it then is."""
        self._threshold = LEVELS["debug" if verbose else "warning"]
        self._logger = None

    def info(self, event: str, **fields: Any) -> None:
        """Something that only whoever looks for a fault wants to know."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something unexpected that the program copes with."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """A fault; `exc_info` takes an exception."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if LEVELS[level] < self._threshold:
            return
        if self._logger is None:
            self._logger = _structlog()
        getattr(self._logger, level)(event, **fields)


log: Final = Log()


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what must not be logged: by its name, or because it is bytes."""
    for name, value in event.items():
        event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    if name != "event" and any(part in name.lower().split("_") for part in TELLING):
        return REDACTED
    match value:
        case bytes() | bytearray() | memoryview():
            return REDACTED
        case dict():
            return {inner: _redacted(str(inner), each) for inner, each in value.items()}
        case list() | tuple():
            return [_redacted("", each) for each in value]
        case _:
            return value


def _structlog() -> Any:
    import structlog

    terminal = sys.stderr.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            colors=not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,  # never the values of variables
        )
        if terminal
        else structlog.processors.JSONRenderer()
    )
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            *([] if terminal else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.BoundLogger,
    )
