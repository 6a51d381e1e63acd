"""The contract as data, and a check of JSON against its schemas.

A reader for the YAML that `openapi.yaml` is written in, and no more of YAML than that: block
mappings and sequences, flow sequences of words, plain and double-quoted scalars, `>-`.  And the
keywords of JSON Schema that it uses.  Whatever else turns up in either is an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nearproof.daemon.backend as backend_room

KEYWORDS = {
    "$ref",
    "additionalProperties",
    "contentEncoding",
    "contentMediaType",
    "description",
    "enum",
    "items",
    "maxLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
}
TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int}


class Document:
    """`openapi.yaml`, read."""

    def __init__(self) -> None:
        path = Path(backend_room.__path__[0]) / "openapi.yaml"
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        self.root, rest = _block(lines, 0)
        assert not rest, rest[0]

    def resolve(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            found = self.root
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def operations(self) -> set[tuple[str, str]]:
        return {
            (method.upper(), path)
            for path, methods in self.root["paths"].items()
            for method in methods
        }

    def response(self, method: str, path: str, status: int) -> Any:
        """The response that the operation declares for this status; fails if there is none."""
        responses = self.root["paths"][path][method.lower()]["responses"]
        declared = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        assert declared is not None, f"{method} {path} does not declare {status}"
        return self.resolve(declared)

    def check(self, schema: Any, value: Any, where: str = "$") -> None:
        """Fail unless `value` fits the schema."""
        schema = self.resolve(schema)
        assert set(schema) <= KEYWORDS, f"unknown keywords at {where}: {set(schema) - KEYWORDS}"
        kind = TYPES[schema["type"]]
        of_kind = type(value) is kind  # exactly: True is no integer
        assert of_kind, f"{where} is {value!r}, not {schema['type']}"
        assert value in schema.get("enum", [value]), f"{where} is {value!r}"
        assert value >= schema.get("minimum", value) if kind is int else True, where
        if kind is str:
            assert re.search(schema.get("pattern", ""), value), f"{where} is {value!r}"
            assert len(value) <= schema.get("maxLength", len(value)), where
        if kind is list:
            for index, item in enumerate(value):
                self.check(schema["items"], item, f"{where}[{index}]")
        if kind is dict:
            self._check_object(schema, value, where)

    def _check_object(self, schema: Any, value: dict[str, Any], where: str) -> None:
        properties = schema.get("properties", {})
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, f"{where} lacks {missing}"
        # Our own answers hold nothing that the contract does not name.
        assert set(value) <= set(properties), f"{where} has {set(value) - set(properties)} too"
        for name, inner in value.items():
            self.check(properties[name], inner, f"{where}.{name}")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _block(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    """Read one block mapping or sequence at this indent; what follows it is left over."""
    if lines[0].lstrip().startswith("- "):
        return _sequence(lines, indent)
    mapping: dict[str, Any] = {}
    while lines and _indent(lines[0]) == indent:
        match = re.fullmatch(r' *("[^"]+"|[^\s":]+(?::[^\s":]+)*):(?: (.*))?', lines[0])
        assert match, lines[0]
        key, text = match[1].strip('"'), match[2]
        assert key not in mapping, key
        lines = lines[1:]
        if text == ">-":
            folded, lines = _deeper(lines, indent)
            mapping[key] = " ".join(line.strip() for line in folded)
        elif text is None:
            mapping[key], lines = _block(lines, _indent(lines[0]))
        else:
            mapping[key] = _scalar(text)
    return mapping, lines


def _sequence(lines: list[str], indent: int) -> tuple[list[Any], list[str]]:
    items: list[Any] = []
    while lines and _indent(lines[0]) == indent and lines[0].lstrip().startswith("- "):
        inner = lines[0].replace("- ", "  ", 1)
        more, lines = _deeper(lines[1:], indent)
        if re.match(r' *("[^"]+"|\S+):(?: |$)', inner):
            item, rest = _block([inner, *more], _indent(inner))
            assert not rest, rest[0]
        else:
            assert not more, more[0]
            item = _scalar(inner.strip())
        items.append(item)
    return items, lines


def _deeper(lines: list[str], indent: int) -> tuple[list[str], list[str]]:
    count = 0
    while count < len(lines) and _indent(lines[count]) > indent:
        count += 1
    return lines[:count], lines[count:]


def _scalar(text: str) -> Any:
    if text.startswith('"'):
        assert text.endswith('"'), text
        return text[1:-1]
    if text.startswith("["):
        words = text.removeprefix("[").removesuffix("]")
        return [_scalar(word.strip()) for word in words.split(",") if word.strip()]
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text
