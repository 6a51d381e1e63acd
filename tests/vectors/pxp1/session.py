"""What both machines of SPEC section 7 share: connections, and what one input brought about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SECOND = 1_000_000  # times are microseconds, as OLD counts them


@dataclass
class Connection:
    """One BLE connection and how far it has come; every one begins with m1."""

    name: str
    since: int
    eid: bytes = b""
    rssi: int | None = None
    m1: bool = False
    m2_at: int | None = None
    t1: bool = False
    t2: bool = False
    ack: bool = False
    subscribed: bool = False


@dataclass
class Machine:
    """Collects the effects of one input; the subclasses are the two roles."""

    state: str
    connections: dict[str, Connection] = field(default_factory=dict)
    effects: dict[str, Any] = field(default_factory=dict)
    ended: str = ""

    def advance(self, now: int) -> None:
        """Let every deadline up to `now` pass."""
        raise NotImplementedError

    def drain(self) -> dict[str, Any]:
        """What happened since the last call, and the state now."""
        found, self.effects = self.effects, {}
        return {"state": self.state, **found}

    def send(self, link: Connection, message: bytes) -> None:
        self.effects.setdefault("send", []).append([link.name, message.hex()])

    def close(self, link: Connection) -> None:
        """A refusal: the connection ends and nothing else changes."""
        if self.connections.pop(link.name, None):
            self.effects.setdefault("close", []).append(link.name)

    def end(self, reason: str) -> None:
        self.state, self.ended = "ENDED", reason
        self.effects["end"] = reason
        for link in list(self.connections.values()):
            self.close(link)

    @property
    def over(self) -> bool:
        return self.state == "ENDED"
