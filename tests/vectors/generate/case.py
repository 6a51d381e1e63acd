"""How a case is made: what it is for, what goes in, and what must come out."""

from __future__ import annotations

from typing import Any

from vectors.generate.cast import ISSUER
from vectors.ours.judge import judge

Case = dict[str, Any]
Inputs = dict[str, Any]


def accepted(layer: str, do: str, id: str, description: str, **inputs: Any) -> Case:
    """A case that must pass: our implementation says with which values, the checker confirms."""
    case = _case(layer, do, id, description, inputs)
    verdict = judge(case)
    if "expect" not in verdict:
        raise ValueError(f"{id} should be accepted: {verdict}")
    return case | verdict


def refused(
    layer: str, do: str, id: str, description: str, *, code: str = "", step: int = 0, **inputs: Any
) -> Case:
    """A case that must fail, and where: stated by its author, whatever our implementation does.

    `at_layer`: where, if a lower layer than the case's own has to refuse.
    """
    refuse: dict[str, Any] = {"layer": inputs.pop("at_layer", layer)}
    if code:
        refuse["code"] = code
    if step:
        refuse["step"] = step
    return _case(layer, do, id, description, inputs) | {"refuse": refuse}


def refused_bundle(
    step: int, code: str, id: str, description: str, data: bytes, **more: Any
) -> Case:
    """A bundle, under the issuer of the cast, that this step must refuse with this code."""
    inputs = {"bundle": data, "issuer": ISSUER.public} | more
    return refused(
        "verifier", "bundle", f"{code}-{id}", description, step=step, code=code, **inputs
    )


def _case(layer: str, do: str, id: str, description: str, inputs: Inputs) -> Case:
    plain = {n: v.hex() if isinstance(v, bytes) else v for n, v in inputs.items()}
    return {"id": f"{layer}-{id}", "layer": layer, "do": do, "description": description} | plain
