"""The one exception of the second implementation."""

from __future__ import annotations


class Refused(Exception):
    """This input must not be accepted: the layer that says so, and the SPEC's code if it has one.

    `step` is that of SPEC section 9 and 0 elsewhere.
    """

    def __init__(self, layer: str, code: str = "", *, step: int = 0) -> None:
        self.layer = layer
        self.code = code
        self.step = step
        super().__init__(f"{layer}: {code} (step {step})")

    def verdict(self) -> dict[str, object]:
        """The `refuse` object of a case file."""
        found: dict[str, object] = {"layer": self.layer}
        if self.code:
            found["code"] = self.code
        if self.step:
            found["step"] = self.step
        return found
